//! Rule sets: the policy of a score as data (scoring law §6).
//!
//! A rule set says which metrics count, over which windows, with which weights, how a value becomes points, the
//! minimum volumes and the penalties. Values may differ by category. The text format is in [`file`].

mod assess;
mod check;
pub mod file;
mod raw;

use std::collections::HashMap;
use std::sync::Arc;

use super::curve::{Better, Curve, Ratio, StepTable};
use super::decimal::Decimal;
use super::id::Id;
use super::measure::Measure;
use super::metric::Metric;
use super::subject::SubjectKind;
use super::window::Window;
use check::RuleFault;

/// A name in English and in the sellers' own language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    pub en: String,
    pub zh: String,
}

/// A window with the name that answers show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWindow {
    pub name: String,
    pub window: Window,
}

/// How a metric's value becomes points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// By standing among peers; through `reference` where there are too few of them.
    Peers { standing: Curve, reference: Curve },
    /// By the value itself, without peers.
    Curve(Curve),
    /// By a table of steps, without peers.
    Steps(StepTable),
}

impl Assessment {
    /// The most points that a value can get; `by_standing`: whether it is compared with peers.
    pub(crate) fn best_points(&self, by_standing: bool) -> Decimal {
        let highest = |knots: &[(Decimal, Decimal)]| knots.iter().map(|(_, points)| *points).max().unwrap_or_default();
        match self {
            Assessment::Peers { standing, .. } if by_standing => highest(standing.knots()),
            Assessment::Peers { reference, .. } => highest(reference.knots()),
            Assessment::Curve(curve) => highest(curve.knots()),
            Assessment::Steps(table) => highest(&table.steps).max(table.otherwise),
        }
    }

    /// The most points that values between two others, them included, can get.
    pub(crate) fn most_points(&self, one: Placed, other: Placed, better: Better) -> Decimal {
        match (self, one.1.zip(other.1)) {
            (Assessment::Peers { standing, .. }, Some((one, other))) => standing.most_points(one, other),
            (Assessment::Peers { reference: curve, .. } | Assessment::Curve(curve), _) => {
                curve.most_points(one.0, other.0)
            }
            (Assessment::Steps(table), _) => table.most_points(one.0, other.0, better),
        }
    }
}

/// A value, and its standing where it is compared with peers.
pub(crate) type Placed = (Ratio, Option<Ratio>);

#[derive(Clone, Debug)]
pub struct MetricRule {
    pub metric: Metric,
    /// Index into [`RuleSet::dimensions`].
    pub dimension: usize,
    pub window: NamedWindow,
    /// Weight inside the dimension, relative to its other metrics.
    pub weight: Decimal,
    pub assessment: Assessment,
}

#[derive(Clone, Debug)]
pub struct DimensionRule {
    pub id: String,
    pub title: Title,
    /// Weight relative to the other dimensions.
    pub weight: Decimal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PenaltyRule {
    pub code: String,
    pub title: Title,
    /// The penalty applies to scores strictly below this.
    pub below: Decimal,
}

/// What a category changes: whatever is named here stands in place of the general rule.
#[derive(Clone, Debug, Default)]
pub struct CategoryRule {
    pub dimension_weights: HashMap<usize, Decimal>,
    pub metric_weights: HashMap<Metric, Decimal>,
    pub assessments: HashMap<Metric, Assessment>,
}

#[derive(Clone, Copy, Debug)]
pub struct Minimums {
    /// Signed orders in the rule set's near window below which a subject gets no score.
    pub signed_orders: i64,
    /// Volume below which a metric is not assessed.
    pub metric_count: i64,
    /// Members below which a peer group is not used; at least 2.
    pub peers: i64,
}

#[derive(Clone, Debug)]
pub struct RuleSet {
    pub id: String,
    pub kind: SubjectKind,
    /// Whether queries that name no rule set are answered with this one.
    pub is_default: bool,
    pub title: Title,
    /// The lowest and the highest points.
    pub scale: (Decimal, Decimal),
    /// Reviews with at most this many stars are bad.
    pub bad_stars_max: u8,
    pub minimums: Minimums,
    /// The window in which signed orders are held against the minimum.
    pub near: NamedWindow,
    pub dimensions: Vec<DimensionRule>,
    pub metrics: Vec<MetricRule>,
    /// By falling threshold.
    pub penalties: Vec<PenaltyRule>,
    pub categories: HashMap<Id, CategoryRule>,
    /// SHA-256 of the text that the rule set was read from, in hex: its version.
    pub hash: String,
    /// The text itself.
    pub source: String,
    /// The id of the built-in rule set that this one says it replaces.
    pub replaces: Option<String>,
    /// What is allowed and looks like a mistake.
    pub warnings: Vec<RuleFault>,
}

impl RuleSet {
    fn category(&self, category_id: Option<&Id>) -> Option<&CategoryRule> {
        category_id.and_then(|id| self.categories.get(id))
    }

