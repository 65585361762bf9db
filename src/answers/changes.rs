//! Why a score moved between two published dates.

use chrono::NaiveDate;

use super::published::{Missing, Published, ReadError, Wanted};
use super::source::Source;
use crate::domain::changes::{Changes, changes};
use crate::storage::{peer_group, run};

/// Two published cards of a subject, and what lies between them.
pub struct ScoreChanges {
    pub old: Published,
    pub new: Published,
    /// `None` unless both have a score.
    pub changes: Option<Changes>,
}

impl Source {
    /// What moved the wanted score since `from`, an earlier published date (default: the newest one before).
    pub async fn changes(&self, wanted: &Wanted, from: Option<NaiveDate>) -> Result<ScoreChanges, ReadError> {
        let mut connection = self.connection().await?;
        let new = self.find(&mut connection, wanted).await?;
        let from = match from {
            Some(from) if from >= new.run.date => {
                return Err(ReadError::Parameter("from", "from must be before the newest published date"));
            }
            Some(from) => from,
            None => run::published_before(&mut connection, new.run.date).await?.ok_or(Missing::EarlierRun)?,
        };
        let run = self.run(&mut connection, Some(from), None).await?;
        let old = self.find_in(&mut connection, run, &wanted.subject, &wanted.rule_set).await?;
        let (rule_set, category_id) = (&old.scored.rule_set, old.scored.card.category_id.as_ref());
        let peers = peer_group::around(&mut connection, old.run.run_id, old.version, rule_set, category_id).await?;
        let changes = changes(&old.scored, &new.scored, &peers);
        Ok(ScoreChanges { old, new, changes })
    }
}
