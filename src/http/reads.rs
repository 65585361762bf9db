//! The read side: a published score and the metrics behind it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::params::{self, Params};
use super::problem::{Kind, Problem};
use super::state::AppState;
use super::wire::{Number, ScoreKey, WireDimension, WireMetric, WireTier, wire_dimensions, wire_metrics, wire_tier};
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::subject::{Subject, SubjectKind};
use crate::scoring::outlook::{PublishedCard, published_card};
use crate::storage::registry::{self, SubjectRow};
use crate::storage::run::{self, RunRow};
use crate::storage::{StoreError, score};

/// A subject's card in a published run.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) row: RunRow,
    pub(super) rule_set: Arc<RuleSet>,
    pub(super) version: i16,
    pub(super) card: Card,
}

impl Found {
    pub(super) fn key(&self) -> ScoreKey {
        ScoreKey::of(&self.subject, &self.rule_set, &self.row, self.card.category_id.as_ref())
    }

    pub(super) fn modified(&self) -> DateTime<Utc> {
        self.row.published_at.unwrap_or_default()
    }
}

/// The run in which a list was begun: all its pages are of one revision, whatever is published meanwhile. `date` and
/// `revision` are what the query asks for, which must not be another one.
pub(super) async fn begun_run(
    connection: &mut PgConnection,
    run_id: i64,
    date: Option<NaiveDate>,
    revision: Option<i32>,
) -> Result<RunRow, Problem> {
    let row = run::get(connection, run_id).await?.filter(|row| row.published_at.is_some());
    let row = row.ok_or_else(|| not_published("the cursor's run is gone; begin with the first page"))?;
    let other =
        date.is_some_and(|date| date != row.date) || revision.is_some_and(|revision| row.revision != Some(revision));
    if other {
        let detail = "cursor goes with the date and revision of the page before";
        return Err(Problem::parameter("cursor", "invalid_value", detail));
    }
    Ok(row)
}

/// What the common query parameters ask for.
pub(super) struct Wanted {
    pub(super) subject: Subject,
    pub(super) date: Option<NaiveDate>,
    pub(super) rule_set: String,
    pub(super) revision: Option<i32>,
}

impl Wanted {
    /// Reads the path and the common parameters; further ones are the caller's to take before [`Params::finish`].
    pub(super) fn read(
        state: &AppState,
        caller: &Caller,
        (kind, id): (&str, &str),
        params: &mut Params,
    ) -> Result<Wanted, Problem> {
        let subject = params::subject(kind, id)?;
        caller.see(&subject)?;
        let date = params.date("date");
        let revision = params.revision();
        let rule_set = wanted_rule_set(state, subject.kind, params);
        Ok(Wanted { subject, date, rule_set, revision })
    }
}

pub(super) fn wanted(
    state: &AppState,
    caller: &Caller,
    path: &(String, String),
    mut params: Params,
) -> Result<Wanted, Problem> {
    let wanted = Wanted::read(state, caller, (&path.0, &path.1), &mut params)?;
    params.finish()?;
    Ok(wanted)
}

/// The rule set that a query names, or the default of a kind.
pub(super) fn wanted_rule_set(state: &AppState, kind: SubjectKind, params: &mut Params) -> String {
    let default = || state.context.rules.default_for(kind).map(|rule_set| rule_set.id.clone()).unwrap_or_default();
    let Some(id) = params.text("rule_set") else { return default() };
    if !state.context.rules.of_kind(kind).any(|rule_set| rule_set.id == id) {
        let known: Vec<&str> = state.context.rules.of_kind(kind).map(|rule_set| rule_set.id.as_str()).collect();
        params.refuse("rule_set", &format!("rule_set is one of {}", known.join(", ")));
    }
    id
}

/// The registry's row of a subject. One that is not known is told apart from one without a score.
pub(super) async fn known(connection: &mut PgConnection, subject: &Subject) -> Result<SubjectRow, Problem> {
    registry::get(connection, subject).await?.ok_or_else(|| Problem::unknown_subject(subject))
}

pub(super) fn not_published(detail: &str) -> Problem {
    Problem::new(Kind::ScoreNotPublished, detail)
}

/// The published run that answers for a date (default: the newest) and a revision (default: the newest).
pub(super) async fn published_run(
    connection: &mut PgConnection,
    state: &AppState,
    date: Option<NaiveDate>,
    revision: Option<i32>,
) -> Result<RunRow, Problem> {
    let row = state.runs.published(&state.turnover, connection, date, revision).await?;
    row.ok_or_else(|| not_published("no run is published for this date and revision; see GET /v1/runs"))
}

