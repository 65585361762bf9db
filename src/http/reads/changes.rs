//! Why a score moved.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::score::CardQuery;
use super::wire::{Number, Places, ScoreKey, WireTitle, wire_score};
use crate::answers::changes::{ScoreChanges, Since};
use crate::answers::published::{Published, Wanted};
use crate::domain::changes::{Changes, MetricChange, all_metrics};
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::metric::Metric;
use crate::domain::score::{Scored, Status};
use crate::domain::weights::weights;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::param_types::Revision;
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{StatusTerm, Term};

parameters! {
    /// Between which dates.
    pub(crate) struct ChangesQuery {
        card: CardQuery,
        /// An earlier published date; default the newest one before. The date itself: the revision before is taken.
        from: Option<NaiveDate>,
        /// Default: the newest revision of `from`. Without `from`: a revision of the same date.
        from_revision: Revision,
        /// The same as `date`.
        to: Option<NaiveDate>,
    } check ChangesQuery::check
}

impl ChangesQuery {
    fn check(&self) -> Option<(&'static str, &'static str)> {
        if self.to.zip(self.card.date()).is_some_and(|(to, date)| to != date) {
            return Some(("to", "to and date name the same date; give one of them"));
        }
        let is_late = self.from.zip(self.to.or(self.card.date())).is_some_and(|(from, date)| from > date);
        is_late.then_some(("from", "from must not be after the date that is explained"))
    }

    pub(super) fn wanted(self) -> (Wanted, Since) {
        let since = Since { date: self.from, revision: self.from_revision.0 };
        let mut wanted = self.card.wanted();
        wanted.date = wanted.date.or(self.to);
        (wanted, since)
    }
}

/// Why a score moved since an earlier published date.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangesAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub from: ChangeSide,
    pub to: ChangeSide,
    /// Change of the score before it is bound to the scale and rounded; null unless both dates have a score, and neither or both
    /// the one that too little volume gives.
    #[schema(required, value_type = Option<f64>)]
    pub change: Option<Number<PLACES_MAX>>,
    /// What the bounds of the scale change of it.
    #[schema(required, value_type = Option<f64>)]
    pub clamped: Option<Number<PLACES_MAX>>,
    /// The parts of all metrics together and that of adjustments, which sum exactly to `change`.
    #[schema(required)]
    pub parts: Option<ChangeParts>,
    /// Why there are no parts; null where there are.
    #[schema(required)]
    pub untold: Option<WireTitle>,
    /// By metric; all their parts and that of adjustments sum exactly to `change`. Complete where there are no parts, without them.
    pub metrics: Vec<MetricChangeAnswer>,
}

/// One of the two published scores.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChangeSide {
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub status: StatusTerm,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    /// The score before it is bound to the scale and rounded.
    #[schema(required, value_type = Option<f64>)]
    pub unrounded: Option<Number<PLACES_MAX>>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub(crate) struct ChangeParts {
    /// The subject's own counts changed, among the old peers.
    #[schema(value_type = f64)]
    pub own: Number<PLACES_MAX>,
    /// The peers' values changed.
    #[schema(value_type = f64)]
    pub peers: Number<PLACES_MAX>,
    /// Other metrics are assessed, or the rule set changed: all that the new rules make of the same facts.
    #[schema(value_type = f64)]
    pub weights: Number<PLACES_MAX>,
    /// The platform added or took off something else, or other points for it.
    #[schema(value_type = f64)]
    pub adjustments: Number<PLACES_MAX>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MetricChangeAnswer {
    pub id: String,
    /// Null unless both dates have a score, as are the other parts.
    #[schema(required, value_type = Option<f64>)]
    pub own: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub peers: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub weights: Option<Number<PLACES_MAX>>,
    /// The three parts together.
    #[schema(required, value_type = Option<f64>)]
    pub total: Option<Number<PLACES_MAX>>,
    /// Null where the date's rule set lacks the metric.
    #[schema(required)]
    pub before: Option<MetricState>,
    #[schema(required)]
    pub after: Option<MetricState>,
}

/// A metric on one of the two dates.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricState {
    pub numerator: i64,
    pub denominator: i64,
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub points: Option<Number<4>>,
    #[schema(value_type = f64)]
    pub effective_weight: Number<PLACES_MAX>,
}

