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
