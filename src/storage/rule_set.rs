//! Rows of `rule_set_version`: the text of every rule set that a run used, so that old revisions are explained by their
//! own rules.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::run::{RunRow, used_rule_sets};
use super::{StoreError, bi};
use crate::domain::rules::{RuleSet, file};

/// A rule set that a run uses, with the number of its stored text.
#[derive(Clone, Debug)]
pub struct UsedRuleSet {
    pub version: i16,
    pub rule_set: Arc<RuleSet>,
}

/// The rule set versions that published runs used, read from the database once and kept.
#[derive(Clone, Default)]
pub struct Archive {
    versions: Arc<RwLock<HashMap<i16, Arc<RuleSet>>>>,
}

impl Archive {
    /// The rule sets that were in force in a run.
    pub async fn of_run(&self, connection: &mut PgConnection, row: &RunRow) -> Result<Vec<UsedRuleSet>, StoreError> {
        let mut all = self.all_of_run(connection, row).await?;
        all.truncate(all.len().saturating_sub(usize::try_from(row.bridges).unwrap_or_default()));
        Ok(all)
    }

    /// All rule sets that a run has cards of, bridges too, in the order of its cards.
    pub async fn all_of_run(
        &self,
        connection: &mut PgConnection,
        row: &RunRow,
    ) -> Result<Vec<UsedRuleSet>, StoreError> {
        self.numbered(connection, row.rule_sets.clone().unwrap_or_default()).await
    }

    /// All rule sets that were in force in a published run, oldest first.
    pub async fn used(&self, connection: &mut PgConnection) -> Result<Vec<UsedRuleSet>, StoreError> {
        let mut numbers = used_rule_sets(connection).await?;
        numbers.sort_unstable();
        self.numbered(connection, numbers).await
    }

    async fn numbered(&self, connection: &mut PgConnection, wanted: Vec<i16>) -> Result<Vec<UsedRuleSet>, StoreError> {
        let missing: Vec<i16> = wanted.iter().copied().filter(|version| self.known(*version).is_none()).collect();
        if !missing.is_empty() {
            for (version, source) in sources(connection, &missing).await? {
                let rule_set = file::parse_stored(&source)
                    .map_err(|_| StoreError::Corrupt(format!("rule set version {version} cannot be read any more")))?;
                if let Ok(mut versions) = self.versions.write() {
                    versions.insert(version, Arc::new(rule_set));
                }
            }
        }
        let found = |version| Some(UsedRuleSet { version, rule_set: self.known(version)? });
        wanted
            .into_iter()
            .map(|version| found(version).ok_or_else(|| StoreError::Corrupt(format!("no rule set version {version}"))))
            .collect()
    }

    fn known(&self, version: i16) -> Option<Arc<RuleSet>> {
        self.versions.read().ok()?.get(&version).cloned()
    }
}

/// The number of a rule set's text, stored when it is used for the first time.
pub async fn version(connection: &mut PgConnection, rule_set: &RuleSet, now: DateTime<Utc>) -> Result<i16, StoreError> {
    let known = sqlx::query_scalar("select version_no from rule_set_version where hash = $1").bind(&rule_set.hash);
    if let Some(version) = known.fetch_optional(&mut *connection).await? {
        return Ok(version);
    }
    let version = sqlx::query_scalar(
        "insert into rule_set_version (rule_set_id, hash, source, first_used_at) values ($1, $2, $3, $4)
         on conflict (hash) do update set hash = excluded.hash returning version_no",
    )
    .bind(&rule_set.id)
    .bind(&rule_set.hash)
    .bind(&rule_set.source)
    .bind(now)
    .fetch_one(&mut *connection)
    .await?;
    bi::learn(connection, version, rule_set).await?;
    Ok(version)
}

/// All versions that runs used, with their texts.
pub(crate) async fn all_sources(connection: &mut PgConnection) -> Result<Vec<(i16, String)>, StoreError> {
    Ok(sqlx::query_as("select version_no, source from rule_set_version").fetch_all(connection).await?)
}

/// The texts of rule set versions, by number.
pub async fn sources(connection: &mut PgConnection, versions: &[i16]) -> Result<Vec<(i16, String)>, StoreError> {
    let rows = sqlx::query_as("select version_no, source from rule_set_version where version_no = any($1)")
        .bind(versions)
        .fetch_all(connection)
        .await?;
    Ok(rows)
}
