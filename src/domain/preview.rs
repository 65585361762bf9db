//! A draft rule set beside one that is there, over a fleet: what it would do to everybody (scoring law §14).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::changes_of_rules;
use super::decimal::Decimal;
use super::id::Id;
use super::metric::Metric;
use super::quantiles::Quantiles;
use super::rules::RuleSet;
use super::score::{Card, Scored, Status};
use super::tier::tier_of;

/// Metrics that are named beside a change: those that made most of it.
const MOVERS: usize = 3;

/// What one rule set makes of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Side {
    pub status: Status,
    /// `None` without a score, as the level is.
    pub score: Option<Decimal>,
    pub tier_level: Option<i16>,
}

impl Side {
    fn of(rule_set: &RuleSet, card: &Card) -> Side {
        let level = tier_of(rule_set, card).and_then(|tier| i16::try_from(tier.level).ok());
        Side { status: card.status, score: card.score, tier_level: level }
    }
}

/// A metric's part of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mover {
    pub metric: String,
    /// In millionths.
    pub change: i64,
}

/// A subject under both rule sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreviewScore {
    pub subject_id: Id,
    pub category_id: Option<Id>,
    pub against: Side,
    pub draft: Side,
    /// The metrics that made most of the change, the greatest part first; none without two scores of the same kind.
    pub movers: Vec<Mover>,
}

impl PreviewScore {
    /// `None` unless both rule sets give a score.
    pub(crate) fn change(&self) -> Option<Decimal> {
        Some(self.draft.score?.minus(self.against.score?))
    }

    pub(crate) fn of(
        subject_id: Id,
        (against, old): (&Arc<RuleSet>, Card),
        (draft, new): (&Arc<RuleSet>, Card),
    ) -> PreviewScore {
        let (old_side, new_side) = (Side::of(against, &old), Side::of(draft, &new));
        let category_id = new.category_id.clone();
        let old = Scored { rule_set: Arc::clone(against), card: old };
        let new = Scored { rule_set: Arc::clone(draft), card: new };
        PreviewScore { subject_id, category_id, against: old_side, draft: new_side, movers: movers(&old, &new) }
    }
}

fn movers(old: &Scored, new: &Scored) -> Vec<Mover> {
    let Some(changes) = changes_of_rules(old, new) else { return Vec::new() };
    let moved = changes.metrics.into_iter().filter(|(_, change)| change.weights != Decimal::ZERO);
    let mut moved: Vec<(Metric, Decimal)> = moved.map(|(metric, change)| (metric, change.weights)).collect();
    moved.sort_by_key(|(_, change)| std::cmp::Reverse(change.millionths().abs()));
    moved.truncate(MOVERS);
    moved
        .into_iter()
        .map(|(metric, change)| Mover { metric: metric.id().to_owned(), change: change.millionths() })
        .collect()
}

/// How many subjects have a status and a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TierShare {
    pub status: String,
    pub tier_level: Option<i16>,
    pub subjects: i64,
}

/// How many subjects go from one tier to another; `None`: without a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TierStep {
    pub from: Option<i16>,
    pub to: Option<i16>,
    pub subjects: i64,
}

/// p10, p25, p50, p75 and p90 in millionths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub members: usize,
    pub values: [Option<i64>; 5],
}

impl Spread {
    fn of(counted: BTreeMap<i64, i64>) -> Spread {
        let rising: Vec<(Decimal, i64)> =
            counted.into_iter().map(|(millionths, members)| (Decimal::from_millionths(millionths), members)).collect();
        let Quantiles { members, values } = Quantiles::counted(&rising);
        Spread { members, values: values.map(|value| value.map(Decimal::millionths)) }
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        Quantiles { members: self.members, values: self.values.map(|value| value.map(Decimal::from_millionths)) }
    }
}

/// A fleet under both rule sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreviewSummary {
    pub against: Vec<TierShare>,
    pub draft: Vec<TierShare>,
    /// From every tier to every tier that some subject goes, those that stay too.
    pub moves: Vec<TierStep>,
    pub against_score: Spread,
    pub draft_score: Spread,
    pub change: Spread,
}

/// Sums subjects up.
#[derive(Default)]
pub(crate) struct Summing {
    against: BTreeMap<(Status, Option<i16>), i64>,
    draft: BTreeMap<(Status, Option<i16>), i64>,
    moves: BTreeMap<(Option<i16>, Option<i16>), i64>,
    against_score: BTreeMap<i64, i64>,
    draft_score: BTreeMap<i64, i64>,
    change: BTreeMap<i64, i64>,
}

impl Summing {
    pub(crate) fn add(&mut self, score: &PreviewScore) {
        let PreviewScore { against, draft, .. } = score;
        *self.against.entry((against.status, against.tier_level)).or_default() += 1;
        *self.draft.entry((draft.status, draft.tier_level)).or_default() += 1;
        *self.moves.entry((against.tier_level, draft.tier_level)).or_default() += 1;
        let values = [
            (&mut self.against_score, against.score),
            (&mut self.draft_score, draft.score),
            (&mut self.change, score.change()),
        ];
        for (counted, value) in values {
            if let Some(value) = value {
                *counted.entry(value.millionths()).or_default() += 1;
            }
        }
    }

    pub(crate) fn finish(self) -> PreviewSummary {
        let shares = |counted: BTreeMap<(Status, Option<i16>), i64>| {
            let share = |((status, tier_level), subjects): ((Status, Option<i16>), i64)| TierShare {
                status: status.as_str().to_owned(),
                tier_level,
                subjects,
            };
            counted.into_iter().map(share).collect()
        };
        let step = |((from, to), subjects)| TierStep { from, to, subjects };
        PreviewSummary {
            against: shares(self.against),
            draft: shares(self.draft),
            moves: self.moves.into_iter().map(step).collect(),
            against_score: Spread::of(self.against_score),
            draft_score: Spread::of(self.draft_score),
            change: Spread::of(self.change),
        }
    }
}
