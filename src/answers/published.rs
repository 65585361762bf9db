//! Finding a published card: the run that answers for a date and a revision, and what a subject has in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::source::Source;
use crate::domain::metric::Metric;
use crate::domain::rules::default_of;
use crate::domain::score::Scored;
use crate::domain::subject::{Subject, SubjectKind};
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
    /// The id of a rule set; default: the one that was the default of its kind when the run was published.
    pub rule_set: Option<String>,
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
    Parameter(&'static str, Cow<'static, str>),
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
    /// No rule set is the default of a kind on a date, so the query must name one.
    Default(SubjectKind, NaiveDate),
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

    /// The same for a query that may name a rule set: without a run, an unknown one is still told.
    pub(super) async fn answering_run(
        &self,
        connection: &mut PgConnection,
        (kind, rule_set): (SubjectKind, Option<&str>),
        date: Option<NaiveDate>,
        revision: Option<i32>,
    ) -> Result<RunRow, ReadError> {
        let run = self.run(connection, date, revision).await;
        if let (Err(ReadError::Missing(_)), Some(id)) = (&run, rule_set) {
            self.check_rule_set(connection, kind, id).await?;
        }
        run
    }

    /// The run in which a list was begun: all its pages are of one revision, whatever is published meanwhile.
    pub(super) async fn begun_run(&self, connection: &mut PgConnection, run_id: i64) -> Result<RunRow, ReadError> {
        let run = run::get(connection, run_id).await?.filter(|run| run.published_at.is_some());
        Ok(run.ok_or(Missing::CursorRun)?)
    }

    /// The published card that is wanted.
    pub async fn find(&self, connection: &mut PgConnection, wanted: &Wanted) -> Result<Published, ReadError> {
        let of = (wanted.subject.kind, wanted.rule_set.as_deref());
        let run = match self.answering_run(connection, of, wanted.date, wanted.revision).await {
            Ok(run) => run,
            // An unknown subject is told apart from one without a score.
            Err(error) => return Err(known(connection, &wanted.subject).await.err().unwrap_or(error)),
        };
        self.find_in(connection, run, &wanted.subject, wanted.rule_set.as_deref()).await
    }

    /// The card of a subject in a published run, under the rule set of an id (default: the run's).
    pub async fn find_in(
        &self,
        connection: &mut PgConnection,
        run: RunRow,
        subject: &Subject,
        rule_set: Option<&str>,
    ) -> Result<Published, ReadError> {
        let used = self.used_rule_set(connection, &run, subject.kind, rule_set).await?;
        self.find_under(connection, run, subject, used).await
    }

    /// The card of a subject in a published run under one of its rule sets, a bridge perhaps.
    pub(super) async fn find_under(
        &self,
        connection: &mut PgConnection,
        run: RunRow,
        subject: &Subject,
        UsedRuleSet { version, rule_set }: UsedRuleSet,
    ) -> Result<Published, ReadError> {
        let of_run = self.context.archive.all_of_run(connection, &run).await?;
        let of_kind: Vec<UsedRuleSet> = of_run.into_iter().filter(|used| used.rule_set.kind == subject.kind).collect();
        let Some(cards) = score::cards(connection, run.run_id, subject, &of_kind).await? else {
            // Only where there is no card is it asked whether there is a subject.
            known(connection, subject).await?;
            let short = score::short_cards(connection, &[(run.run_id, version)], &subject.id).await?;
            return Err(if short.is_empty() { Missing::Card } else { Missing::FullCard }.into());
        };
        let found = cards.into_iter().zip(of_kind).find(|(_, used)| used.version == version);
        let (card, _) = found.ok_or(Missing::RuleSet)?;
        Ok(Published { subject: subject.clone(), run, version, scored: Scored { rule_set, card } })
    }

    /// The rule set of an id in the version that a run used; default: what was the default of the kind in that run.
    pub async fn used_rule_set(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
        kind: SubjectKind,
        rule_set: Option<&str>,
    ) -> Result<UsedRuleSet, ReadError> {
        let of_run = self.context.archive.of_run(connection, run).await?;
        if let Some(used) = answering(&of_run, run.date, kind, rule_set) {
            return Ok(used.clone());
        }
        match rule_set {
            Some(id) => {
                self.check_rule_set(connection, kind, id).await?;
                Err(Missing::RuleSet.into())
            }
            None => Err(Missing::Default(kind, run.date).into()),
        }
    }

    /// Fails where a rule set of an id is neither in force nor was in force in any published run.
    pub(super) async fn check_rule_set(
        &self,
        connection: &mut PgConnection,
        kind: SubjectKind,
        id: &str,
    ) -> Result<(), ReadError> {
        let used = self.context.archive.used(connection).await?;
        let of_runs = used.iter().map(|used| &used.rule_set).filter(|rule_set| rule_set.kind == kind);
        let known: BTreeSet<&str> =
            self.context.rules.of_kind(kind).chain(of_runs).map(|rule_set| rule_set.id.as_str()).collect();
        if known.contains(id) {
            return Ok(());
        }
        let known: Vec<&str> = known.into_iter().collect();
        Err(ReadError::Parameter("rule_set", format!("rule_set must be one of {}", known.join(", ")).into()))
    }
}

/// The rule set of a run that answers: the one that is asked for by its id, else the run's default for a kind, by the texts that
/// it was computed with and its date.
pub(super) fn answering<'a>(
    of_run: &'a [UsedRuleSet],
    date: NaiveDate,
    kind: SubjectKind,
    rule_set: Option<&str>,
) -> Option<&'a UsedRuleSet> {
    let of_kind = || of_run.iter().filter(|used| used.rule_set.kind == kind);
    match rule_set {
        Some(id) => of_kind().find(|used| used.rule_set.id == id),
        None => default_of(of_kind(), |used| &used.rule_set, date),
    }
}

/// The registry's row of a subject.
pub(crate) async fn known(connection: &mut PgConnection, subject: &Subject) -> Result<SubjectRow, ReadError> {
    Ok(registry::get(connection, subject).await?.ok_or_else(|| Missing::Subject(subject.clone()))?)
}