pub(super) async fn find(state: &AppState, wanted: &Wanted) -> Result<Found, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    find_with(&mut connection, state, wanted).await
}

pub(super) async fn find_with(
    connection: &mut PgConnection,
    state: &AppState,
    wanted: &Wanted,
) -> Result<Found, Problem> {
    let row = match published_run(connection, state, wanted.date, wanted.revision).await {
        Ok(row) => row,
        Err(problem) => return Err(known(connection, &wanted.subject).await.err().unwrap_or(problem)),
    };
    find_in(connection, state, row, &wanted.subject, &wanted.rule_set).await
}

/// The card of a subject in a published run.
pub(super) async fn find_in(
    connection: &mut PgConnection,
    state: &AppState,
    row: RunRow,
    subject: &Subject,
    rule_set: &str,
) -> Result<Found, Problem> {
    let Some(published) = published_card(connection, &state.context.archive, &row, subject, rule_set).await? else {
        // Only where there is no card is it asked whether there is a subject.
        known(connection, subject).await?;
        return Err(without_cards(connection, state, &row, subject).await?);
    };
    let PublishedCard { rule_set, version, card } =
        published.ok_or_else(|| not_published("this rule set was not in force when this run was computed"))?;
    Ok(Found { subject: subject.clone(), row, rule_set, version, card })
}

/// Why a published run has no full card of a subject: short cards stay when full ones are removed.
async fn without_cards(
    connection: &mut PgConnection,
    state: &AppState,
    row: &RunRow,
    subject: &Subject,
) -> Result<Problem, StoreError> {
    let of_run = state.context.archive.of_run(connection, row).await?;
    let of_kind = of_run.iter().filter(|(_, rule_set)| rule_set.kind == subject.kind);
    let versions: Vec<i16> = of_kind.map(|(version, _)| *version).collect();
    let short = score::short_cards(connection, &[row.run_id], &versions, &subject.id).await?;
    Ok(not_published(match short.is_empty() {
        true => "the subject was not known when this run was computed",
        false => "the full card of this date is not kept any more; its score is still in GET /v1/{kind}/{id}/scores",
    }))
}

/// A score with its dimensions and its tier.
#[derive(Serialize, ToSchema)]
pub struct ScoreAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    /// `scored` or `insufficient_volume`.
    pub status: String,
    /// Signed orders in the rule set's near window.
    pub signed_orders: i64,
    /// Null without enough volume.
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    pub dimensions: Vec<WireDimension>,
    /// Null without a score.
    #[schema(required)]
    pub tier: Option<WireTier>,
}

/// The score of a shop or a creator.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score",
    tag = "scores",
    params(super::docs::SubjectPath, super::docs::ScoreQuery),
    responses((status = 200, description = "The published score.", body = ScoreAnswer), ReadProblems)
)]
pub async fn get_score(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    params: Params,
) -> Result<Response, Problem> {
    let wanted = wanted(&state, &caller, &path, params)?;
    asked
        .answer(&state, || async {
            let found = find(&state, &wanted).await?;
            let answer = ScoreAnswer {
                key: found.key(),
                status: found.card.status().as_str().to_owned(),
                signed_orders: found.card.signed_orders,
                score: found.card.score.map(Number),
                dimensions: wire_dimensions(&found.rule_set, &found.card),
                tier: wire_tier(&found.rule_set, found.card.score),
            };
            Answer::of(&answer, found.modified())
        })
        .await
}

/// All metrics of a score.
#[derive(Serialize, ToSchema)]
pub struct MetricsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: String,
    pub metrics: Vec<WireMetric>,
}

/// The metrics behind a score: everything that it takes to recompute it by hand.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/metrics",
    tag = "scores",
    params(super::docs::SubjectPath, super::docs::ScoreQuery),
    responses((status = 200, description = "The metrics, in the rule set's order.", body = MetricsAnswer), ReadProblems)
)]
pub async fn get_metrics(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    params: Params,
) -> Result<Response, Problem> {
    let wanted = wanted(&state, &caller, &path, params)?;
    asked
        .answer(&state, || async {
            let found = find(&state, &wanted).await?;
            let answer = MetricsAnswer {
                key: found.key(),
                status: found.card.status().as_str().to_owned(),
                metrics: wire_metrics(&found.rule_set, &found.card, found.row.date),
            };
            Answer::of(&answer, found.modified())
        })
        .await
}
