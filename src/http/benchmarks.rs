//! What a category's members stand among: quantiles of every metric and of the score.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::fleet::{kind, version_of};
use super::params::Params;
use super::problem::Problem;
use super::reads::{published_run, wanted_rule_set};
use super::state::AppState;
use super::wire::Places;
use crate::domain::curve::Ratio;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
use crate::domain::score::SCORE_PLACES;
use crate::domain::subject::SubjectKind;
use crate::storage::{peer_group, score};

/// The quantiles of benchmarks, in hundredths.
const QUANTILES: [usize; 5] = [10, 25, 50, 75, 90];

/// What the members of a category have, metric by metric.
#[derive(Serialize, ToSchema)]
pub struct BenchmarksAnswer {
    pub category_id: String,
    pub kind: String,
    pub rule_set: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub score: Quantiles,
    pub metrics: Vec<MetricBenchmark>,
}

#[derive(Serialize, ToSchema)]
pub struct MetricBenchmark {
    pub id: String,
    pub unit: String,
    pub better: String,
    #[serde(flatten)]
    pub value: Quantiles,
}

/// Quantiles from the lowest value up: the smallest value that so many hundredths of the members do not exceed. Null
/// without members, and for keys that are bound to shops where the members are fewer than make a peer group.
#[derive(Serialize, ToSchema)]
pub struct Quantiles {
    /// Assessed members.
    pub members: usize,
    #[schema(required, value_type = Option<f64>)]
    pub p10: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p25: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p50: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p75: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p90: Option<Places>,
}

impl Quantiles {
    /// Of values from the lowest up, shown with so many decimals, or not at all.
    fn of(rising: &[Decimal], places: u32, hidden: bool) -> Quantiles {
        let at = |hundredths: usize| {
            let rank = (rising.len() * hundredths).div_ceil(100).max(1);
            rising.get(rank - 1).filter(|_| !hidden).map(|value| Places(*value, places))
        };
        let [p10, p25, p50, p75, p90] = QUANTILES.map(at);
        Quantiles { members: rising.len(), p10, p25, p50, p75, p90 }
    }
}

/// What the members of a category have, so that a subject sees where it stands.
#[utoipa::path(
    get,
    path = "/v1/categories/{category_id}/benchmarks",
    tag = "scores",
    params(
        ("category_id" = String, Path),
        ("kind" = Option<String>, Query, description = "`shops` (default) or `creators`."),
        super::docs::ScoreQuery,
    ),
    responses((status = 200, description = "Quantiles per metric, and of the score.", body = BenchmarksAnswer), ReadProblems)
)]
pub async fn get_benchmarks(
    State(state): State<AppState>,
    Path(category_id): Path<String>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let kind = kind(&mut params);
    let (date, revision) = (params.date("date"), params.revision());
    let rule_set = wanted_rule_set(&state, kind, &mut params);
    params.finish()?;
    let category_id = Id::parse(&category_id)
        .map_err(|invalid| Problem::parameter("category_id", "invalid_id", invalid.to_string()))?;
    let hides_few = caller.shops().is_some();
    let answer = || benchmarks(&state, kind, (date, revision), &rule_set, category_id, hides_few);
    match hides_few {
        true => Ok(asked.answer_once(&answer().await?)),
        false => asked.answer(&state, answer).await,
    }
}

async fn benchmarks(
    state: &AppState,
    kind: SubjectKind,
    (date, revision): (Option<NaiveDate>, Option<i32>),
    rule_set: &str,
    category_id: Id,
    hides_few: bool,
) -> Result<Answer, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    let row = published_run(&mut connection, state, date, revision).await?;
    let (version, used) = version_of(state, &mut connection, &row, rule_set).await?;
    let scores = score::of_category(&mut connection, row.run_id, version, &category_id).await?;
    let groups = peer_group::of_category(&mut connection, row.run_id, version, category_id.as_str()).await?;
    // Of few members a quantile tells what one of them has; that is not for the others to see.
    let few = |members: usize| hides_few && (members as i64) < used.minimums.peers;
    let metrics = used.metrics.iter().enumerate().map(|(index, rule)| {
        let group = groups.iter().find(|(metric, _)| *metric == index).map(|(_, group)| group.values());
        let mut values: Vec<Ratio> = group.unwrap_or_default().to_vec();
        values.sort_unstable_by(|left, right| left.compare(*right));
        let rising: Vec<Decimal> = values.iter().map(|value| value.rounded(PLACES_MAX)).collect();
        let definition = rule.metric.definition();
        MetricBenchmark {
            id: definition.id.to_owned(),
            unit: definition.unit.as_str().to_owned(),
            better: definition.better.as_str().to_owned(),
            value: Quantiles::of(&rising, PLACES_MAX, few(rising.len())),
        }
    });
    let modified = row.published_at.unwrap_or_default();
    let answer = BenchmarksAnswer {
        category_id: category_id.to_string(),
        kind: kind.as_str().to_owned(),
        rule_set: rule_set.to_owned(),
        date: row.date,
        revision: row.revision.unwrap_or_default(),
        run_id: row.run_id.to_string(),
        published_at: modified,
        score: Quantiles::of(&scores, SCORE_PLACES, few(scores.len())),
        metrics: metrics.collect(),
    };
    Answer::of(&answer, modified)
}
