//! Tiers: where a score stands among the penalty thresholds of its rule set.

use super::decimal::Decimal;
use super::rules::{PenaltyRule, RuleSet};
use super::score::Card;

/// Which penalties of dimensions apply to a card: a bit for each row of the rule set's penalties. Kept with short cards, which
/// have no dimension scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DimensionPenalties(pub i64);

impl DimensionPenalties {
    /// An unscored dimension brings none.
    pub(crate) fn of(rule_set: &RuleSet, dimensions: &[Option<Decimal>]) -> DimensionPenalties {
        let applies = |penalty: &&PenaltyRule| {
            let score = penalty.dimension.and_then(|dimension| *dimensions.get(dimension)?);
            score.is_some_and(|score| score < penalty.below)
        };
        let applying = rule_set.penalties.iter().filter(applies);
        DimensionPenalties(applying.fold(0, |bits, penalty| bits | 1 << penalty.row))
    }

    fn has(self, penalty: &PenaltyRule) -> bool {
        self.0 & (1 << penalty.row) != 0
    }
}

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
        let is_added = |penalty: &&PenaltyRule| penalty.dimension.is_none() && Some(penalty.below) == below;
        let added = rule_set.penalties.iter().filter(is_added).collect();
        TierRange { level, at_least: thresholds.get(level).copied(), below, added }
    };
    (0..=thresholds.len()).map(range).collect()
}

/// The tier of a card; `None` without a score.
pub(crate) fn tier_of<'a>(rule_set: &'a RuleSet, card: &Card) -> Option<Tier<'a>> {
    Some(tier(rule_set, card.score?, DimensionPenalties::of(rule_set, &card.dimensions)))
}

pub(crate) fn tier(rule_set: &RuleSet, score: Decimal, of_dimensions: DimensionPenalties) -> Tier<'_> {
    let thresholds = rule_set.thresholds();
    let level = thresholds.iter().filter(|threshold| score < **threshold).count();
    Tier {
        level,
        next_up: level.checked_sub(1).map(|above| (thresholds[above], thresholds[above].minus(score))),
        next_down: thresholds.get(level).map(|below| (*below, score.minus(*below))),
        penalties: penalties(rule_set, score, of_dimensions),
    }
}

/// The penalties in force, each code once, with the first row in the file that applies.
fn penalties(rule_set: &RuleSet, score: Decimal, of_dimensions: DimensionPenalties) -> Vec<&PenaltyRule> {
    let applies = |penalty: &&PenaltyRule| match penalty.dimension {
        None => score < penalty.below,
        Some(_) => of_dimensions.has(penalty),
    };
    let applying = || rule_set.penalties.iter().filter(applies);
    let is_first =
        |penalty: &&PenaltyRule| !applying().any(|other| other.code == penalty.code && other.row < penalty.row);
    applying().filter(is_first).collect()
}
