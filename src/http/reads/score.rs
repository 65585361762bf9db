//! A published score and the metrics behind it.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{
    Places, ScoreKey, WireDimension, WireMetric, WireQuantiles, WireTitle, WireWindow, wire_dimensions, wire_metrics,
    wire_quantiles, wire_score,
};
use super::wire_tier::{WireAdjustmentCount, WireTier, WireVolume, wire_adjustments, wire_tier, wire_volume};
use crate::answers::benchmarks::PeerValues;
use crate::answers::published::{Published, ReadError, Wanted};
use crate::domain::coverage::{Gap, gaps};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::score::Scored;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::param_types::{Revision, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::subject_params::SeenSubject;
use crate::http::terms::{BasisTerm, StatusTerm, Term};

parameters! {
    /// Which published card is wanted.
    pub(crate) struct CardQuery {
        subject: SeenSubject,
        /// Score date; default the newest published one.
        date: Option<NaiveDate>,
        rule_set: RuleSetId,
        /// Default: the newest revision of the date.
        revision: Revision,
    }
}

impl CardQuery {
    pub(crate) fn wanted(self) -> Wanted {
        Wanted { subject: self.subject.0, date: self.date, revision: self.revision.0, rule_set: self.rule_set.0 }
    }

    pub(crate) fn date(&self) -> Option<NaiveDate> {
        self.date
    }
}

/// A score with its dimensions and its tier.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScoreAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: StatusTerm,
    /// Signed orders in the rule set's near window.
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: WireVolume,
    /// The least volume that is scored; null where there is as much.
    #[schema(required)]
    pub needed: Option<i64>,
    /// Null without enough volume.
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    pub dimensions: Vec<WireDimension>,
    /// What the platform added or took off, by code.
    pub adjustments: Vec<WireAdjustmentCount>,
    /// Null without a score.
    #[schema(required)]
    pub tier: Option<WireTier>,
    /// Kinds of events of which nothing counts: where there should be some, they may not be sent.
    pub coverage: Vec<WireGap>,
}

/// A kind of event of which nothing counts, though there are signed orders.
#[derive(Serialize, ToSchema)]
#[schema(as = CoverageGap)]
pub(crate) struct WireGap {
    #[serde(rename = "type")]
    pub event_type: String,
    pub window: WireWindow,
    /// The metrics that know nothing, or nothing bad, for lack of it.
    pub metrics: Vec<&'static str>,
    pub about: WireTitle,
}

/// The score of a shop or a creator.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score",
    tag = "scores",
    params(CardQuery),
    responses((status = 200, description = "The published score.", body = ScoreAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_score(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<CardQuery>,
) -> Result<Response, Problem> {
    let make = || async {
        let published = find(&state, query).await?;
        let Scored { rule_set, card } = &published.scored;
        let answer = ScoreAnswer {
            key: ScoreKey::from(&published),
            status: Term(card.status),
            signed_orders: card.signed_orders,
            volume: wire_volume(rule_set, card),
            needed: needed(&published.scored),
            score: wire_score(rule_set, card.score),
            dimensions: wire_dimensions(rule_set, card),
            adjustments: wire_adjustments(rule_set, card),
            tier: wire_tier(rule_set, card),
            coverage: coverage(&published),
        };
        Answer::of(&answer, published.published_at())
    };
    asked.answer(&state, make).await
}

/// All metrics of a score.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: StatusTerm,
    /// Signed orders in the rule set's near window.
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: WireVolume,
    /// The least volume that is scored; null where there is as much.
    #[schema(required)]
    pub needed: Option<i64>,
    pub metrics: Vec<WireMetric>,
    /// What the peers have that each metric stands among; metrics whose points come from the value itself have none.
    pub peers: Vec<MetricPeers>,
    /// Kinds of events of which nothing counts: where there should be some, they may not be sent.
    pub coverage: Vec<WireGap>,
}

/// Percentiles of what the peers of a metric have, the subject among them.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricPeers {
    pub id: &'static str,
    pub basis: BasisTerm,
    #[serde(flatten)]
    pub values: WireQuantiles,
}

/// The metrics behind a score, with everything needed to recompute it by hand.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/metrics",
    tag = "scores",
    params(CardQuery),
    responses((status = 200, description = "The metrics, in the order of the rule set.", body = MetricsAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_metrics(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<CardQuery>,
) -> Result<Response, Problem> {
    let make = || async {
        let published = find(&state, query).await?;
        let Scored { rule_set, card } = &published.scored;
        let peers = state.source.peer_values(&published).await?;
        let answer = MetricsAnswer {
            key: ScoreKey::from(&published),
            status: Term(card.status),
            signed_orders: card.signed_orders,
            volume: wire_volume(rule_set, card),
            needed: needed(&published.scored),
            metrics: wire_metrics(rule_set, card, published.run.date),
            peers: peers.iter().map(metric_peers).collect(),
            coverage: coverage(&published),
        };
        Answer::of(&answer, published.published_at())
    };
    asked.answer(&state, make).await
}

fn metric_peers(PeerValues { metric, basis, values }: &PeerValues) -> MetricPeers {
    MetricPeers { id: metric.id(), basis: Term(*basis), values: wire_quantiles(values, PLACES_MAX) }
}

fn coverage(published: &Published) -> Vec<WireGap> {
    let wire = |gap: Gap| {
        let window = WireWindow::of(&gap.window, published.run.date);
        let (from, to) = (window.from, window.to);
        let about = WireTitle {
            en: format!("No {} counts from {from} to {to}: check that it is sent.", gap.event_type),
            zh: format!("{from} 至 {to} 没有可计入的 {}：请确认该事件已接入。", gap.event_type),
        };
        let metrics = gap.metrics.iter().map(|metric| metric.id()).collect();
        WireGap { event_type: gap.event_type.to_string(), window, metrics, about }
    };
    gaps(&published.scored).into_iter().map(wire).collect()
}

/// The volume that a score by metrics would take, where there is less.
fn needed(Scored { rule_set, card }: &Scored) -> Option<i64> {
    Some(rule_set.minimums.count).filter(|minimum| card.volume < *minimum)
}

async fn find(state: &AppState, query: CardQuery) -> Result<Published, ReadError> {
    let mut connection = state.source.connection().await?;
    state.source.find(&mut connection, &query.wanted()).await
}
