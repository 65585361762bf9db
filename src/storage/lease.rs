//! Runs under way: the lease of the process that computes one, and how it ends.
//!
//! Claiming a run raises its fencing number; renewal and publication ask for that number, so a process that lost
//! the run changes nothing. Leases go by the database's clock, which all processes share.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::run::{COLUMNS, RunRow};
use super::stripe::Striping;
use super::{StoreError, announcement, freshness};

/// How long a process may be silent before another takes its run over.
pub const LEASE_SECONDS: f64 = 30.0;

/// Takes the oldest run that waits (before it those that the slot owes for its day, and that of the newest date), or whose process fell silent, under a new fencing number. `only` narrows the choice
/// to one run. Leases go by the database's clock, which all processes share.
pub async fn claim(
    connection: &mut PgConnection,
    only: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Option<RunRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update run set state = 'running', fence = fence + 1, started_at = $1, subjects_done = 0,
             lease_until = clock_timestamp() + make_interval(secs => $2)
         where run_id = (
             select run_id from run
             where (state = 'queued' or (state = 'running' and lease_until < clock_timestamp()))
               and ($3::bigint is null or run_id = $3)
             order by trigger not in ('scheduled', 'catch_up'),
                      date <> (select max(date) from run where state in ('queued', 'running')), run_id limit 1 for update skip locked)
         returning {COLUMNS}"
    )))
    .bind(now)
    .bind(LEASE_SECONDS)
    .bind(only)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Renews the lease and shows progress. `false` when another process has the run now.
pub async fn renew(connection: &mut PgConnection, run: &RunRow, total: i64, done: i64) -> Result<bool, StoreError> {
    let renewed = sqlx::query(
        "update run set subjects_total = $3, subjects_done = $4,
             lease_until = clock_timestamp() + make_interval(secs => $5)
         where run_id = $1 and fence = $2 and state = 'running'",
    )
    .bind(run.run_id)
    .bind(run.fence)
    .bind(total)
    .bind(done)
    .bind(LEASE_SECONDS)
    .execute(connection)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Lets this transaction commit before it is on disk (PostgreSQL's asynchronous commit): what it writes is seen by nobody before [`publish`], whose own end waits for
/// everything before it.
pub async fn commit_asynchronously(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("set local synchronous_commit = off").execute(connection).await?;
    Ok(())
}

/// What a run knew and used.
#[derive(Clone, Debug)]
pub struct RunKnowledge {
    pub zone: Tz,
    pub heads: Vec<i64>,
    pub rule_sets: Vec<i16>,
    /// How many of the last rule sets are bridges.
    pub bridges: i16,
}

/// Makes a run's results visible, in one row, under the next revision of its date. `None` when another process has the
/// run now.
pub async fn publish(
    connection: &mut PgConnection,
    run: &RunRow,
    knowledge: &RunKnowledge,
    late: bool,
    now: DateTime<Utc>,
) -> Result<Option<RunRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update run set state = 'published', published_at = $3, finished_at = $3, lease_until = null, error = null,
             heads = $4, rule_sets = $5, late = $6, bridges = $7, striping = $8, time_zone = $9,
             subjects_done = subjects_total,
             revision = (select coalesce(max(other.revision), 0) + 1 from run as other where other.date = run.date)
         where run_id = $1 and fence = $2 and state = 'running' returning {COLUMNS}"
    )))
    .bind(run.run_id)
    .bind(run.fence)
    .bind(now)
    .bind(&knowledge.heads)
    .bind(&knowledge.rule_sets)
    .bind(late)
    .bind(knowledge.bridges)
    .bind(Striping::NOW.code())
    .bind(knowledge.zone.name())
    .fetch_optional(&mut *transaction)
    .await?;
    if let Some(row) = &row {
        freshness::note_publication(&mut transaction).await?;
        announcement::published(&mut transaction, row, now).await?;
    }
    transaction.commit().await?;
    Ok(row)
}

/// Ends a run without results, saying why.
pub async fn fail(
    connection: &mut PgConnection,
    run: &RunRow,
    error: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let failed = sqlx::query(
        "update run set state = 'failed', error = $3, finished_at = $4, lease_until = null
         where run_id = $1 and fence = $2 and state = 'running'",
    )
    .bind(run.run_id)
    .bind(run.fence)
    .bind(error)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    if failed.rows_affected() > 0 {
        announcement::failed(&mut transaction, run, now).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Renews the lease without touching the progress. `false` when another process has the run now.
pub async fn extend(connection: &mut PgConnection, run: &RunRow) -> Result<bool, StoreError> {
    let renewed = sqlx::query(
        "update run set lease_until = clock_timestamp() + make_interval(secs => $3)
         where run_id = $1 and fence = $2 and state = 'running'",
    )
    .bind(run.run_id)
    .bind(run.fence)
    .bind(LEASE_SECONDS)
    .execute(connection)
    .await?;
    Ok(renewed.rows_affected() == 1)
}
