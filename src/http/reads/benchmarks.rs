//! What a category's members stand among.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{FleetKey, WireQuantiles, wire_quantiles};
use crate::answers::benchmarks::{Benchmarks, WantedBenchmarks};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::metric::Metric;
use crate::domain::quantiles::Quantiles;
use crate::domain::subject::SubjectKind;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::auth::Caller;
use crate::http::param_types::{IdSegment, KindQuery, Revision, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{BetterTerm, Term, UnitTerm};

parameters! {
    /// Whose benchmarks are wanted.
    pub(crate) struct BenchmarksQuery {
        category_id: IdSegment,
        /// `shops` (default) or `creators`.
        kind: KindQuery,
        /// Score date; default the newest published one.
        date: Option<NaiveDate>,
        rule_set: RuleSetId,
        /// Default: the newest revision of the date.
        revision: Revision,
    }
}

/// Percentiles of the score and of each metric within a category.
#[derive(Serialize, ToSchema)]
pub(crate) struct BenchmarksAnswer {
    pub category_id: String,
    #[serde(flatten)]
    pub key: FleetKey,
    pub score: WireQuantiles,
    pub metrics: Vec<MetricBenchmark>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MetricBenchmark {
    pub id: String,
    pub unit: UnitTerm,
    pub better: BetterTerm,
    #[serde(flatten)]
    pub value: WireQuantiles,
}

/// Percentiles of the score and of each metric within a category.
#[utoipa::path(
    get,
    path = "/v1/categories/{category_id}/benchmarks",
    tag = "scores",
    params(BenchmarksQuery),
    responses((status = 200, description = "Percentiles of each metric and of the score.", body = BenchmarksAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_benchmarks(
    State(state): State<AppState>,
    caller: Caller,
    asked: Asked,
    Input(query): Input<BenchmarksQuery>,
) -> Result<Response, Problem> {
    let kind = query.kind.0;
    let wanted = WantedBenchmarks {
        category_id: query.category_id.0,
        date: query.date,
        revision: query.revision.0,
        kind,
        rule_set: query.rule_set.0,
        hides_few: caller.is_bound(),
    };
    let make = || async {
        let benchmarks = state.source.benchmarks(&wanted).await?;
        Answer::of(&answer(kind, &wanted, &benchmarks), benchmarks.run.published_at.unwrap_or_default())
    };
    if wanted.hides_few { Ok(asked.answer_once(&make().await?)) } else { asked.answer(&state, make).await }
}

fn answer(
    kind: SubjectKind,
    wanted: &WantedBenchmarks,
    Benchmarks { run, rule_set, score, metrics }: &Benchmarks,
) -> BenchmarksAnswer {
    let metric = |(metric, quantiles): &(Metric, Quantiles)| MetricBenchmark {
        id: metric.id().to_owned(),
        unit: Term(metric.definition().unit),
        better: Term(metric.definition().better),
        value: wire_quantiles(quantiles, PLACES_MAX),
    };
    BenchmarksAnswer {
        category_id: wanted.category_id.to_string(),
        key: FleetKey::of(kind, rule_set, run),
        score: wire_quantiles(score, rule_set.score_places),
        metrics: metrics.iter().map(metric).collect(),
    }
}
