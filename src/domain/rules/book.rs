//! The rule sets that runs compute, and which of them answers on a date.

use std::sync::Arc;

use chrono::NaiveDate;

use super::RuleSet;
use crate::domain::subject::SubjectKind;

/// Of rule sets of one kind, in their order, the one that answers on a date: of the defaults in force the one that began last.
/// Where two began together, the later in order: rule sets of a directory come after the built-in ones.
pub fn default_of<T>(
    rule_sets: impl Iterator<Item = T>,
    rule_set: impl Fn(&T) -> &RuleSet,
    date: NaiveDate,
) -> Option<T> {
    let in_force = rule_sets.filter(|one| {
        let rule_set = rule_set(one);
        rule_set.is_default && rule_set.effective.has(date)
    });
    in_force.max_by_key(|one| rule_set(one).effective.from)
}

/// The rule sets that runs compute.
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

    /// The rule set that answers queries of a kind and date which name none.
    pub fn default_for(&self, kind: SubjectKind, date: NaiveDate) -> Option<&Arc<RuleSet>> {
        default_of(self.of_kind(kind), |rule_set| rule_set, date)
    }

    /// The codes of adjustments that some rule set has, of whatever kind; not sorted.
    pub(crate) fn adjustment_codes(&self) -> impl Iterator<Item = &str> {
        self.rule_sets.iter().flat_map(|rule_set| &rule_set.adjustments).map(|rule| rule.code.as_str())
    }

    pub fn of_kind(&self, kind: SubjectKind) -> impl Iterator<Item = &Arc<RuleSet>> {
        self.rule_sets.iter().filter(move |rule_set| rule_set.kind == kind)
    }
}
