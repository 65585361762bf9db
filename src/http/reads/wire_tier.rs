//! Wire structs of what decides a score's standing beside its metrics: tier, volume, adjustments.

use serde::Serialize;
use utoipa::ToSchema;

use super::wire::WireTitle;
use crate::domain::numbers::{Places, Shortest};
use crate::domain::rules::{PenaltyRule, RuleSet};
use crate::domain::score::Card;
use crate::domain::tier::{Tier, tier_of};

/// A score among the penalty thresholds.
#[derive(Serialize, ToSchema)]
#[schema(as = Tier)]
pub(crate) struct WireTier {
    /// Distinct thresholds that the score is below.
    pub level: usize,
    /// The penalties in force, highest threshold first.
    pub penalties: Vec<WireThreshold>,
    #[schema(required)]
    pub next_up: Option<NextUp>,
    #[schema(required)]
    pub next_down: Option<NextDown>,
}

#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Threshold)]
pub(crate) struct WireThreshold {
    pub code: String,
    #[schema(value_type = f64)]
    pub below: Shortest,
    /// The dimension whose score is below; null: the whole score is.
    #[schema(required)]
    pub dimension: Option<String>,
}

impl WireThreshold {
    pub(super) fn of(rule_set: &RuleSet, penalty: &PenaltyRule) -> WireThreshold {
        let dimension = penalty.dimension.map(|dimension| rule_set.dimensions[dimension].id.clone());
        WireThreshold { code: penalty.code.clone(), below: Shortest(penalty.below), dimension }
    }
}

/// The next threshold to reach.
#[derive(Serialize, ToSchema)]
pub(crate) struct NextUp {
    #[schema(value_type = f64)]
    pub at_least: Shortest,
    #[schema(value_type = f64)]
    pub gap: Places,
}

/// The next threshold to fall below.
#[derive(Serialize, ToSchema)]
pub(crate) struct NextDown {
    #[schema(value_type = f64)]
    pub below: Shortest,
    #[schema(value_type = f64)]
    pub margin: Places,
}

/// `None` without a score.
pub(super) fn wire_tier(rule_set: &RuleSet, card: &Card) -> Option<WireTier> {
    tier_of(rule_set, card).map(|tier| WireTier::of(rule_set, tier))
}

impl WireTier {
    pub(super) fn of(rule_set: &RuleSet, tier: Tier<'_>) -> WireTier {
        let places = |score| Places(score, rule_set.score_places);
        WireTier {
            level: tier.level,
            penalties: tier.penalties.iter().map(|penalty| WireThreshold::of(rule_set, penalty)).collect(),
            next_up: tier.next_up.map(|(at_least, gap)| NextUp { at_least: Shortest(at_least), gap: places(gap) }),
            next_down: tier
                .next_down
                .map(|(below, margin)| NextDown { below: Shortest(below), margin: places(margin) }),
        }
    }
}

/// What is held against the rule set's minimum: below it a subject is not scored.
#[derive(Serialize, ToSchema)]
#[schema(as = Volume)]
pub(crate) struct WireVolume {
    /// What is counted in the rule set's near window, such as `signed_orders`; `docs/reference.md` has all measures.
    pub measure: &'static str,
    pub count: i64,
    pub minimum: i64,
}

pub(super) fn wire_volume(rule_set: &RuleSet, card: &Card) -> WireVolume {
    WireVolume { measure: rule_set.minimums.volume.column(), count: card.volume, minimum: rule_set.minimums.count }
}

/// Adjustments of one code that count.
#[derive(Serialize, ToSchema)]
#[schema(as = AdjustmentCount)]
pub(crate) struct WireAdjustmentCount {
    pub code: String,
    pub title: WireTitle,
    pub count: i64,
    /// What they add to the score together, up to the code's cap.
    #[schema(value_type = f64)]
    pub points: Shortest,
}

/// The codes of which any counts, by code.
pub(super) fn wire_adjustments(rule_set: &RuleSet, card: &Card) -> Vec<WireAdjustmentCount> {
    let counted = rule_set.adjustments.iter().zip(&card.adjustments).filter(|(_, count)| **count > 0);
    let mut adjustments: Vec<WireAdjustmentCount> = counted
        .map(|(rule, count)| WireAdjustmentCount {
            code: rule.code.clone(),
            title: (&rule.title).into(),
            count: *count,
            points: Shortest(rule.points_of(*count)),
        })
        .collect();
    adjustments.sort_by(|left, right| left.code.cmp(&right.code));
    adjustments
}
