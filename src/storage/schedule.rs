//! What the daily slot goes by: which dates are published or under way, and whose turn it is to decide.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, PgConnection};

use super::{StoreError, registry};
use crate::domain::run::Trigger;

/// What the schedule goes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScheduleFacts {
    /// The first date that was ever published.
    pub first_published: Option<NaiveDate>,
    /// Dates, of those asked about, that are published. A run of today that was asked for by hand before the slot began
    /// does not stand for the one of the slot, which knows more.
    pub published: Vec<NaiveDate>,
    /// Dates, of those asked about, of which a run is queued or running.
    pub under_way: Vec<NaiveDate>,
    /// When the first subject became known.
    pub first_subject_at: Option<DateTime<Utc>>,
    /// The dates, of those asked about, of which attempts failed.
    pub failures: Vec<Failures>,
}

/// The failed attempts at the run of a date, but for those by hand.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Failures {
    pub date: NaiveDate,
    /// Of the last one.
    #[sqlx(try_from = "String")]
    pub trigger: Trigger,
    pub attempts: i64,
    /// When the last one ended.
    pub last_at: DateTime<Utc>,
}

/// Holds the schedule until the transaction ends: only one process at a time decides what is due, so that a date is
/// never run twice because two processes looked at the same moment.
pub(crate) async fn hold_schedule(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select from schedule for update").execute(connection).await?;
    Ok(())
}

/// The facts about the dates from `from` to `to`, which is today, whose slot begins at `slot_start`.
pub(crate) async fn schedule_facts(
    connection: &mut PgConnection,
    from: NaiveDate,
    to: NaiveDate,
    slot_start: DateTime<Utc>,
) -> Result<ScheduleFacts, StoreError> {
    let first_published = sqlx::query_scalar("select min(date) from run where state = 'published'");
    let published = sqlx::query_scalar(
        "select distinct date from run
         where date between $1 and $2 and state = 'published'
           and (date < $2 or trigger <> 'manual' or published_at >= $3)",
    );
    let under_way =
        sqlx::query_scalar("select date from run where date between $1 and $2 and state in ('queued', 'running')");
    let failures = sqlx::query_as(
        "select date, (array_agg(trigger order by run_id desc))[1] as trigger, count(*) as attempts,
                max(finished_at) as last_at
         from run
         where date between $1 and $2 and state = 'failed' and trigger <> 'manual' group by date",
    );
    Ok(ScheduleFacts {
        first_published: first_published.fetch_one(&mut *connection).await?,
        // Before the published dates: every statement sees its own moment, and a run that is published in between must
        // be seen by one of the two.
        under_way: under_way.bind(from).bind(to).fetch_all(&mut *connection).await?,
        published: published.bind(from).bind(to).bind(slot_start).fetch_all(&mut *connection).await?,
        failures: failures.bind(from).bind(to).fetch_all(&mut *connection).await?,
        first_subject_at: registry::first_registered_at(connection).await?,
    })
}
