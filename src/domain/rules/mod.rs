//! Rule sets: the policy of a score as data (scoring law §6).
//!
//! A rule set says which metrics count, over which windows, with which weights, how a value becomes points, the
//! minimum volumes and the penalties. Values may differ by category. The text format is in [`file`].

mod assess;
mod book;
mod check;
mod compose;
pub mod file;
mod raw;

use std::collections::HashMap;

use chrono::NaiveDate;

use super::curve::{Better, Curve, Ratio, StepTable};
use super::decimal::Decimal;
use super::id::Id;
use super::measure::Measure;
use super::metric::Metric;
use super::subject::SubjectKind;
use super::window::Window;
pub use book::{RuleBook, default_of};
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
    /// The dimension whose score is meant, an index into [`RuleSet::dimensions`]; `None`: the whole score.
    pub dimension: Option<usize>,
    /// Its row in the file, from 0. A code may stand in several rows.
    pub row: usize,
}

/// What the platform adds or takes off for reasons that no event tells (加分, 扣分).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdjustmentRule {
    pub code: String,
    pub title: Title,
    /// Of each adjustment of this code; below 0 it takes off.
    pub points: Decimal,
    /// The most that the code adds up to, of the same sign.
    pub cap: Option<Decimal>,
}

impl AdjustmentRule {
    /// What so many adjustments come to.
    pub fn points_of(&self, count: i64) -> Decimal {
        let points = self.points.times(count);
        match self.cap {
            Some(cap) if self.points < Decimal::ZERO => points.max(cap),
            Some(cap) => points.min(cap),
            None => points,
        }
    }
}

/// The score dates on which a rule set is in force, both included; `None` where an end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    pub from: Option<NaiveDate>,
    pub last: Option<NaiveDate>,
}

impl Effective {
    pub fn has(&self, date: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= date) && self.last.is_none_or(|last| date <= last)
    }

    /// Whether both are in force on some date.
    pub fn overlaps(&self, other: &Effective) -> bool {
        let ends_before =
            |one: &Effective, other: &Effective| one.last.zip(other.from).is_some_and(|(last, from)| last < from);
        !ends_before(self, other) && !ends_before(other, self)
    }
}

/// What a category changes: whatever is named here stands in place of the general rule.
#[derive(Clone, Debug, Default)]
pub struct CategoryRule {
    pub dimension_weights: HashMap<usize, Decimal>,
    pub metric_weights: HashMap<Metric, Decimal>,
    pub assessments: HashMap<Metric, Assessment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimums {
    /// What a subject needs in the rule set's near window to be scored.
    pub volume: Measure,
    /// How many of it.
    pub count: i64,
    /// The score of subjects that have fewer; `None`: they get none.
    pub score_below: Option<Decimal>,
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
    /// The score dates on which it is in force.
    pub effective: Effective,
    /// The lowest and the highest points.
    pub scale: (Decimal, Decimal),
    /// Places to which the score is rounded, 2 at the most.
    pub score_places: u32,
    /// Reviews with at most this many stars are bad.
    pub bad_stars_max: u8,
    pub minimums: Minimums,
    /// The window in which the volume is held against the minimum.
    pub near: NamedWindow,
    pub dimensions: Vec<DimensionRule>,
    pub metrics: Vec<MetricRule>,
    /// By falling threshold.
    pub penalties: Vec<PenaltyRule>,
    pub adjustments: Vec<AdjustmentRule>,
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

    /// The distinct thresholds of the penalties of the whole score, by falling threshold.
    pub fn thresholds(&self) -> Vec<Decimal> {
        let of_score = self.penalties.iter().filter(|penalty| penalty.dimension.is_none());
        let mut thresholds: Vec<Decimal> = of_score.map(|penalty| penalty.below).collect();
        thresholds.dedup();
        thresholds
    }

    /// What adjustments come to, given how many there are of each code, in the rule set's order.
    pub fn adjusted_by(&self, counts: &[i64]) -> Decimal {
        let points = self.adjustments.iter().zip(counts).map(|(rule, count)| rule.points_of(*count));
        points.fold(Decimal::ZERO, Decimal::plus)
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
