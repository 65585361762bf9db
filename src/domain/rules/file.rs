//! The text format of rule sets (TOML), checked as a whole when loaded.
//!
//! Numbers are exact: a TOML float is read by its shortest decimal text, never used as a binary fraction.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest, Sha256};
use toml::Spanned;

pub use super::check::RuleFault;
use super::check::{Checker, line_of};
use super::raw::{Exact, POINTS_MAX, RawAssessment, RawCategoryMetric, RawMetric, RawRuleSet, RawTitle, RawWindow};
use super::{CategoryRule, DimensionRule, MetricRule, NamedWindow, RuleSet, Title};
use crate::domain::curve::Curve;
use crate::domain::decimal::Decimal;
use crate::domain::hex::hex;
use crate::domain::id::Id;
use crate::domain::measure::BAD_STARS_MAX;
use crate::domain::metric::Metric;
use crate::domain::window::{WINDOW_DAYS_AGO_MAX, Window};

/// Reads one rule set; all faults that can be told apart are reported at once.
pub fn parse(source: &str) -> Result<RuleSet, Vec<RuleFault>> {
    read(source, false)
}

/// Reads a rule set that a run used: an earlier version of this program may have let through what is refused now.
pub(crate) fn parse_stored(source: &str) -> Result<RuleSet, Vec<RuleFault>> {
    read(source, true)
}

fn read(source: &str, is_stored: bool) -> Result<RuleSet, Vec<RuleFault>> {
    let raw: RawRuleSet = toml::from_str(source).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(source, &span));
        vec![RuleFault { line, message: error.message().to_owned() }]
    })?;
    let mut checker = Checker::new(source, is_stored);
    let rule_set = checker.rule_set(&raw);
    match rule_set {
        Some(rule_set) if checker.faults.is_empty() => Ok(RuleSet { warnings: checker.warnings, ..rule_set }),
        _ => {
            checker.faults.sort_by_key(|fault| fault.line);
            Err(checker.faults)
        }
    }
}

