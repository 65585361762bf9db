//! Tiers: where a score stands among the penalty thresholds of its rule set.

use super::decimal::Decimal;
use super::rules::{PenaltyRule, RuleSet};

/// Where a score stands among the penalty thresholds (scoring law §7.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tier<'a> {
    /// Distinct thresholds that the score is below.
    pub level: usize,
    /// All penalties in force, by falling threshold.
    pub penalties: Vec<&'a PenaltyRule>,
    /// The next threshold to reach, and how far it is.
    pub next_up: Option<(Decimal, Decimal)>,
    /// The next threshold to fall below, and how far it is.
    pub next_down: Option<(Decimal, Decimal)>,
}

/// One of the tiers of a rule set, as a range of scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TierRange<'a> {
    pub level: usize,
    /// The lowest score of the tier; `None` for the last one.
    pub at_least: Option<Decimal>,
    /// Scores of the tier are below this; `None` for tier 0.
    pub below: Option<Decimal>,
    /// The penalties that this tier adds to those of the tiers above it.
    pub added: Vec<&'a PenaltyRule>,
}

/// All tiers of a rule set, from tier 0, above all thresholds, down (scoring law §7.6).
pub(crate) fn tiers(rule_set: &RuleSet) -> Vec<TierRange<'_>> {
    let thresholds = rule_set.thresholds();
    let range = |level: usize| {
        let below = level.checked_sub(1).map(|above| thresholds[above]);
        let added = rule_set.penalties.iter().filter(|penalty| Some(penalty.below) == below).collect();
        TierRange { level, at_least: thresholds.get(level).copied(), below, added }
    };
    (0..=thresholds.len()).map(range).collect()
}

pub(crate) fn tier(rule_set: &RuleSet, score: Decimal) -> Tier<'_> {
    let penalties: Vec<&PenaltyRule> = rule_set.penalties.iter().filter(|penalty| score < penalty.below).collect();
    let mut thresholds: Vec<Decimal> = penalties.iter().map(|penalty| penalty.below).collect();
    thresholds.dedup();
    let kept = rule_set.penalties.iter().find(|penalty| score >= penalty.below);
    Tier {
        level: thresholds.len(),
        next_up: thresholds.last().map(|at_least| (*at_least, at_least.minus(score))),
        next_down: kept.map(|penalty| (penalty.below, score.minus(penalty.below))),
        penalties,
    }
}
