//! The fleet in figures.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::fleet::seen_ids;
use super::wire::{FleetKey, Shortest, WireQuantiles, WireTitle, wire_quantiles};
use crate::answers::summary::{Move, Summary, WantedSummary};
use crate::domain::id::Id;
use crate::domain::rules::{PenaltyRule, RuleSet};
use crate::domain::subject::SubjectKind;
use crate::domain::tier::{TierRange, tiers};
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::auth::Caller;
use crate::http::param_types::{KindQuery, Revision, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;

parameters! {
    /// Whose figures are wanted.
    pub(crate) struct SummaryQuery {
        /// `shops` (default) or `creators`.
        kind: KindQuery,
        /// Score date; default the newest published one.
        date: Option<NaiveDate>,
        rule_set: RuleSetId,
        /// Default: the newest revision of the date.
        revision: Revision,
        category_id: Option<Id>,
    }
}

/// A fleet in figures: all of a kind, or those that the key may see.
#[derive(Serialize, ToSchema)]
pub(crate) struct SummaryAnswer {
    #[serde(flatten)]
    pub key: FleetKey,
    /// The published date that moves are told from: the one before, in its newest revision.
    #[schema(required)]
    pub previous_date: Option<NaiveDate>,
    pub subjects: i64,
    pub scored: i64,
    /// With too little volume, and the score that the rule set gives then; not in `score`, the percentiles.
    pub growth: i64,
    pub insufficient_volume: i64,
    pub score: WireQuantiles,
    /// From tier 0, above all thresholds, down.
    pub tiers: Vec<TierCount>,
    /// Bars of equal width from the lowest score to the highest.
    pub histogram: Vec<HistogramBar>,
    pub moves: TierMoves,
    /// By id; those without a category have null.
    pub categories: Vec<CategoryCount>,
}

/// How many stand in a tier.
#[derive(Serialize, ToSchema)]
pub(crate) struct TierCount {
    pub level: usize,
    pub subjects: i64,
    /// The lowest score of the tier; null for the last one.
    #[schema(required, value_type = Option<f64>)]
    pub at_least: Option<Shortest>,
    /// Scores of the tier are below this; null for tier 0.
    #[schema(required, value_type = Option<f64>)]
    pub below: Option<Shortest>,
    /// The penalties that this tier adds to those of the tiers above it.
    pub penalties: Vec<TierPenalty>,
}

/// A penalty of a tier.
#[derive(Serialize, ToSchema)]
pub(crate) struct TierPenalty {
    pub code: String,
    pub title: WireTitle,
}

/// How many scores are in a bar.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistogramBar {
    /// The lowest score of the bar.
    #[schema(value_type = f64)]
    pub from: Shortest,
    /// Scores of the bar are below this: a hundredth of the highest possible score above `from`.
    #[schema(value_type = f64)]
    pub to: Shortest,
    pub subjects: i64,
}

/// Who changed tier since `previous_date`.
#[derive(Serialize, ToSchema)]
pub(crate) struct TierMoves {
    /// Went to a better tier.
    pub up: i64,
    /// Went to a worse tier.
    pub down: i64,
    /// Have a score now, and had none.
    pub entered: i64,
    /// Had a score, and have none now.
    pub left: i64,
    /// The same in detail.
    pub by_tier: Vec<WireMove>,
}

/// How many went from one tier to another.
#[derive(Serialize, ToSchema)]
#[schema(as = TierMoveCount)]
pub(crate) struct WireMove {
    /// Null: without a score.
    #[schema(required)]
    pub from: Option<i16>,
    /// Null: without a score.
    #[schema(required)]
    pub to: Option<i16>,
    pub subjects: i64,
}

/// How many are in a category.
#[derive(Serialize, ToSchema)]
pub(crate) struct CategoryCount {
    #[schema(required)]
    pub category_id: Option<String>,
    pub subjects: i64,
    pub scored: i64,
}

/// The fleet in figures: how many have a score, in which tier, how the scores are spread, and how many changed tier since
/// the published date before.
#[utoipa::path(
    get,
    path = "/v1/scores/summary",
    tag = "scores",
    params(SummaryQuery),
    responses((status = 200, description = "The figures.", body = SummaryAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_summary(
    State(state): State<AppState>,
    caller: Caller,
    asked: Asked,
    Input(query): Input<SummaryQuery>,
) -> Result<Response, Problem> {
    let kind = query.kind.0;
    let wanted = WantedSummary {
        date: query.date,
        revision: query.revision.0,
        kind,
        rule_set: query.rule_set.0,
        category_id: query.category_id,
        ids: seen_ids(&caller, kind, None),
    };
    let make = || async {
        let summary = state.source.summary(&wanted).await?;
        Answer::of(&answer(kind, &summary), summary.run.published_at.unwrap_or_default())
    };
    // What a bound caller sees is nobody else's.
    if caller.is_bound() { Ok(asked.answer_once(&make().await?)) } else { asked.answer(&state, make).await }
}

fn answer(kind: SubjectKind, summary: &Summary) -> SummaryAnswer {
    let Summary { run, rule_set, .. } = summary;
    SummaryAnswer {
        key: FleetKey::of(kind, rule_set, run),
        previous_date: summary.previous_date,
        subjects: summary.scored + summary.growth + summary.insufficient_volume,
        scored: summary.scored,
        growth: summary.growth,
        insufficient_volume: summary.insufficient_volume,
        score: wire_quantiles(&summary.score, rule_set.score_places),
        tiers: tier_counts(rule_set, &summary.tiers),
        histogram: summary
            .histogram
            .iter()
            .map(|bar| HistogramBar { from: Shortest(bar.from), to: Shortest(bar.to), subjects: bar.subjects })
            .collect(),
        moves: moves(&summary.moves),
        categories: summary
            .categories
            .iter()
            .map(|(id, counts)| CategoryCount {
                category_id: id.as_ref().map(Id::to_string),
                subjects: counts.subjects,
                scored: counts.scored,
            })
            .collect(),
    }
}

fn tier_counts(rule_set: &RuleSet, counts: &[i64]) -> Vec<TierCount> {
    let penalty = |penalty: &PenaltyRule| TierPenalty { code: penalty.code.clone(), title: (&penalty.title).into() };
    let tier = |(tier, subjects): (TierRange<'_>, &i64)| TierCount {
        level: tier.level,
        subjects: *subjects,
        at_least: tier.at_least.map(Shortest),
        below: tier.below.map(Shortest),
        penalties: tier.added.into_iter().map(penalty).collect(),
    };
    tiers(rule_set).into_iter().zip(counts).map(tier).collect()
}

fn moves(moves: &[Move]) -> TierMoves {
    let sum = |is_counted: fn(&Move) -> bool| {
        moves.iter().filter(|moved| is_counted(moved)).map(|moved| moved.subjects).sum()
    };
    TierMoves {
        up: sum(|moved| matches!((moved.from, moved.to), (Some(from), Some(to)) if to < from)),
        down: sum(|moved| matches!((moved.from, moved.to), (Some(from), Some(to)) if to > from)),
        entered: sum(|moved| moved.from.is_none()),
        left: sum(|moved| moved.to.is_none()),
        by_tier: moves
            .iter()
            .map(|Move { from, to, subjects }| WireMove { from: *from, to: *to, subjects: *subjects })
            .collect(),
    }
}