/// Why the score moved since the previous published date, or since `from`.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/changes",
    tag = "scores",
    params(ChangesQuery),
    responses((status = 200, description = "The change and its parts.", body = ChangesAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_changes(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<ChangesQuery>,
) -> Result<Response, Problem> {
    let make = || async {
        let (wanted, since) = query.wanted();
        let changes = state.source.changes(&wanted, since).await?;
        Answer::of(&answer(&changes), changes.new.published_at())
    };
    asked.answer(&state, make).await
}

fn answer(ScoreChanges { old, new, changes }: &ScoreChanges) -> ChangesAnswer {
    let sum = |part: fn(&MetricChange) -> Decimal| {
        let parts = changes.iter().flat_map(|changes| &changes.metrics).map(|(_, change)| part(change));
        Number(parts.fold(Decimal::ZERO, Decimal::plus))
    };
    let parts = ChangeParts {
        own: sum(|change| change.own),
        peers: sum(|change| change.peers),
        weights: sum(|change| change.weights),
        adjustments: Number(changes.as_ref().map_or(Decimal::ZERO, |changes| changes.adjustments)),
    };
    let all = match changes {
        Some(changes) => changes.metrics.iter().map(|(metric, change)| (*metric, Some(*change))).collect(),
        None => all_metrics(&old.scored, &new.scored).into_iter().map(|(metric, _)| (metric, None)).collect::<Vec<_>>(),
    };
    let metrics = all.into_iter().map(|(metric, change)| MetricChangeAnswer {
        id: metric.id().to_owned(),
        own: change.map(|change| Number(change.own)),
        peers: change.map(|change| Number(change.peers)),
        weights: change.map(|change| Number(change.weights)),
        total: change.map(|change| Number(change.own.plus(change.peers).plus(change.weights))),
        before: metric_state(old, metric),
        after: metric_state(new, metric),
    });
    ChangesAnswer {
        key: ScoreKey::from(new),
        from: change_side(old),
        to: change_side(new),
        change: changes.as_ref().map(|changes| Number(changes.to.minus(changes.from))),
        clamped: changes.as_ref().map(|changes| Number(clamped(changes, old, new))),
        parts: changes.as_ref().map(|_| parts),
        untold: changes.is_none().then(|| untold(old, new)),
        metrics: metrics.collect(),
    }
}

/// What the bounds of both scales change of a change.
fn clamped(changes: &Changes, old: &Published, new: &Published) -> Decimal {
    let within = |score: Decimal, of: &Published| {
        let (least, most) = of.scored.rule_set.scale;
        score.clamp(least, most)
    };
    let bound = within(changes.to, new).minus(within(changes.from, old));
    bound.minus(changes.to.minus(changes.from))
}

/// Why a change has no parts.
fn untold(old: &Published, new: &Published) -> WireTitle {
    let is_growth = |published: &Published| published.scored.card.status == Status::Growth;
    let (en, zh) = if is_growth(old) || is_growth(new) {
        (
            "One of the scores is the one that too little volume gives, which is not made of metrics.",
            "其中一天的分数是单量不足时给定的分数，不由指标计算。",
        )
    } else {
        ("One of the dates has no score.", "其中一天没有分数。")
    };
    WireTitle { en: en.to_owned(), zh: zh.to_owned() }
}

pub(super) fn change_side(published: &Published) -> ChangeSide {
    let Published { run, scored, .. } = published;
    ChangeSide {
        date: run.date,
        revision: run.revision.unwrap_or_default(),
        run_id: run.run_id.to_string(),
        published_at: published.published_at(),
        status: Term(scored.card.status),
        score: wire_score(&scored.rule_set, scored.card.score),
        unrounded: scored.unrounded().map(Number),
    }
}

fn metric_state(published: &Published, metric: Metric) -> Option<MetricState> {
    let Scored { rule_set, card: whole } = &published.scored;
    let index = rule_set.place(metric)?;
    let card = &whole.metrics[index];
    Some(MetricState {
        numerator: card.count.numerator,
        denominator: card.count.denominator(metric),
        value: card.count.value(metric).map(|value| Number(value.rounded(PLACES_MAX))),
        points: card.assessed.map(|assessed| Number(assessed.points)),
        effective_weight: Number(weights(rule_set, whole)[index].1),
    })
}
