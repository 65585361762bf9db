//! Why a score moved between two published revisions.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::published::{Missing, Published, ReadError, Wanted, answering};
use super::source::Source;
use crate::domain::changes::{Changes, changes, changes_of_rules};
use crate::domain::subject::Subject;
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::RunRow;
use crate::storage::{StoreError, peer_group, run};

/// Two published cards of a subject, and what lies between them.
pub struct ScoreChanges {
    pub old: Published,
    pub new: Published,
    /// `None` unless both have a score.
    pub changes: Option<Changes>,
}

/// Since when a change is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// Default: the newest published date before, or the same date where a revision is named.
    pub date: Option<NaiveDate>,
    /// Default: the newest revision; of the same date, the one before.
    pub revision: Option<i32>,
}

impl Source {
    /// What moved the wanted score since an earlier published one.
    pub async fn changes(&self, wanted: &Wanted, since: Since) -> Result<ScoreChanges, ReadError> {
        let mut connection = self.connection().await?;
        let new = self.find(&mut connection, wanted).await?;
        let earlier = self.earlier_run(&mut connection, &new.run, since).await?;
        let old = self.find_in(&mut connection, earlier, &wanted.subject, wanted.rule_set.as_deref()).await?;
        let changes = self.between(&mut connection, &old, &new, wanted).await?;
        Ok(ScoreChanges { old, new, changes })
    }

    /// The published run that a change is told from.
    pub(super) async fn earlier_run(
        &self,
        connection: &mut PgConnection,
        new: &RunRow,
        since: Since,
    ) -> Result<RunRow, ReadError> {
        let date = match since.date {
            Some(date) => date,
            None if since.revision.is_some() => new.date,
            None => run::published_before(connection, new.date).await?.ok_or(Missing::EarlierRun)?,
        };
        let revision = match since.revision {
            None if date == new.date => new.revision.map(|revision| revision - 1),
            named => named,
        };
        let is_before = date < new.date || date == new.date && revision < new.revision;
        match revision {
            Some(0) => Err(Missing::EarlierRun.into()),
            _ if is_before => self.run(connection, Some(date), revision).await,
            _ => {
                let detail = "from and from_revision must name a published score before the one that is explained";
                Err(ReadError::Parameter("from", detail.into()))
            }
        }
    }

    /// The change between two cards. Where the rules changed in between, it is told in steps: under the old rules up to the
    /// first run with the new ones, what these changed there, and so on.
    async fn between(
        &self,
        connection: &mut PgConnection,
        old: &Published,
        new: &Published,
        wanted: &Wanted,
    ) -> Result<Option<Changes>, ReadError> {
        let mut told: Option<Changes> = None;
        let mut reached = old.clone();
        while reached.version != new.version {
            let Some((bridge, next)) = self.change_of_rules(connection, &reached, new, wanted).await? else { break };
            let Some(facts) = direct(connection, &reached, &bridge).await? else { break };
            let Some(rules) = changes_of_rules(&bridge.scored, &next.scored) else { break };
            let step = facts.then(rules);
            told = Some(match told {
                Some(before) => before.then(step),
                None => step,
            });
            reached = next;
        }
        if told.is_some() && reached.run.run_id == new.run.run_id && reached.version == new.version {
            return Ok(told);
        }
        let rest = direct(connection, &reached, new).await?;
        Ok(rest.map(|rest| match told {
            Some(told) => told.then(rest),
            None => rest,
        }))
    }

    /// The first run after a card, up to `new`, in which other rules answered: the subject's card there under the card's own
    /// rules, and under the new ones. `None` where the run has no such cards.
    async fn change_of_rules(
        &self,
        connection: &mut PgConnection,
        reached: &Published,
        new: &Published,
        wanted: &Wanted,
    ) -> Result<Option<(Published, Published)>, ReadError> {
        let mut runs = run::published_between(connection, Some(reached.run.date), new.run.date).await?;
        runs.retain(|run| reached.run.date < run.date && run.date < new.run.date);
        runs.push(new.run.clone());
        for run in runs {
            let of_run = self.context.archive.of_run(connection, &run).await?;
            let answers = answering(&of_run, run.date, wanted.subject.kind, wanted.rule_set.as_deref());
            let Some(answers) = answers.filter(|used| used.version != reached.version) else { continue };
            let all = self.context.archive.all_of_run(connection, &run).await?;
            let Some(own) = all.into_iter().find(|used| used.version == reached.version) else { return Ok(None) };
            let bridge = self.card_under(connection, &run, &wanted.subject, own).await?;
            let next = self.card_under(connection, &run, &wanted.subject, answers.clone()).await?;
            return Ok(bridge.zip(next));
        }
        Ok(None)
    }

    async fn card_under(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
        subject: &Subject,
        used: UsedRuleSet,
    ) -> Result<Option<Published>, ReadError> {
        match self.find_under(connection, run.clone(), subject, used).await {
            Ok(published) => Ok(Some(published)),
            Err(ReadError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The change between two cards, told at once.
async fn direct(
    connection: &mut PgConnection,
    old: &Published,
    new: &Published,
) -> Result<Option<Changes>, StoreError> {
    let (rule_set, category_id) = (&old.scored.rule_set, old.scored.card.category_id.as_ref());
    let peers = peer_group::around(connection, old.run.run_id, old.version, rule_set, category_id).await?;
    Ok(changes(&old.scored, &new.scored, &peers))
}