    /// The distinct thresholds of the penalties, by falling threshold.
    pub fn thresholds(&self) -> Vec<Decimal> {
        let mut thresholds: Vec<Decimal> = self.penalties.iter().map(|penalty| penalty.below).collect();
        thresholds.dedup();
        thresholds
    }

    /// The weight of a dimension in a category.
    pub fn dimension_weight(&self, dimension: usize, category_id: Option<&Id>) -> Decimal {
        let special = self.category(category_id).and_then(|rule| rule.dimension_weights.get(&dimension));
        special.copied().unwrap_or(self.dimensions[dimension].weight)
    }

    /// The weight of a metric inside its dimension in a category.
    pub fn metric_weight(&self, rule: &MetricRule, category_id: Option<&Id>) -> Decimal {
        let special = self.category(category_id).and_then(|category| category.metric_weights.get(&rule.metric));
        special.copied().unwrap_or(rule.weight)
    }

    /// How a metric is assessed in a category.
    pub fn assessment<'a>(&'a self, rule: &'a MetricRule, category_id: Option<&Id>) -> &'a Assessment {
        let special = self.category(category_id).and_then(|category| category.assessments.get(&rule.metric));
        special.unwrap_or(&rule.assessment)
    }

    /// What the counts of a metric of this rule set are: two that are equal are the same counts.
    pub(crate) fn measurement(&self, rule: &MetricRule) -> (Metric, Window, Measure) {
        (rule.metric, rule.window.window, rule.metric.definition().numerator(self.bad_stars_max))
    }

    /// The days that the longest window reaches back.
    pub fn longest_window(&self) -> u16 {
        let windows = self.metrics.iter().map(|rule| &rule.window).chain([&self.near]);
        windows.map(|window| window.window.oldest()).max().unwrap_or_default()
    }

    /// Where a metric stands among the rule set's metrics, and so in its cards.
    pub fn place(&self, metric: Metric) -> Option<usize> {
        self.metrics.iter().position(|rule| rule.metric == metric)
    }

    /// The metrics of one dimension.
    pub fn metrics_of(&self, dimension: usize) -> impl Iterator<Item = (usize, &MetricRule)> {
        self.metrics.iter().enumerate().filter(move |(_, rule)| rule.dimension == dimension)
    }
}

/// The rule sets in force: at least one default per kind that has any.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    pub rule_sets: Vec<Arc<RuleSet>>,
}

impl RuleBook {
    /// The days that the longest window of all rule sets reaches back.
    pub fn longest_window(&self) -> u16 {
        self.rule_sets.iter().map(|rule_set| rule_set.longest_window()).max().unwrap_or_default()
    }

    pub fn get(&self, id: &str) -> Option<&Arc<RuleSet>> {
        self.rule_sets.iter().find(|rule_set| rule_set.id == id)
    }

    /// The rule set that answers queries of a kind which name none.
    pub fn default_for(&self, kind: SubjectKind) -> Option<&Arc<RuleSet>> {
        self.of_kind(kind).find(|rule_set| rule_set.is_default).or_else(|| self.of_kind(kind).next())
    }

    pub fn of_kind(&self, kind: SubjectKind) -> impl Iterator<Item = &Arc<RuleSet>> {
        self.rule_sets.iter().filter(move |rule_set| rule_set.kind == kind)
    }
}
