//! Scores over time: since when a penalty is in force, and the scores of past dates.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::score::CardQuery;
use super::wire::{Places, ScoreKey, WireTitle, wire_score};
use super::wire_tier::{NextDown, NextUp, WireThreshold, wire_tier};
use crate::answers::history::{PastCard, Penalties, is_history_span};
use crate::domain::rules::PenaltyRule;
use crate::domain::score::Scored;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::page::subject_ids;
use crate::http::param_types::RuleSetId;
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::subject_params::SeenSubject;
use crate::http::terms::{StatusTerm, Term};

/// The penalties in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct PenaltiesAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: StatusTerm,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    /// Null without a score.
    #[schema(required)]
    pub tier: Option<PenaltyTier>,
    /// The penalties of `tier`, repeated here; empty without a score.
    pub penalties: Vec<WirePenalty>,
}

/// A score among the penalty thresholds, with its penalties and their start dates.
#[derive(Serialize, ToSchema)]
pub(crate) struct PenaltyTier {
    /// Distinct thresholds that the score is below.
    pub level: usize,
    /// The penalties in force, highest threshold first.
    pub penalties: Vec<WirePenalty>,
    #[schema(required)]
    pub next_up: Option<NextUp>,
    #[schema(required)]
    pub next_down: Option<NextDown>,
}

#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Penalty)]
pub(crate) struct WirePenalty {
    #[serde(flatten)]
    pub threshold: WireThreshold,
    pub title: WireTitle,
    /// The first of the latest unbroken series of published dates on which the penalty was in force.
    pub since: NaiveDate,
}

/// The penalties in force for a score, and since when.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/penalties",
    tag = "scores",
    params(CardQuery),
    responses((status = 200, description = "The tier and its penalties.", body = PenaltiesAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_penalties(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<CardQuery>,
) -> Result<Response, Problem> {
    let make = || async {
        let found = state.source.penalties(&query.wanted()).await?;
        Answer::of(&penalties(&found), found.published.published_at())
    };
    asked.answer(&state, make).await
}

fn penalties(found: &Penalties) -> PenaltiesAnswer {
    let Scored { rule_set, card } = &found.published.scored;
    let wire = |(penalty, since): &(PenaltyRule, NaiveDate)| WirePenalty {
        threshold: WireThreshold::of(rule_set, penalty),
        title: (&penalty.title).into(),
        since: *since,
    };
    let penalties: Vec<WirePenalty> = found.since.iter().map(wire).collect();
    let tier = wire_tier(rule_set, card).map(|tier| PenaltyTier {
        level: tier.level,
        penalties: penalties.clone(),
        next_up: tier.next_up,
        next_down: tier.next_down,
    });
    PenaltiesAnswer {
        key: ScoreKey::from(&found.published),
        status: Term(card.status),
        score: wire_score(rule_set, card.score),
        tier,
        penalties,
    }
}

parameters! {
    /// Which dates of a history are wanted.
    pub(crate) struct HistoryQuery {
        subject: SeenSubject,
        /// First date; default 29 days before `to`.
        from: Option<NaiveDate>,
        /// Last date; default the newest published one. At most 400 days after `from`.
        to: Option<NaiveDate>,
        rule_set: RuleSetId,
    } check HistoryQuery::check
}

impl HistoryQuery {
    fn check(&self) -> Option<(&'static str, &'static str)> {
        let is_none = self.from.zip(self.to).is_some_and(|(from, to)| !is_history_span(from, to));
        is_none.then_some(("from", "from must be at most 400 days before to, and not after it"))
    }
}

/// A subject's scores over time.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    /// The rule set that was asked for; else the one of the newest date shown, null where none is.
    #[schema(required)]
    pub rule_set: Option<String>,
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// One short card per published date, by date.
    pub scores: Vec<WireShortCard>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShortCard)]
pub(crate) struct WireShortCard {
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    /// The rule set of the date: the one that was asked for, else what was the default then.
    pub rule_set: String,
    pub rule_set_version: String,
    /// Whether the rule set is in force on the date; else its score is a preview.
    pub in_force: bool,
    #[schema(required)]
    pub category_id: Option<String>,
    pub status: StatusTerm,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    #[schema(required)]
    pub tier_level: Option<i16>,
}

/// The history of a score: one short card per published date.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/scores",
    tag = "scores",
    params(HistoryQuery),
    responses((status = 200, description = "The short cards, by date; dates without a published run are left out.", body = HistoryAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_scores(
    State(state): State<AppState>,
    asked: Asked,
    Input(HistoryQuery { subject, from, to, rule_set }): Input<HistoryQuery>,
) -> Result<Response, Problem> {
    let make = || async {
        let history = state.source.history(&subject.0, rule_set.0.as_deref(), from, to).await?;
        let (shop_id, creator_id) = subject_ids(&subject.0);
        let newest = history.cards.last().map(|past| past.rule_set.id.clone());
        let answer = HistoryAnswer {
            shop_id,
            creator_id,
            rule_set: rule_set.0.or(newest),
            from: history.from,
            to: history.to,
            scores: history.cards.into_iter().map(short_card).collect(),
        };
        Answer::of(&answer, history.published_at.unwrap_or_default())
    };
    asked.answer(&state, make).await
}

fn short_card(PastCard { run, rule_set, card }: PastCard) -> WireShortCard {
    WireShortCard {
        date: run.date,
        revision: run.revision.unwrap_or_default(),
        run_id: run.run_id.to_string(),
        published_at: run.published_at.unwrap_or_default(),
        rule_set: rule_set.id.clone(),
        rule_set_version: rule_set.hash.clone(),
        status: Term(card.status()),
        in_force: rule_set.effective.has(run.date),
        score: wire_score(&rule_set, card.score()),
        category_id: card.category_id,
        signed_orders: card.signed_orders,
        tier_level: card.tier_level,
    }
}
