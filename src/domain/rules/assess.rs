//! How a metric is assessed, as a rule file writes it: a reference curve beside peers, a curve, or steps.

use std::ops::Range;

use toml::Spanned;

use super::Assessment;
use super::check::Checker;
use super::raw::{Exact, Knots, RawAssessment, RawSteps, RawUnit};
use crate::domain::curve::{Better, Curve, StepTable};
use crate::domain::decimal::Decimal;
use crate::domain::metric::{Metric, Unit};

/// The largest `x` of a curve: it keeps the exact arithmetic of points within 128 bits.
const X_MAX: i64 = 100_000;

impl Checker<'_> {
    /// `None` if something is wrong, `Some(None)` if no way to assess is named.
    pub(super) fn assessment(
        &mut self,
        raw: &RawAssessment<'_>,
        metric: Metric,
        scale: (Decimal, Decimal),
        standing: Option<&Curve>,
        span: Range<usize>,
    ) -> Option<Option<Assessment>> {
        let factor = self.factor(raw, metric);
        match (raw.reference, raw.curve, raw.steps) {
            (None, None, None) => Some(None),
            (Some(knots), None, None) => {
                let reference = self.curve(knots, scale, factor)?;
                self.check_direction(&reference, metric, knots.span());
                match standing {
                    Some(standing) => Some(Some(Assessment::Peers { standing: standing.clone(), reference })),
                    None => self.fault(knots.span(), "a metric with a reference needs a sound standing_curve"),
                }
            }
            (None, Some(knots), None) => {
                let curve = self.curve(knots, scale, factor)?;
                self.check_direction(&curve, metric, knots.span());
                Some(Some(Assessment::Curve(curve)))
            }
            (None, None, Some(steps)) => {
                self.steps(steps, metric, scale, factor).map(|steps| Some(Assessment::Steps(steps)))
            }
            _ => self.fault(span, format!("metric {:?} names more than one of reference, curve, steps", metric.id())),
        }
    }

    /// Durations are compared in seconds, and written in hours unless the file says otherwise.
    fn factor(&mut self, raw: &RawAssessment<'_>, metric: Metric) -> i64 {
        let is_duration = metric.definition().unit == Unit::Seconds;
        match raw.unit {
            Some(unit) if !is_duration => {
                let message = format!("{:?} is no duration; leave unit out", metric.id());
                self.fault(unit.span(), message).unwrap_or(1)
            }
            Some(unit) if *unit.get_ref() == RawUnit::Seconds => 1,
            _ if is_duration => 3600,
            _ => 1,
        }
    }

    /// A curve from a standing, 0 to 1, to points, which never gives a better standing fewer points.
    pub(super) fn standing_curve(&mut self, knots: &Spanned<Knots>, scale: (Decimal, Decimal)) -> Option<Curve> {
        let curve = self.curve(knots, scale, 1)?;
        if curve.knots().iter().any(|(standing, _)| *standing > Decimal::ONE) {
            self.flaw(knots.span(), "a standing is 0 to 1");
        }
        if curve.knots().windows(2).any(|pair| pair[0].1 > pair[1].1) {
            self.flaw(knots.span(), "a standing_curve must not fall: a better standing would get fewer points");
        }
        Some(curve)
    }

    /// Warns where a curve gives a worse value more points.
    fn check_direction(&mut self, curve: &Curve, metric: Metric, span: Range<usize>) {
        let is_against = |pair: &[(Decimal, Decimal)]| match metric.definition().better {
            Better::Lower => pair[0].1 < pair[1].1,
            Better::Higher => pair[0].1 > pair[1].1,
        };
        if curve.knots().windows(2).any(is_against) {
            let better = metric.definition().better;
            self.warn(
                span,
                format!("{} values of {:?} are better, and this curve gives them fewer points", better, metric.id()),
            );
        }
    }

    pub(super) fn curve(&mut self, knots: &Spanned<Knots>, scale: (Decimal, Decimal), factor: i64) -> Option<Curve> {
        let scaled = self.knots(knots.get_ref(), knots.span(), scale, factor)?;
        match Curve::new(scaled) {
            Some(curve) => Some(curve),
            None => self.fault(knots.span(), "a curve must be one or more [x, points] pairs with strictly rising x"),
        }
    }

    fn knots(
        &mut self,
        knots: &Knots,
        span: Range<usize>,
        scale: (Decimal, Decimal),
        factor: i64,
    ) -> Option<Vec<(Decimal, Decimal)>> {
        if knots.iter().any(|(_, points)| points.0 < scale.0 || points.0 > scale.1) {
            return self.fault(span, format!("points must be on the scale, {} to {}", scale.0, scale.1));
        }
        if knots.iter().any(|(x, _)| x.0 < Decimal::ZERO || x.0.millionths() > X_MAX * 1_000_000) {
            return self.fault(span, format!("x is 0 to {X_MAX}"));
        }
        Some(knots.iter().map(|(x, points)| (x.0.times(factor), points.0)).collect())
    }

    fn steps(
        &mut self,
        raw: &Spanned<RawSteps>,
        metric: Metric,
        scale: (Decimal, Decimal),
        factor: i64,
    ) -> Option<StepTable> {
        let steps = self.knots(&raw.get_ref().bounds, raw.span(), scale, factor)?;
        let otherwise = self.knots(&vec![(Exact(Decimal::ZERO), raw.get_ref().otherwise)], raw.span(), scale, 1)?[0].1;
        let from_best = steps.windows(2).all(|pair| match metric.definition().better {
            Better::Lower => pair[0].0 < pair[1].0,
            Better::Higher => pair[0].0 > pair[1].0,
        });
        if steps.is_empty() || !from_best {
            let message = format!("steps of {:?} go from the best bound to the worst", metric.id());
            return self.fault(raw.span(), message);
        }
        Some(StepTable { steps, otherwise })
    }
}
