//! Alert rules: a quantity of a subject, and the value that it should not cross.

use super::decimal::{Decimal, PLACES_MAX};
use super::metric::Metric;
use super::rules::RuleSet;
use super::score::Card;
use super::words::words;

words! {
    /// On which side of its value a rule warns.
    pub(crate) enum AlertOp {
        Below = "below",
        Above = "above",
    }
}

impl AlertOp {
    pub(crate) fn is_crossed(self, value: Decimal, limit: Decimal) -> bool {
        match self {
            AlertOp::Below => value < limit,
            AlertOp::Above => value > limit,
        }
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// The published score.
    Score,
    /// The score of the next date as things stand now.
    ProjectedScore,
    /// The published value of a metric.
    Metric(Metric),
}

impl Quantity {
    pub(crate) fn parse(word: &str) -> Option<Quantity> {
        match word {
            "score" => Some(Quantity::Score),
            "projected_score" => Some(Quantity::ProjectedScore),
            id => Metric::parse(id).map(Quantity::Metric),
        }
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Quantity::Score => "score",
            Quantity::ProjectedScore => "projected_score",
            Quantity::Metric(metric) => metric.id(),
        }
    }

    /// What a card says of it; `None` without a score, or where the metric is not in the rules or not assessed.
    pub(crate) fn of(self, rule_set: &RuleSet, card: &Card) -> Option<Decimal> {
        match self {
            Quantity::Score | Quantity::ProjectedScore => card.score,
            Quantity::Metric(metric) => {
                let place = rule_set.place(metric)?;
                let metric_card = &card.metrics[place];
                metric_card.assessed?;
                Some(metric_card.count.value(metric)?.rounded(PLACES_MAX))
            }
        }
    }
}
