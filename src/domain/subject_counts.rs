//! What a subject brings into a run: the counts that a rule set asks for, out of sums over windows.

use super::adjustment::AdjustmentCounts;
use super::id::Id;
use super::measure::Measure;
use super::metric::{MetricCount, Population};
use super::rules::{MetricRule, RuleSet};
use super::window::Window;

/// What one subject brings into a run under one rule set. `metrics` stand in the rule set's order.
#[derive(Clone, Debug)]
pub(crate) struct SubjectCounts {
    pub category_id: Option<Id>,
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: i64,
    /// How many adjustments of each code count on the date, in the rule set's order.
    pub adjustments: Vec<i64>,
    pub metrics: Vec<MetricCount>,
}

impl SubjectCounts {
    /// Takes the counts that a rule set asks for out of window sums.
    pub(crate) fn of(
        rule_set: &RuleSet,
        category_id: Option<Id>,
        sums: &impl WindowSums,
        adjustments: &AdjustmentCounts,
    ) -> SubjectCounts {
        SubjectCounts {
            category_id,
            signed_orders: sums.sum(rule_set.near.window, Measure::SignedOrders),
            volume: volume_of(rule_set, sums),
            adjustments: rule_set.adjustments.iter().map(|rule| adjustments.of(&rule.code)).collect(),
            metrics: rule_set.metrics.iter().map(|rule| count_of(rule_set, rule, sums)).collect(),
        }
    }
}

/// The sums over windows of what one subject counts for.
pub(crate) trait WindowSums {
    fn sum(&self, window: Window, measure: Measure) -> i64;

    /// The part of a sum that is of products which do not qualify.
    fn unqualified(&self, window: Window, measure: Measure) -> i64;
}

/// What is held against the minimum of a rule set.
pub(crate) fn volume_of(rule_set: &RuleSet, sums: &impl WindowSums) -> i64 {
    sums.sum(rule_set.near.window, rule_set.minimums.volume)
}

/// The counts of one metric.
pub(crate) fn count_of(rule_set: &RuleSet, rule: &MetricRule, sums: &impl WindowSums) -> MetricCount {
    let (definition, window) = (rule.metric.definition(), rule.window.window);
    definition.count_by(rule_set.bad_stars_max, |measure| match definition.population {
        Population::All => sums.sum(window, measure),
        Population::QualifyingProducts => sums.sum(window, measure) - sums.unqualified(window, measure),
    })
}
