//! Which share of the whole score each metric and each dimension has.

use super::decimal::{Decimal, PLACES_MAX};
use super::id::Id;
use super::rules::{MetricRule, RuleSet};
use super::score::Card;

/// The share of the whole score that each metric has: by the rules alone, and in this card, where what is not assessed
/// gives its weight to the rest. Fractions of 1 with six places, in the rule set's order.
pub(crate) fn weights(rule_set: &RuleSet, card: &Card) -> Vec<(Decimal, Decimal)> {
    let nominal = shares(rule_set, card.category_id.as_ref(), |_| true);
    let effective = shares(rule_set, card.category_id.as_ref(), |index| card.metrics[index].assessed.is_some());
    nominal.into_iter().zip(effective).collect()
}

/// The share of each dimension in the whole score by the rules alone.
pub(crate) fn dimension_share(rule_set: &RuleSet, dimension: usize, category_id: Option<&Id>) -> Decimal {
    let weight = |dimension| i128::from(rule_set.dimension_weight(dimension, category_id).millionths());
    let total: i128 = (0..rule_set.dimensions.len()).map(weight).sum();
    Decimal::rounded(weight(dimension), total, PLACES_MAX)
}

fn shares(rule_set: &RuleSet, category_id: Option<&Id>, counts: impl Fn(usize) -> bool) -> Vec<Decimal> {
    let metric_weight = |rule: &MetricRule| i128::from(rule_set.metric_weight(rule, category_id).millionths());
    let in_dimension = |dimension: usize| -> i128 {
        let counted = rule_set.metrics_of(dimension).filter(|(index, _)| counts(*index));
        counted.map(|(_, rule)| metric_weight(rule)).sum()
    };
    let dimension_weight = |dimension: usize| match in_dimension(dimension) {
        0 => 0,
        _ => i128::from(rule_set.dimension_weight(dimension, category_id).millionths()),
    };
    let total: i128 = (0..rule_set.dimensions.len()).map(dimension_weight).sum();
    let share = |(index, rule): (usize, &MetricRule)| {
        if counts(index) {
            Decimal::rounded(
                dimension_weight(rule.dimension) * metric_weight(rule),
                total * in_dimension(rule.dimension),
                PLACES_MAX,
            )
        } else {
            Decimal::ZERO
        }
    };
    rule_set.metrics.iter().enumerate().map(share).collect()
}
