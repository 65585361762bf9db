//! What holds a score back, metric by metric.

use super::decimal::{Decimal, PLACES_MAX};
use super::rules::{PenaltyRule, RuleSet};
use super::score::{Card, dimension_scores, score_of};
use super::tier::{DimensionPenalties, tier};
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
        let score_at_best = score_of(rule_set, category_id, &at_best, rule_set.adjusted_by(&card.adjustments))?;
        let of_dimensions = |points: &[Option<Decimal>]| {
            DimensionPenalties::of(rule_set, &dimension_scores(rule_set, category_id, points))
        };
        let still = tier(rule_set, score_at_best, of_dimensions(&at_best)).penalties;
        let in_force = tier(rule_set, score, of_dimensions(&points)).penalties;
        let is_lifted = |penalty: &&PenaltyRule| !still.iter().any(|other| other.code == penalty.code);
        let lifted = in_force.into_iter().filter(is_lifted).collect();
        let costs = Decimal::rounded(costs, MILLION * MILLION, PLACES_MAX);
        (costs > Decimal::ZERO).then_some(Cost { index, costs, score_at_best, lifted })
    };
    let mut costs: Vec<Cost<'_>> = (0..points.len()).filter_map(cost).collect();
    costs.sort_by(|left, right| right.costs.cmp(&left.costs).then(left.index.cmp(&right.index)));
    costs
}

#[cfg(test)]
mod tests {
    use super::costs;
    use crate::domain::metric::MetricCount;
    use crate::domain::rules::file;
    use crate::domain::score::score_all;
    use crate::domain::subject_counts::SubjectCounts;

    #[test]
    fn the_best_that_a_metric_can_get_is_its_best_step_or_point_wherever_that_is() {
        let rule_set = file::parse(
            r#"
            id = "low"
            kind = "shop"
            title = { en = "Low", zh = "低" }
            scale = { min = 0, max = 5 }
            near_window = "near"
            bad_stars_max = 2
            [minimums]
            signed_orders = 1
            metric_count = 1
            peers = 2
            [windows]
            near = { days_ago = [90, 1] }
            [[dimension]]
            id = "product"
            title = { en = "Product", zh = "商品" }
            weight = 1
            [[dimension.metric]]
            id = "bad_review_rate"
            window = "near"
            weight = 1
            steps = { bounds = [[0.01, 4.5], [0.1, 4.7], [0.2, 3]], otherwise = 1 }
            [[dimension.metric]]
            id = "negative_feedback_rate"
            window = "near"
            weight = 3
            curve = [[0, 3], [0.5, 4], [1, 1]]
            "#,
        );
        let rule_set = rule_set.expect("sound rules");
        let metrics = vec![MetricCount { numerator: 15, volume: 100 }, MetricCount { numerator: 100, volume: 100 }];
        let subject =
            SubjectCounts { category_id: None, signed_orders: 100, volume: 100, adjustments: Vec::new(), metrics };
        let (cards, _) = score_all(&rule_set, &[subject]);
        assert_eq!(cards[0].score.map(|score| score.to_string()).as_deref(), Some("1.5"), "(3 + 3 x 1) / 4");
        let found: Vec<(usize, String, String)> = costs(&rule_set, &cards[0])
            .iter()
            .map(|cost| (cost.index, cost.costs.to_string(), cost.score_at_best.to_string()))
            .collect();
        // (3 + 3 x 4) / 4 and (4.7 + 3 x 1) / 4, which is 1.925.
        let expected = [(1, "2.25", "3.75"), (0, "0.425", "1.93")];
        assert_eq!(found, expected.map(|(index, costs, best)| (index, costs.to_owned(), best.to_owned())));
    }
}
