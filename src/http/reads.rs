//! The read side: a published score and the metrics behind it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::AppState;
use super::params::{self, Params};
use super::problem::{Kind, Problem, ProblemBody};
use super::wire::{
    Number, ScoreKey, WireDimension, WireMetric, WireTier, published, wire_dimensions, wire_metrics, wire_tier,
};
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::subject::Subject;
use crate::storage::run::{self as runs, RunRow};
use crate::storage::{registry, score};

/// A subject's card in a published run.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) row: RunRow,
    pub(super) rule_set: Arc<RuleSet>,
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

/// What the common query parameters ask for.
pub(super) struct Wanted {
    subject: Subject,
    date: Option<NaiveDate>,
    rule_set: String,
    revision: Option<i32>,
}

pub(super) fn wanted(state: &AppState, path: &(String, String), mut params: Params) -> Result<Wanted, Problem> {
    let subject = params::subject(&path.0, &path.1)?;
    let date = params.date("date");
    let revision = params.revision();
    let rule_set = wanted_rule_set(state, &subject, &mut params);
    params.finish()?;
    Ok(Wanted { subject, date, rule_set, revision })
}

/// The rule set that a query names, or the default of the subject's kind.
pub(super) fn wanted_rule_set(state: &AppState, subject: &Subject, params: &mut Params) -> String {
    let default = || state.run.rules.default_for(subject.kind).map(|rule_set| rule_set.id.clone()).unwrap_or_default();
    let Some(id) = params.text("rule_set") else { return default() };
    if !state.run.rules.of_kind(subject.kind).any(|rule_set| rule_set.id == id) {
        let known: Vec<&str> = state.run.rules.of_kind(subject.kind).map(|rule_set| rule_set.id.as_str()).collect();
        params.refuse("rule_set", &format!("rule_set is one of {}", known.join(", ")));
    }
    id
}

/// A subject that is not known is told apart from one without a score.
pub(super) async fn known(connection: &mut PgConnection, subject: &Subject) -> Result<(), Problem> {
    match registry::get(connection, subject).await? {
        Some(_) => Ok(()),
        None => {
            let detail = format!("no {} {} is registered or named by an event", subject.kind, subject.id);
            Err(Problem::new(Kind::SubjectNotFound, detail))
        }
    }
}

pub(super) fn not_published(detail: &str) -> Problem {
    Problem::new(Kind::ScoreNotPublished, detail)
}

pub(super) async fn find(state: &AppState, wanted: Wanted) -> Result<Found, Problem> {
    let mut connection = state.run.store.read.acquire().await?;
    known(&mut connection, &wanted.subject).await?;
    let row = runs::published(&mut connection, wanted.date, wanted.revision).await?;
    let row = row.ok_or_else(|| not_published("no run is published for this date and revision; see GET /v1/runs"))?;
    let of_run = state.archive.of_run(&mut connection, &row).await?;
    let of_kind: Vec<(i16, Arc<RuleSet>)> =
        of_run.into_iter().filter(|(_, set)| set.kind == wanted.subject.kind).collect();
    let plain: Vec<(i16, &RuleSet)> = of_kind.iter().map(|(version, set)| (*version, set.as_ref())).collect();
    let cards = score::cards(&mut connection, row.run_id, &wanted.subject, &plain).await?;
    let cards = cards.ok_or_else(|| not_published("the subject was not known when this run was computed"))?;
    let of_rule_set = cards.into_iter().zip(of_kind).find(|(_, (_, set))| set.id == wanted.rule_set);
    let (card, (_, rule_set)) =
        of_rule_set.ok_or_else(|| not_published("this rule set was not in force when this run was computed"))?;
    Ok(Found { subject: wanted.subject, row, rule_set, card })
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
    responses(
        (status = 200, description = "The published score.", body = ScoreAnswer),
        (status = 304, description = "The client has it."),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`subject-not-found` or `score-not-published`.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get_score(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = find(&state, wanted(&state, &path, params)?).await?;
    let answer = ScoreAnswer {
        key: found.key(),
        status: found.card.status().as_str().to_owned(),
        signed_orders: found.card.signed_orders,
        score: found.card.score.map(Number),
        dimensions: wire_dimensions(&found.rule_set, &found.card),
        tier: wire_tier(&found.rule_set, found.card.score),
    };
    published(&headers, &answer, found.modified())
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
    responses(
        (status = 200, description = "The metrics, in the rule set's order.", body = MetricsAnswer),
        (status = 304, description = "The client has it."),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`subject-not-found` or `score-not-published`.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get_metrics(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = find(&state, wanted(&state, &path, params)?).await?;
    let answer = MetricsAnswer {
        key: found.key(),
        status: found.card.status().as_str().to_owned(),
        metrics: wire_metrics(&found.rule_set, &found.card, found.row.date),
    };
    published(&headers, &answer, found.modified())
}
