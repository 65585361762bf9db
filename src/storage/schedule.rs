//! What the daily slot goes by: which dates are settled, and whose turn it is to decide.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::{StoreError, registry};

/// What the schedule goes by.
#[derive(Clone, Debug, Default)]
pub struct ScheduleFacts {
    /// The first date that was ever published.
    pub first_published: Option<NaiveDate>,
    /// Dates, of those asked about, that are published or under way.
    pub settled: Vec<NaiveDate>,
    /// When the first subject became known.
    pub first_subject_at: Option<DateTime<Utc>>,
    /// Failed attempts: date, trigger of the last one, how many, end of the last one.
    pub failures: Vec<(NaiveDate, String, i64, DateTime<Utc>)>,
}

/// Holds the schedule until the transaction ends: only one process at a time decides what is due, so that a date is
/// never run twice because two processes looked at the same moment.
pub async fn hold_schedule(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select from schedule for update").execute(connection).await?;
    Ok(())
}

/// The facts about the dates from `from` to `to`, which is today. A run of today that was asked for by hand before the
/// slot began at `slot_start` does not stand for the one of the slot, which knows more.
pub async fn schedule_facts(
    connection: &mut PgConnection,
    from: NaiveDate,
    to: NaiveDate,
    slot_start: DateTime<Utc>,
) -> Result<ScheduleFacts, StoreError> {
    let first_published = sqlx::query_scalar("select min(date) from run where state = 'published'");
    let settled = sqlx::query_scalar(
        "select distinct date from run
         where date between $1 and $2 and state <> 'failed'
           and (date < $2 or trigger <> 'manual' or state <> 'published' or published_at >= $3)",
    );
    let failures = sqlx::query_as(
        "select date, (array_agg(trigger order by run_id desc))[1], count(*), max(finished_at) from run
         where date between $1 and $2 and state = 'failed' and trigger <> 'manual' group by date",
    );
    Ok(ScheduleFacts {
        first_published: first_published.fetch_one(&mut *connection).await?,
        settled: settled.bind(from).bind(to).bind(slot_start).fetch_all(&mut *connection).await?,
        failures: failures.bind(from).bind(to).fetch_all(&mut *connection).await?,
        first_subject_at: registry::first_registered_at(connection).await?,
    })
}
