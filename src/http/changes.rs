//! Why a score moved.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::params::Params;
use super::problem::Problem;
use super::reads::{Found, Wanted, find_in, find_with, not_published, published_run};
use super::state::AppState;
use super::wire::{Number, ScoreKey};
use crate::domain::changes::{Changes, MetricChange, Side, changes, unrounded};
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::metric::Metric;
use crate::domain::score::weights;
use crate::storage::{peer_group, run};

/// Why a score moved since an earlier published date.
#[derive(Serialize, ToSchema)]
pub struct ChangesAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub from: ChangeSide,
    pub to: ChangeSide,
    /// Change of the score before its last rounding; null unless both dates have a score.
    #[schema(required, value_type = Option<f64>)]
    pub change: Option<Number<PLACES_MAX>>,
    /// The parts of all metrics together, which sum exactly to `change`.
    #[schema(required)]
    pub parts: Option<ChangeParts>,
    /// By metric; all parts sum exactly to `change`.
    pub metrics: Vec<MetricChangeAnswer>,
}

/// One of the two published scores.
#[derive(Serialize, ToSchema)]
pub struct ChangeSide {
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub status: String,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    /// The score before its last rounding.
    #[schema(required, value_type = Option<f64>)]
    pub unrounded: Option<Number<PLACES_MAX>>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct ChangeParts {
    /// The own counts, among the old peers.
    #[schema(value_type = f64)]
    pub own: Number<PLACES_MAX>,
    /// The peers moved.
    #[schema(value_type = f64)]
    pub peers: Number<PLACES_MAX>,
    /// What is assessed, or the rule set, changed.
    #[schema(value_type = f64)]
    pub weights: Number<PLACES_MAX>,
}

#[derive(Serialize, ToSchema)]
pub struct MetricChangeAnswer {
    pub id: String,
    #[serde(flatten)]
    pub parts: ChangeParts,
    /// The three parts together.
    #[schema(value_type = f64)]
    pub total: Number<PLACES_MAX>,
    /// Null where the date's rule set has not the metric.
    #[schema(required)]
    pub before: Option<MetricState>,
    #[schema(required)]
    pub after: Option<MetricState>,
}

/// A metric on one of the two dates.
#[derive(Serialize, ToSchema)]
pub struct MetricState {
    pub numerator: i64,
    pub denominator: i64,
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub points: Option<Number<4>>,
    #[schema(value_type = f64)]
    pub effective_weight: Number<PLACES_MAX>,
}

/// Why the score moved since the published date before, or since `from`.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/changes",
    tag = "scores",
    params(
        super::docs::SubjectPath,
        super::docs::ScoreQuery,
        ("from" = Option<NaiveDate>, Query, description = "An earlier published date; default the newest one before `date`. Its newest revision is taken."),
    ),
    responses((status = 200, description = "The change, taken apart.", body = ChangesAnswer), ReadProblems)
)]
pub async fn get_changes(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&state, &caller, (&kind, &id), &mut params)?;
    let from = params.date("from");
    if let (Some(from), Some(date)) = (from, wanted.date)
        && from >= date
    {
        params.refuse("from", "from is before date");
    }
    params.finish()?;
    asked.answer(&state, || explain(&state, &wanted, from)).await
}

async fn explain(state: &AppState, wanted: &Wanted, from: Option<NaiveDate>) -> Result<Answer, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    let new = find_with(&mut connection, state, wanted).await?;
    let from = match from {
        Some(from) if from >= new.row.date => {
            return Err(Problem::parameter("from", "invalid_value", "from is before the newest published date"));
        }
        Some(from) => from,
        None => {
            let before = run::published_before(&mut connection, new.row.date).await?;
            before.ok_or_else(|| not_published("no earlier date is published; there is nothing to compare with"))?
        }
    };
    let row = published_run(&mut connection, state, Some(from), None).await?;
    let old = find_in(&mut connection, state, row, &wanted.subject, &wanted.rule_set).await?;
    let category_id = old.card.category_id.as_ref();
    let peers = peer_group::around(&mut connection, old.row.run_id, old.version, &old.rule_set, category_id).await?;
    let changes = changes(side(&old), side(&new), &peers);
    Answer::of(&answer(&old, &new, changes), new.modified())
}

fn side(found: &Found) -> Side<'_> {
    Side { rule_set: &found.rule_set, card: &found.card }
}

fn answer(old: &Found, new: &Found, changes: Option<Changes>) -> ChangesAnswer {
    let sum = |part: fn(&MetricChange) -> Decimal| {
        let parts = changes.iter().flat_map(|changes| &changes.metrics).map(|(_, change)| part(change));
        Number(parts.fold(Decimal::ZERO, Decimal::plus))
    };
    let parts = ChangeParts {
        own: sum(|change| change.own),
        peers: sum(|change| change.peers),
        weights: sum(|change| change.weights),
    };
    let metrics = changes.iter().flat_map(|changes| &changes.metrics).map(|(metric, change)| MetricChangeAnswer {
        id: metric.id().to_owned(),
        parts: ChangeParts { own: Number(change.own), peers: Number(change.peers), weights: Number(change.weights) },
        total: Number(change.own.plus(change.peers).plus(change.weights)),
        before: metric_state(old, *metric),
        after: metric_state(new, *metric),
    });
    ChangesAnswer {
        key: new.key(),
        from: change_side(old),
        to: change_side(new),
        change: changes.as_ref().map(|changes| Number(changes.to.minus(changes.from))),
        parts: changes.as_ref().map(|_| parts),
        metrics: metrics.collect(),
    }
}

fn change_side(found: &Found) -> ChangeSide {
    ChangeSide {
        date: found.row.date,
        revision: found.row.revision.unwrap_or_default(),
        run_id: found.row.run_id.to_string(),
        published_at: found.modified(),
        status: found.card.status().as_str().to_owned(),
        score: found.card.score.map(Number),
        unrounded: unrounded(side(found)).map(Number),
    }
}

fn metric_state(found: &Found, metric: Metric) -> Option<MetricState> {
    let index = found.rule_set.place(metric)?;
    let card = &found.card.metrics[index];
    Some(MetricState {
        numerator: card.count.numerator,
        denominator: card.count.denominator(metric),
        value: card.count.value(metric).map(|value| Number(value.rounded(PLACES_MAX))),
        points: card.assessed.map(|assessed| Number(assessed.points)),
        effective_weight: Number(weights(&found.rule_set, &found.card)[index].1),
    })
}
