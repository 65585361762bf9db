//! The counts of one subject as they are at this moment, day by day, and what they come to on any score date.
//!
//! A run sums the same counts in the database for everybody; here they are summed for one subject and several dates.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::adjustment::{Adjustment, AdjustmentCounts};
use super::count::Counts;
use super::id::Id;
use super::measure::Measure;
use super::metric::MetricCount;
use super::product::OffShelf;
use super::rules::{MetricRule, RuleSet};
use super::subject_counts::{SubjectCounts, WindowSums};
use super::window::{DaySpan, Window};

/// A subject's counts by day, its own and its products'.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveCounts {
    pub daily: BTreeMap<NaiveDate, Counts>,
    pub products: Vec<LiveProduct>,
    /// Those that are not revoked.
    pub adjustments: Vec<Adjustment>,
}

/// One product of a subject's orders.
#[derive(Clone, Debug)]
pub(crate) struct LiveProduct {
    pub shop_id: Id,
    pub product_id: Id,
    pub daily: BTreeMap<NaiveDate, Counts>,
    pub off_shelf: Vec<OffShelf>,
}

/// The sums of daily counts over a span.
pub(crate) fn sum(daily: &BTreeMap<NaiveDate, Counts>, span: DaySpan) -> Counts {
    if span.from > span.to {
        return Counts::default();
    }
    daily.range(span.from..=span.to).fold(Counts::default(), |sums, (_, counts)| sums.plus(counts))
}

impl LiveProduct {
    /// Whether the product is on the shelf at the end of a day.
    pub(crate) fn on_shelf(&self, day: NaiveDate) -> bool {
        !self.off_shelf.iter().any(|off| off.from_day <= day && off.until_day.is_none_or(|until| day < until))
    }

    /// Whether the product counts in metrics of qualifying products (scoring law §5).
    pub(crate) fn qualifies(&self, span: DaySpan, score_date: NaiveDate) -> bool {
        let paid = self.daily.range(span.from..=span.to).any(|(_, counts)| counts.get(Measure::PaidOrders) > 0);
        paid && score_date.pred_opt().is_some_and(|day| self.on_shelf(day))
    }
}

/// The sums over one window.
#[derive(Default)]
struct LiveSums {
    all: Counts,
    unqualified: Counts,
}

impl WindowSums for BTreeMap<Window, LiveSums> {
    fn sum(&self, window: Window, measure: Measure) -> i64 {
        self.get(&window).map_or(0, |sums| sums.all.get(measure))
    }

    fn unqualified(&self, window: Window, measure: Measure) -> i64 {
        self.get(&window).map_or(0, |sums| sums.unqualified.get(measure))
    }
}

impl LiveCounts {
    /// What the subject would bring into a run of a date.
    pub(crate) fn on(&self, rule_set: &RuleSet, category_id: Option<Id>, score_date: NaiveDate) -> SubjectCounts {
        let windows = rule_set.metrics.iter().map(|rule| rule.window.window).chain([rule_set.near.window]);
        let sums = |window: Window| LiveSums {
            all: sum(&self.daily, window.days(score_date)),
            unqualified: self.unqualified(window.days(score_date), score_date),
        };
        let windows: BTreeSet<Window> = windows.collect();
        let sums: BTreeMap<Window, LiveSums> = windows.into_iter().map(|window| (window, sums(window))).collect();
        let adjustments = AdjustmentCounts::on(&self.adjustments, score_date);
        SubjectCounts::of(rule_set, category_id, &sums, &adjustments)
    }

    /// The sums of the products that do not qualify.
    fn unqualified(&self, span: DaySpan, score_date: NaiveDate) -> Counts {
        let unqualified = self.products.iter().filter(|product| !product.qualifies(span, score_date));
        unqualified.fold(Counts::default(), |sums, product| sums.plus(&sum(&product.daily, span)))
    }

    /// What one day adds to the counts of a metric, whichever products qualify.
    pub(crate) fn of_day(&self, rule_set: &RuleSet, rule: &MetricRule, day: NaiveDate) -> MetricCount {
        let counts = self.daily.get(&day).copied().unwrap_or_default();
        rule.metric.definition().count(&counts, rule_set.bad_stars_max)
    }
}
