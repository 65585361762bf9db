//! From points to a score: dimension scores, their mean, adjustments, the bounds of the scale (scoring law §7.4, §7.5, §12).

use super::curve::POINTS_PLACES;
use super::decimal::Decimal;
use super::id::Id;
use super::rules::RuleSet;

const MILLION: i128 = 1_000_000;

/// The score that points make, with what adjustments come to.
pub(crate) fn score_of(
    rule_set: &RuleSet,
    category_id: Option<&Id>,
    points: &[Option<Decimal>],
    adjusted_by: Decimal,
) -> Option<Decimal> {
    let dimensions = dimension_scores(rule_set, category_id, points);
    Some(Composed::of_dimensions(rule_set, category_id, &dimensions)?.finished(rule_set, adjusted_by))
}

/// A score on its way, exact: `sum` / `weights`, in millionths.
#[derive(Clone, Copy)]
pub(super) struct Composed {
    sum: i128,
    weights: i128,
}

impl Composed {
    pub(super) fn of_score(score: Decimal) -> Composed {
        Composed { sum: score.millionths().into(), weights: 1 }
    }

    /// The weighted mean of dimension scores (scoring law §7.5).
    pub(super) fn of_dimensions(
        rule_set: &RuleSet,
        category_id: Option<&Id>,
        dimensions: &[Option<Decimal>],
    ) -> Option<Composed> {
        let weighted = dimensions
            .iter()
            .enumerate()
            .filter_map(|(dimension, score)| Some((rule_set.dimension_weight(dimension, category_id), (*score)?)));
        Composed::of_weighted(weighted)
    }

    /// Σ weight × value / Σ weight; `None` of nothing.
    fn of_weighted(weighted: impl Iterator<Item = (Decimal, Decimal)>) -> Option<Composed> {
        let (mut sum, mut weights) = (0_i128, 0_i128);
        for (weight, value) in weighted {
            sum += i128::from(weight.millionths()) * i128::from(value.millionths());
            weights += i128::from(weight.millionths());
        }
        (weights > 0).then_some(Composed { sum, weights })
    }

    fn rounded(self, places: u32) -> Decimal {
        Decimal::rounded(self.sum, self.weights * MILLION, places)
    }

    /// With adjustments, within the scale, rounded as the rule set says (scoring law §12).
    pub(super) fn finished(self, rule_set: &RuleSet, adjusted_by: Decimal) -> Decimal {
        let of = |decimal: Decimal| i128::from(decimal.millionths()) * self.weights;
        let (least, most) = rule_set.scale;
        let sum = (self.sum + of(adjusted_by)).clamp(of(least), of(most));
        Composed { sum, ..self }.rounded(rule_set.score_places)
    }
}

/// The dimension scores that points make, in the rule set's order (scoring law §7.4).
pub(crate) fn dimension_scores(
    rule_set: &RuleSet,
    category_id: Option<&Id>,
    points: &[Option<Decimal>],
) -> Vec<Option<Decimal>> {
    let of_dimension = |dimension: usize| {
        let weighted = rule_set
            .metrics_of(dimension)
            .filter_map(|(index, rule)| Some((rule_set.metric_weight(rule, category_id), points[index]?)));
        Composed::of_weighted(weighted).map(|mean| mean.rounded(POINTS_PLACES))
    };
    (0..rule_set.dimensions.len()).map(of_dimension).collect()
}

/// The weighted mean of dimension scores, rounded to `places`.
pub(crate) fn mean_of_dimensions(
    rule_set: &RuleSet,
    category_id: Option<&Id>,
    dimensions: &[Option<Decimal>],
    places: u32,
) -> Option<Decimal> {
    Composed::of_dimensions(rule_set, category_id, dimensions).map(|mean| mean.rounded(places))
}
