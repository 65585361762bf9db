//! The read side over time: since when a penalty is in force, and the scores of past dates.

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
use super::problem::Problem;
use super::reads::{Found, find, known, not_published, wanted, wanted_rule_set};
use super::state::AppState;
use super::wire::{NextDown, NextUp, Number, ScoreKey, Shortest, WireThreshold, WireTitle, subject_ids, wire_tier};
use crate::domain::decimal::Decimal;
use crate::domain::score::{Status, tier};
use crate::domain::subject::Subject;
use crate::storage::run::{self as runs, RunRow};
use crate::storage::score;

/// Dates that one answer may span.
const HISTORY_DAYS_MAX: i64 = 400;
/// Days that a history shows when the client does not say.
const HISTORY_DAYS_DEFAULT: u64 = 30;

/// The penalties in force.
#[derive(Serialize, ToSchema)]
pub struct PenaltiesAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: String,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    /// Null without a score.
    #[schema(required)]
    pub tier: Option<PenaltyTier>,
    /// The penalties of `tier` once more; empty without a score.
    pub penalties: Vec<WirePenalty>,
}

/// Where a score stands, with all that is known of its penalties.
#[derive(Serialize, ToSchema)]
pub struct PenaltyTier {
    /// Distinct thresholds that the score is below.
    pub level: usize,
    /// The penalties in force, by falling threshold.
    pub penalties: Vec<WirePenalty>,
    #[schema(required)]
    pub next_up: Option<NextUp>,
    #[schema(required)]
    pub next_down: Option<NextDown>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct WirePenalty {
    #[serde(flatten)]
    pub threshold: WireThreshold,
    pub title: WireTitle,
    /// The first of the published dates, without a break, on which the penalty was in force.
    pub since: NaiveDate,
}

/// The penalties that a score brings, and since when.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/penalties",
    tag = "scores",
    params(super::docs::SubjectPath, super::docs::ScoreQuery),
    responses((status = 200, description = "The tier and its penalties.", body = PenaltiesAnswer), ReadProblems)
)]
pub async fn get_penalties(
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
            let in_force = found.card.score.map(|score| tier(&found.rule_set, score).penalties).unwrap_or_default();
            let earlier = if in_force.is_empty() { Vec::new() } else { earlier_scores(&state, &found).await? };
            let penalties = in_force.into_iter().map(|penalty| {
                let below = |score: &Option<Decimal>| score.is_some_and(|score| score < penalty.below);
                let unbroken = earlier.iter().take_while(|(_, score)| below(score)).last();
                WirePenalty {
                    threshold: WireThreshold { code: penalty.code.clone(), below: Shortest(penalty.below) },
                    title: (&penalty.title).into(),
                    since: unbroken.map_or(found.row.date, |(date, _)| *date),
                }
            });
            let penalties: Vec<WirePenalty> = penalties.collect();
            let tier = wire_tier(&found.rule_set, found.card.score).map(|tier| PenaltyTier {
                level: tier.level,
                penalties: penalties.clone(),
                next_up: tier.next_up,
                next_down: tier.next_down,
            });
            let answer = PenaltiesAnswer {
                key: found.key(),
                status: found.card.status().as_str().to_owned(),
                score: found.card.score.map(Number),
                tier,
                penalties,
            };
            Answer::of(&answer, found.modified())
        })
        .await
}

/// The scores of the published dates before the one found, newest first, from the newest revision of each.
async fn earlier_scores(state: &AppState, found: &Found) -> Result<Vec<(NaiveDate, Option<Decimal>)>, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    let rows = runs::published_between(&mut connection, None, found.row.date).await?;
    let cards = short_cards(state, &mut connection, &rows, &found.subject, &found.rule_set.id).await?;
    let before = rows.iter().rev().filter(|row| row.date < found.row.date);
    let scores = before.map(|row| {
        let card = cards.iter().find(|(run_id, _)| *run_id == row.run_id);
        (row.date, card.and_then(|(_, card)| card.score))
    });
    Ok(scores.collect())
}