impl Checker<'_> {
    fn rule_set(&mut self, raw: &RawRuleSet) -> Option<RuleSet> {
        if Id::parse(raw.id.get_ref()).is_err() {
            self.fault::<()>(raw.id.span(), "id must be 1-128 printable ASCII characters without spaces and commas");
        }
        let scale = (raw.scale.get_ref().min.0, raw.scale.get_ref().max.0);
        let limit = POINTS_MAX * 1_000_000;
        if scale.0 >= scale.1 || scale.0 < Decimal::ZERO || scale.1.millionths() > limit {
            self.fault::<()>(raw.scale.span(), format!("a scale has 0 ≤ min < max ≤ {POINTS_MAX}"));
        }
        if !(1..=BAD_STARS_MAX).contains(raw.bad_stars_max.get_ref()) {
            self.fault::<()>(raw.bad_stars_max.span(), format!("bad_stars_max is 1 to {BAD_STARS_MAX}"));
        }
        self.read_windows(&raw.windows);
        let near = self.window(&raw.near_window);
        let standing = raw.standing_curve.as_ref().map(|knots| self.standing_curve(knots, scale));
        let (dimensions, metrics) = self.dimensions(raw, scale, standing.clone().flatten().as_ref());
        let penalties = self.penalties(&raw.penalty, scale, &dimensions);
        let adjustments = self.adjustments(&raw.adjustment);
        let minimums = self.minimums(&raw.minimums, scale);
        let effective = self.effective(raw.effective.as_ref());
        let score_places = self.score_places(raw.score_places.as_ref());
        self.check_weights(raw, &dimensions);
        let categories = self.categories(raw, scale, standing.flatten().as_ref(), &dimensions);
        Some(RuleSet {
            id: raw.id.get_ref().clone(),
            kind: raw.kind,
            is_default: raw.default,
            title: title(&raw.title),
            effective,
            scale,
            score_places,
            bad_stars_max: *raw.bad_stars_max.get_ref(),
            minimums: minimums?,
            near: near?,
            dimensions,
            metrics,
            penalties,
            adjustments,
            categories,
            hash: hex(&Sha256::digest(self.source.as_bytes())),
            source: self.source.to_owned(),
            replaces: raw.replaces.clone(),
            warnings: Vec::new(),
        })
    }

    fn read_windows(&mut self, raw: &BTreeMap<String, Spanned<RawWindow>>) {
        for (name, window) in raw {
            let (oldest, newest) = window.get_ref().days_ago;
            match Window::new(oldest, newest) {
                Some(sound) => {
                    self.windows.insert(name.clone(), Some(sound));
                }
                None => {
                    self.windows.insert(name.clone(), None);
                    let message = format!(
                        "days_ago of {name} is [from, to] with {WINDOW_DAYS_AGO_MAX} ≥ from ≥ to ≥ 1, days before the score date"
                    );
                    self.fault::<()>(window.span(), message);
                }
            }
        }
    }

    fn window(&mut self, name: &Spanned<String>) -> Option<NamedWindow> {
        match self.windows.get(name.get_ref()) {
            Some(window) => Some(NamedWindow { name: name.get_ref().clone(), window: (*window)? }),
            None => self.fault(name.span(), format!("no valid window is named {:?} under [windows]", name.get_ref())),
        }
    }

    fn positive(&mut self, number: &Spanned<Exact>, what: &str) -> Option<Decimal> {
        let decimal = number.get_ref().0;
        if decimal > Decimal::ZERO && decimal.millionths() <= 1_000 * 1_000_000 {
            Some(decimal)
        } else {
            self.fault(number.span(), format!("{what} must be above 0 and at most 1000"))
        }
    }

    fn dimensions(
        &mut self,
        raw: &RawRuleSet,
        scale: (Decimal, Decimal),
        standing: Option<&Curve>,
    ) -> (Vec<DimensionRule>, Vec<MetricRule>) {
        let (mut dimensions, mut metrics) = (Vec::<DimensionRule>::new(), Vec::<MetricRule>::new());
        if raw.dimension.is_empty() {
            self.fault::<()>(0..0, "a rule set has at least one [[dimension]]");
        }
        for raw_dimension in &raw.dimension {
            let id = raw_dimension.id.get_ref();
            if dimensions.iter().any(|dimension| dimension.id == *id) {
                self.fault::<()>(raw_dimension.id.span(), format!("dimension {id:?} is defined twice"));
            }
            if raw_dimension.metric.is_empty() {
                self.fault::<()>(raw_dimension.id.span(), format!("dimension {id:?} has no [[dimension.metric]]"));
            }
            let weight = self.positive(&raw_dimension.weight, "a weight").unwrap_or(Decimal::ONE);
            for raw_metric in &raw_dimension.metric {
                let rule = self.metric(raw_metric, dimensions.len(), scale, standing);
                let Some(rule) = rule else { continue };
                if metrics.iter().any(|other| other.metric == rule.metric) {
                    self.fault::<()>(raw_metric.id.span(), format!("metric {:?} counts twice", rule.metric.id()));
                }
                metrics.push(rule);
            }
            dimensions.push(DimensionRule { id: id.clone(), title: title(&raw_dimension.title), weight });
        }
        (dimensions, metrics)
    }

    fn metric(
        &mut self,
        raw: &RawMetric,
        dimension: usize,
        scale: (Decimal, Decimal),
        standing: Option<&Curve>,
    ) -> Option<MetricRule> {
        let metric = self.metric_id(&raw.id);
        let window = self.window(&raw.window);
        let weight = match &raw.weight {
            Some(weight) => self.positive(weight, "a weight"),
            None => Some(Decimal::ONE),
        };
        let metric = metric?;
        let ways = RawAssessment { reference: &raw.reference, curve: &raw.curve, steps: &raw.steps, unit: &raw.unit };
        let assessment = match self.assessment(&ways, metric, scale, standing, raw.id.span())? {
            Some(assessment) => assessment,
            None => {
                let message = format!("metric {:?} needs one of reference, curve, steps", metric.id());
                return self.fault(raw.id.span(), message);
            }
        };
        Some(MetricRule { metric, dimension, window: window?, weight: weight?, assessment })
    }

    fn metric_id(&mut self, id: &Spanned<String>) -> Option<Metric> {
        match Metric::parse(id.get_ref()) {
            Some(metric) => Some(metric),
            None => self.fault(id.span(), format!("no metric is named {:?}", id.get_ref())),
        }
    }

    /// Warns where the weights of dimensions do not sum to 1: they are relative to each other, which may surprise.
    fn check_weights(&mut self, raw: &RawRuleSet, dimensions: &[DimensionRule]) {
        let sum = dimensions.iter().fold(Decimal::ZERO, |sum, dimension| sum.plus(dimension.weight));
        let Some(first) = raw.dimension.first().filter(|_| sum != Decimal::ONE && sum > Decimal::ZERO) else { return };
        let share = |dimension: &DimensionRule| {
            let (weight, sum) = (dimension.weight.millionths().into(), sum.millionths().into());
            format!("{} {}", dimension.id, Decimal::rounded(weight, sum, 4))
        };
        let shares: Vec<String> = dimensions.iter().map(share).collect();
        let message = format!("the weights of the dimensions sum to {sum}, not 1; they count as {}", shares.join(", "));
        self.warn(first.weight.span(), message);
    }

    fn categories(
        &mut self,
        raw: &RawRuleSet,
        scale: (Decimal, Decimal),
        standing: Option<&Curve>,
        dimensions: &[DimensionRule],
    ) -> HashMap<Id, CategoryRule> {
        let mut categories = HashMap::new();
        let named: HashSet<&str> = raw
            .dimension
            .iter()
            .flat_map(|dimension| &dimension.metric)
            .map(|metric| metric.id.get_ref().as_str())
            .collect();
        for raw_category in &raw.category {
            let Ok(id) = Id::parse(raw_category.id.get_ref()) else {
                self.fault::<()>(
                    raw_category.id.span(),
                    "a category id must be 1-128 printable ASCII characters without spaces and commas",
                );
                continue;
            };
            let (mut rule, mut seen) = (CategoryRule::default(), HashSet::new());
            for raw_dimension in &raw_category.dimension {
                let name = raw_dimension.id.get_ref();
                let index = dimensions.iter().position(|dimension| dimension.id == *name);
                let weight = self.positive(&raw_dimension.weight, "a weight");
                match index {
                    Some(index) => {
                        let before = weight.and_then(|weight| rule.dimension_weights.insert(index, weight));
                        if before.is_some() {
                            self.flaw(raw_dimension.id.span(), format!("dimension {name:?} is there twice"));
                        }
                    }
                    None => self.fault(raw_dimension.id.span(), format!("no dimension {name:?}")).unwrap_or(()),
                }
            }
            for raw_metric in &raw_category.metric {
                let Some(metric) = self.metric_id(&raw_metric.id) else { continue };
                if !seen.insert(metric) {
                    self.flaw(raw_metric.id.span(), format!("metric {:?} is there twice", metric.id()));
                }
                if !named.contains(metric.id()) {
                    let message = format!("metric {:?} is in no dimension of this rule set", metric.id());
                    self.fault::<()>(raw_metric.id.span(), message);
                }
                let weight = raw_metric.weight.as_ref().and_then(|weight| self.positive(weight, "a weight"));
                rule.metric_weights.extend(weight.map(|weight| (metric, weight)));
                let RawCategoryMetric { reference, curve, steps, unit, .. } = raw_metric;
                let ways = RawAssessment { reference, curve, steps, unit };
                let assessment = self.assessment(&ways, metric, scale, standing, raw_metric.id.span()).flatten();
                rule.assessments.extend(assessment.map(|assessment| (metric, assessment)));
            }
            if categories.insert(id, rule).is_some() {
                let message = format!("category {:?} is defined twice", raw_category.id.get_ref());
                self.fault::<()>(raw_category.id.span(), message);
            }
        }
        categories
    }
}

pub(super) fn title(raw: &RawTitle) -> Title {
    Title { en: raw.en.clone(), zh: raw.zh.clone() }
}
