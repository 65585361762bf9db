//! Finding a published card: the run that answers for a date and a revision, and what a subject has in it.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::source::Source;
use crate::domain::metric::Metric;
use crate::domain::score::Scored;
use crate::domain::subject::Subject;
use crate::storage::registry::{self, SubjectRow};
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::{self, RunRow};
use crate::storage::{StoreError, score};

/// Which published card is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub subject: Subject,
    /// Default: the newest published date.
    pub date: Option<NaiveDate>,
    /// Default: the newest revision of the date.
    pub revision: Option<i32>,
    /// The id of one of the rule sets in force for the subject's kind.
    pub rule_set: String,
}

/// A subject's card in a published run.
#[derive(Clone, Debug)]
pub struct Published {
    pub subject: Subject,
    pub run: RunRow,
    /// The number of the rule set's text.
    pub version: i16,
    pub scored: Scored,
}

impl Published {
    pub fn published_at(&self) -> DateTime<Utc> {
        self.run.published_at.unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0:?}")]
    Missing(Missing),
    /// A parameter cannot be what it is, as only the data could tell: its name, and what it must be.
    #[error("{0}: {1}")]
    Parameter(&'static str, &'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The subject is not registered, and no event names it.
    Subject(Subject),
    /// No run is published for the date and the revision.
    Run,
    /// The run in which a list was begun.
    CursorRun,
    /// No run is published at all.
    AnyRun,
    /// No run of an earlier date is published.
    EarlierRun,
    /// The run did not know the subject.
    Card,
    /// The full card is not kept any more.
    FullCard,
    /// The run did not use the rule set.
    RuleSet,
    /// The rule set, by its id, does not measure the metric.
    Metric(String, Metric),
}

impl From<Missing> for ReadError {
    fn from(missing: Missing) -> ReadError {
        ReadError::Missing(missing)
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> ReadError {
        ReadError::Store(error.into())
    }
}

impl Source {
    /// The published run that answers for a date (default: the newest) and a revision (default: the newest).
    pub async fn run(
        &self,
        connection: &mut PgConnection,
        date: Option<NaiveDate>,
        revision: Option<i32>,
    ) -> Result<RunRow, ReadError> {
        Ok(self.published(connection, date, revision).await?.ok_or(Missing::Run)?)
    }

    /// The run in which a list was begun: all its pages are of one revision, whatever is published meanwhile.
    pub(super) async fn begun_run(&self, connection: &mut PgConnection, run_id: i64) -> Result<RunRow, ReadError> {
        let run = run::get(connection, run_id).await?.filter(|run| run.published_at.is_some());
        Ok(run.ok_or(Missing::CursorRun)?)
    }

    /// The published card that is wanted.
    pub async fn find(&self, connection: &mut PgConnection, wanted: &Wanted) -> Result<Published, ReadError> {
        let run = match self.run(connection, wanted.date, wanted.revision).await {
            Ok(run) => run,
            // An unknown subject is told apart from one without a score.
            Err(error) => return Err(known(connection, &wanted.subject).await.err().unwrap_or(error)),
        };
        self.find_in(connection, run, &wanted.subject, &wanted.rule_set).await
    }

    /// The card of a subject in a published run, under the rule set of an id.
    pub async fn find_in(
        &self,
        connection: &mut PgConnection,
        run: RunRow,
        subject: &Subject,
        rule_set: &str,
    ) -> Result<Published, ReadError> {
        let of_run = self.context.archive.of_run(connection, &run).await?;
        let of_kind: Vec<UsedRuleSet> = of_run.into_iter().filter(|used| used.rule_set.kind == subject.kind).collect();
        let Some(cards) = score::cards(connection, run.run_id, subject, &of_kind).await? else {
            // Only where there is no card is it asked whether there is a subject.
            known(connection, subject).await?;
            let versions: Vec<i16> = of_kind.iter().map(|used| used.version).collect();
            let short = score::short_cards(connection, &[run.run_id], &versions, &subject.id).await?;
            return Err(if short.is_empty() { Missing::Card } else { Missing::FullCard }.into());
        };
        let found = cards.into_iter().zip(of_kind).find(|(_, used)| used.rule_set.id == rule_set);
        let (card, UsedRuleSet { version, rule_set }) = found.ok_or(Missing::RuleSet)?;
        Ok(Published { subject: subject.clone(), run, version, scored: Scored { rule_set, card } })
    }

    /// The rule set of an id in the version that a run used.
    pub async fn used_rule_set(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
        rule_set: &str,
    ) -> Result<UsedRuleSet, ReadError> {
        let of_run = self.context.archive.of_run(connection, run).await?;
        Ok(of_run.into_iter().find(|used| used.rule_set.id == rule_set).ok_or(Missing::RuleSet)?)
    }
}

/// The registry's row of a subject.
pub(crate) async fn known(connection: &mut PgConnection, subject: &Subject) -> Result<SubjectRow, ReadError> {
    Ok(registry::get(connection, subject).await?.ok_or_else(|| Missing::Subject(subject.clone()))?)
}
