//! Rule sets, those in force and those that published runs used.

use std::sync::Arc;

use super::published::ReadError;
use super::source::Source;
use crate::domain::rules::RuleSet;

/// A rule set that was found.
pub struct FoundRuleSet {
    pub rule_set: Arc<RuleSet>,
    pub in_force: bool,
}

impl Source {
    /// The rule set of an id in a version (default: the one in force, else the newest that a published run used).
    pub async fn rule_set(&self, id: &str, version: Option<&str>) -> Result<Option<FoundRuleSet>, ReadError> {
        let is_wanted =
            |rule_set: &RuleSet| rule_set.id == id && version.is_none_or(|version| rule_set.hash == version);
        if let Some(rule_set) = self.context.rules.rule_sets.iter().find(|rule_set| is_wanted(rule_set)) {
            return Ok(Some(FoundRuleSet { rule_set: Arc::clone(rule_set), in_force: true }));
        }
        let mut connection = self.connection().await?;
        let used = self.context.archive.used(&mut connection).await?;
        let found = used.into_iter().rfind(|used| is_wanted(&used.rule_set));
        Ok(found.map(|used| FoundRuleSet { rule_set: used.rule_set, in_force: false }))
    }
}
