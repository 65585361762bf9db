//! Adjustments: what the platform adds to a score or takes off for some dates (加分, 扣分; scoring law §12).

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// One adjustment of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adjustment {
    /// The rule sets that have this code say what it is worth.
    pub code: String,
    /// The score dates for which it counts, both included; `None`: until further notice.
    pub from: NaiveDate,
    pub until: Option<NaiveDate>,
}

impl Adjustment {
    pub(crate) fn counts_on(&self, date: NaiveDate) -> bool {
        self.from <= date && self.until.is_none_or(|until| date <= until)
    }
}

/// How many adjustments of each code count for a subject on a date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdjustmentCounts(BTreeMap<String, i64>);

impl AdjustmentCounts {
    /// Of those of a subject, the ones that count on a date.
    pub(crate) fn on(adjustments: &[Adjustment], date: NaiveDate) -> AdjustmentCounts {
        let mut counts = AdjustmentCounts::default();
        adjustments.iter().filter(|one| one.counts_on(date)).for_each(|one| counts.add(&one.code, 1));
        counts
    }

    pub(crate) fn add(&mut self, code: &str, count: i64) {
        *self.0.entry(code.to_owned()).or_default() += count;
    }

    pub(crate) fn of(&self, code: &str) -> i64 {
        self.0.get(code).copied().unwrap_or_default()
    }
}