/// The short cards of a subject in runs under a rule set, whichever version of it each run used.
async fn short_cards(
    state: &AppState,
    connection: &mut PgConnection,
    rows: &[RunRow],
    subject: &Subject,
    rule_set: &str,
) -> Result<Vec<(i64, score::ShortCard)>, Problem> {
    let mut versions = Vec::new();
    for row in rows {
        for (version, set) in state.context.archive.of_run(connection, row).await? {
            if set.id == rule_set && !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    let run_ids: Vec<i64> = rows.iter().map(|row| row.run_id).collect();
    let cards = score::short_cards(connection, &run_ids, &versions, &subject.id).await?;
    Ok(cards.into_iter().map(|card| (card.run_id, card)).collect())
}

/// A subject's scores over time.
#[derive(Serialize, ToSchema)]
pub struct HistoryAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    pub rule_set: String,
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// One short card per published date, by date.
    pub scores: Vec<WireShortCard>,
}

#[derive(Serialize, ToSchema)]
pub struct WireShortCard {
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub status: String,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    #[schema(required)]
    pub tier_level: Option<i16>,
}

/// The history of a score: one short card per published date.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/scores",
    tag = "scores",
    params(
        super::docs::SubjectPath,
        ("from" = Option<NaiveDate>, Query, description = "First date; default 29 days before `to`."),
        ("to" = Option<NaiveDate>, Query, description = "Last date; default the newest published one. At most 400 days after `from`."),
        ("rule_set" = Option<String>, Query, description = "Default: the kind's default."),
    ),
    responses((status = 200, description = "The short cards, by date; dates without a published run are left out.", body = HistoryAnswer), ReadProblems)
)]
pub async fn get_scores(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let subject = params::subject(&path.0, &path.1)?;
    caller.see(&subject)?;
    let (from, to) = (params.date("from"), params.date("to"));
    let rule_set = wanted_rule_set(&state, subject.kind, &mut params);
    if let (Some(from), Some(to)) = (from, to)
        && !is_history_span(from, to)
    {
        params.refuse("from", "from is at most to, and at most 400 days before it");
    }
    params.finish()?;
    asked.answer(&state, || history(&state, &subject, rule_set, from, to)).await
}

fn is_history_span(from: NaiveDate, to: NaiveDate) -> bool {
    from <= to && (to - from).num_days() <= HISTORY_DAYS_MAX
}

async fn history(
    state: &AppState,
    subject: &Subject,
    rule_set: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<Answer, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    known(&mut connection, subject).await?;
    let newest = runs::published_dates(&mut connection).await?.map(|(_, newest)| newest);
    let to = to.or(newest).or(from).ok_or_else(|| not_published("no run is published yet"))?;
    let from = from.unwrap_or(to - chrono::Days::new(HISTORY_DAYS_DEFAULT - 1));
    if !is_history_span(from, to) {
        let detail = "from is at most the newest published date, and at most 400 days before it; or give to";
        return Err(Problem::parameter("from", "invalid_value", detail));
    }
    let rows = runs::published_between(&mut connection, Some(from), to).await?;
    let cards = short_cards(state, &mut connection, &rows, subject, &rule_set).await?;
    let scores = rows.iter().filter_map(|row| {
        let (_, card) = cards.iter().find(|(run_id, _)| *run_id == row.run_id)?;
        Some(short_card(row, card))
    });
    let (shop_id, creator_id) = subject_ids(subject);
    let modified = rows.iter().filter_map(|row| row.published_at).max().unwrap_or_default();
    Answer::of(&HistoryAnswer { shop_id, creator_id, rule_set, from, to, scores: scores.collect() }, modified)
}

fn short_card(row: &RunRow, card: &score::ShortCard) -> WireShortCard {
    let status = if card.score.is_some() { Status::Scored } else { Status::InsufficientVolume };
    WireShortCard {
        date: row.date,
        revision: row.revision.unwrap_or_default(),
        run_id: row.run_id.to_string(),
        published_at: row.published_at.unwrap_or_default(),
        category_id: card.category_id.clone(),
        status: status.as_str().to_owned(),
        signed_orders: card.signed_orders,
        score: card.score.map(Number),
        tier_level: card.tier_level,
    }
}
