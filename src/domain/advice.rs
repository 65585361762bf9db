//! What holds a score back, metric by metric.

use super::decimal::{Decimal, PLACES_MAX};
use super::rules::{PenaltyRule, RuleSet};
use super::score::{Card, SCORE_PLACES, dimension_scores, mean_of_dimensions};
use super::tier::tier;
use super::weights::weights;

const MILLION: i128 = 1_000_000;

/// What one metric costs a card.
#[derive(Clone, Debug)]
pub(crate) struct Cost<'a> {
    /// Place of the metric in its rule set.
    pub index: usize,
    /// What its points lack to the most that it can get, times its effective weight.
    pub costs: Decimal,
    /// The score with the most points that this metric can get, all else as it is.
    pub score_at_best: Decimal,
    /// The penalties in force that this score would lift.
    pub lifted: Vec<&'a PenaltyRule>,
}

/// The metrics that cost a card anything, the costliest first; none without a score.
pub(crate) fn costs<'a>(rule_set: &'a RuleSet, card: &Card) -> Vec<Cost<'a>> {
    let Some(score) = card.score else { return Vec::new() };
    let points = card.points();
    let category_id = card.category_id.as_ref();
    let effective = weights(rule_set, card);
    let cost = |index: usize| {
        let rule = &rule_set.metrics[index];
        let by_standing = card.metrics[index].assessed?.standing.is_some();
        let best = rule_set.assessment(rule, category_id).best_points(by_standing);
        let lacking = best.minus(points[index]?);
        let costs = i128::from(lacking.millionths()) * i128::from(effective[index].1.millionths());
        let mut at_best = points.clone();
        at_best[index] = Some(best);
        let dimensions = dimension_scores(rule_set, category_id, &at_best);
        let score_at_best = mean_of_dimensions(rule_set, category_id, &dimensions, SCORE_PLACES)?;
        let still = tier(rule_set, score_at_best).penalties;
        let in_force = tier(rule_set, score).penalties;
        let lifted = in_force.into_iter().filter(|penalty| !still.contains(penalty)).collect();
        let costs = Decimal::rounded(costs, MILLION * MILLION, PLACES_MAX);
        (costs > Decimal::ZERO).then_some(Cost { index, costs, score_at_best, lifted })
    };
    let mut costs: Vec<Cost<'_>> = (0..points.len()).filter_map(cost).collect();
    costs.sort_by(|left, right| right.costs.cmp(&left.costs).then(left.index.cmp(&right.index)));
    costs
}
