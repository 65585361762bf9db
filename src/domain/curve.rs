//! From a value to points: curves and step tables (scoring law §7.3).

use super::decimal::Decimal;
use super::words::words;

/// Places to which points are rounded, at every scale.
pub(crate) const POINTS_PLACES: u32 = 4;
const MILLION: i128 = 1_000_000;

/// An exact ratio of two counts: a metric's value or a standing. `denominator` is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    pub numerator: i64,
    pub denominator: i64,
}

impl Ratio {
    /// Exact comparison by cross-multiplication.
    pub fn compare(self, other: Ratio) -> std::cmp::Ordering {
        let left = i128::from(self.numerator) * i128::from(other.denominator);
        let right = i128::from(other.numerator) * i128::from(self.denominator);
        left.cmp(&right)
    }

    pub fn is_better_than(self, other: Ratio, better: Better) -> bool {
        match better {
            Better::Lower => self.compare(other).is_lt(),
            Better::Higher => self.compare(other).is_gt(),
        }
    }

    pub fn rounded(self, places: u32) -> Decimal {
        Decimal::rounded(self.numerator.into(), self.denominator.into(), places)
    }

    /// How this ratio compares to a decimal bound.
    fn compare_to(self, bound: Decimal) -> std::cmp::Ordering {
        let left = i128::from(self.numerator) * MILLION;
        left.cmp(&(i128::from(bound.millionths()) * i128::from(self.denominator)))
    }
}

/// A piecewise linear curve, clamped at its ends: at least one knot, `x` strictly rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    knots: Vec<(Decimal, Decimal)>,
}

impl Curve {
    /// `None` unless the knots are one or more with strictly rising `x`.
    pub fn new(knots: Vec<(Decimal, Decimal)>) -> Option<Curve> {
        let rising = knots.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (rising && !knots.is_empty()).then_some(Curve { knots })
    }

    pub fn knots(&self) -> &[(Decimal, Decimal)] {
        &self.knots
    }

    /// The points at `value`, rounded half up to four places.
    pub fn points(&self, value: Ratio) -> Decimal {
        let above = self.knots.partition_point(|(x, _)| value.compare_to(*x).is_ge());
        if above == 0 {
            return rounded_points(self.knots[0].1);
        }
        let (x0, y0) = self.knots[above - 1];
        let Some((x1, y1)) = self.knots.get(above).copied() else {
            return rounded_points(y0);
        };
        let denominator = i128::from(value.denominator);
        let width = i128::from(x1.minus(x0).millionths()) * denominator;
        let passed = i128::from(value.numerator) * MILLION - i128::from(x0.millionths()) * denominator;
        let rise = i128::from(y1.minus(y0).millionths());
        let numerator = i128::from(y0.millionths()) * width + rise * passed;
        Decimal::rounded(numerator, width * MILLION, POINTS_PLACES)
    }

    /// The most points that a value between two others, them included, can get.
    pub(crate) fn most_points(&self, one: Ratio, other: Ratio) -> Decimal {
        let is_between = |x: Decimal| {
            let (of_one, of_other) = (one.compare_to(x), other.compare_to(x));
            of_one != of_other && of_one.is_ne() && of_other.is_ne()
        };
        let knots = self.knots.iter().filter(|(x, _)| is_between(*x)).map(|(_, points)| rounded_points(*points));
        knots.fold(self.points(one).max(self.points(other)), Decimal::max)
    }
}

fn rounded_points(points: Decimal) -> Decimal {
    Decimal::rounded(points.millionths().into(), MILLION, POINTS_PLACES)
}

words! {
    /// Which values are better.
    pub enum Better {
        Lower = "lower",
        Higher = "higher",
    }
}

/// A table of bounds from best to worst. The value takes the points of the first step whose bound it meets (`≤` where
/// lower is better, `≥` where higher is); a value that meets none takes `otherwise`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTable {
    pub steps: Vec<(Decimal, Decimal)>,
    pub otherwise: Decimal,
}

impl StepTable {
    pub fn points(&self, value: Ratio, better: Better) -> Decimal {
        self.points_of(self.step(value, better))
    }

    /// The most points that a value between two others, them included, can get.
    pub(crate) fn most_points(&self, one: Ratio, other: Ratio, better: Better) -> Decimal {
        let (one, other) = (self.step(one, better), self.step(other, better));
        let steps = one.min(other)..=one.max(other);
        steps.map(|step| self.points_of(step)).max().unwrap_or(self.otherwise)
    }

    /// The place of the step that a value takes; the number of steps where it meets none.
    fn step(&self, value: Ratio, better: Better) -> usize {
        let meets = |bound: Decimal| match better {
            Better::Lower => value.compare_to(bound).is_le(),
            Better::Higher => value.compare_to(bound).is_ge(),
        };
        self.steps.iter().position(|(bound, _)| meets(*bound)).unwrap_or(self.steps.len())
    }

    fn points_of(&self, step: usize) -> Decimal {
        rounded_points(self.steps.get(step).map_or(self.otherwise, |(_, points)| *points))
    }
}

#[cfg(test)]
mod tests {
    use super::{Better, Curve, Ratio, StepTable};
    use crate::domain::decimal::Decimal;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect(text)
    }

    fn knots(pairs: &[(&str, &str)]) -> Vec<(Decimal, Decimal)> {
        pairs.iter().map(|(x, y)| (decimal(x), decimal(y))).collect()
    }

    #[test]
    fn a_curve_is_linear_between_its_knots_and_flat_beyond_them() {
        let curve = Curve::new(knots(&[("0", "3.0"), ("0.05", "3.8"), ("0.30", "4.5"), ("0.80", "5.0"), ("1", "5.0")]));
        let curve = curve.expect("rising");
        let points = |numerator, denominator| curve.points(Ratio { numerator, denominator }).to_string();
        assert_eq!(points(0, 9), "3");
        assert_eq!(points(1, 40), "3.4");
        assert_eq!(points(1, 3), "4.5333");
        assert_eq!(points(4, 5), "5");
        assert_eq!(points(7, 5), "5");
    }

    #[test]
    fn a_curve_whose_knots_do_not_rise_is_refused() {
        assert!(Curve::new(knots(&[("1", "1"), ("1", "2")])).is_none());
        assert!(Curve::new(Vec::new()).is_none());
    }

    #[test]
    fn a_step_includes_its_bound_from_the_better_side() {
        let table = |steps: &[(&str, &str)]| StepTable { steps: knots(steps), otherwise: decimal("20") };
        let lower = table(&[("0.01", "100"), ("0.03", "60")]);
        let at = |numerator, denominator| lower.points(Ratio { numerator, denominator }, Better::Lower).to_string();
        assert_eq!(
            (at(1, 100), at(2, 100), at(3, 100), at(301, 10_000)),
            ("100".into(), "60".into(), "60".into(), "20".into())
        );
        let higher = table(&[("0.9", "100"), ("0.5", "60")]);
        let at = |numerator, denominator| higher.points(Ratio { numerator, denominator }, Better::Higher).to_string();
        assert_eq!((at(9, 10), at(8, 10), at(49, 100)), ("100".into(), "60".into(), "20".into()));
    }
}
