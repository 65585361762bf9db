//! Rows of `run`: requests, the lease of the process that computes one, publication.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection};

use super::StoreError;
use super::audit::{self, Change};
use super::stripe::{Heads, Striping};
use crate::domain::audit::{Action, Actor};
use crate::domain::calendar::Calendar;
use crate::domain::run::{RunRequest, RunState, Trigger};

#[derive(Clone, Debug, FromRow)]
pub struct RunRow {
    pub run_id: i64,
    pub date: NaiveDate,
    pub revision: Option<i32>,
    #[sqlx(try_from = "String")]
    pub trigger: Trigger,
    #[sqlx(try_from = "String")]
    pub state: RunState,
    pub late: bool,
    pub reason: Option<String>,
    /// The key with which it was asked for.
    pub key_id: Option<i32>,
    pub fence: i64,
    pub subjects_total: i64,
    pub subjects_done: i64,
    pub requested_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
    /// The rule sets in force, then the bridges: those of an earlier run that were no longer in force.
    pub rule_sets: Option<Vec<i16>>,
    pub bridges: i16,
}

pub(super) const COLUMNS: &str =
    "run_id, date, revision, trigger, state, late, reason, key_id, fence, subjects_total, subjects_done,
    requested_at, started_at, finished_at, published_at, error, rule_sets, bridges";

/// What became of a request for a run.
#[derive(Clone, Debug)]
pub enum Requested {
    Queued(Box<RunRow>),
    /// A run of that date is under way already: its id.
    UnderWay(i64),
}

impl Requested {
    /// The run that was queued, if one was.
    pub fn queued(self) -> Option<RunRow> {
        match self {
            Requested::Queued(row) => Some(*row),
            Requested::UnderWay(_) => None,
        }
    }
}

/// Queues a run.
pub async fn request(
    connection: &mut PgConnection,
    request: &RunRequest,
    now: DateTime<Utc>,
) -> Result<Requested, StoreError> {
    // The run under way may end between the two statements; then the next turn of the loop queues this one.
    loop {
        let queued = sqlx::query_as(AssertSqlSafe(format!(
            "insert into run (date, trigger, state, reason, requested_at, key_id)
             values ($1, $2, 'queued', $3, $4, $5)
             on conflict (date) where state in ('queued', 'running') do nothing returning {COLUMNS}"
        )))
        .bind(request.date)
        .bind(request.trigger.as_str())
        .bind(&request.reason)
        .bind(now)
        .bind(request.key_id)
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(row) = queued {
            return Ok(Requested::Queued(Box::new(row)));
        }
        let under_way = sqlx::query_scalar("select run_id from run where date = $1 and state in ('queued', 'running')")
            .bind(request.date)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(run_id) = under_way {
            return Ok(Requested::UnderWay(run_id));
        }
    }
}

/// Queues runs that somebody asks for: all of them, or none where that fails.
pub async fn request_all(
    connection: &mut PgConnection,
    requests: &[RunRequest],
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Vec<Requested>, StoreError> {
    let mut transaction = connection.begin().await?;
    let mut requested = Vec::with_capacity(requests.len());
    for one in requests {
        requested.push(request(&mut transaction, one, now).await?);
    }
    let queued = requested.iter().filter_map(|one| match one {
        Requested::Queued(row) => Some(Change {
            action: Action::RunRequested,
            subject: None,
            target: Some(row.run_id.to_string()),
            before: None,
            after: Some(json!({ "date": row.date, "reason": row.reason })),
        }),
        Requested::UnderWay(_) => None,
    });
    audit::note(&mut transaction, actor, now, &queued.collect::<Vec<_>>()).await?;
    transaction.commit().await?;
    Ok(requested)
}

pub async fn get(connection: &mut PgConnection, run_id: i64) -> Result<Option<RunRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!("select {COLUMNS} from run where run_id = $1")))
        .bind(run_id)
        .fetch_optional(connection)
        .await?;
    Ok(row)
}

#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub date: Option<NaiveDate>,
    pub state: Option<RunState>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i64>,
    pub limit: i64,
}

pub async fn list(connection: &mut PgConnection, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from run
         where ($1::date is null or date = $1) and ($2::text is null or state = $2)
           and ($3::bigint is null or run_id < $3)
         order by run_id desc limit $4"
    )))
    .bind(filter.date)
    .bind(filter.state.map(RunState::as_str))
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The published run that answers for a date (default: the newest published) and a revision (default: the newest).
pub async fn published(
    connection: &mut PgConnection,
    date: Option<NaiveDate>,
    revision: Option<i32>,
) -> Result<Option<RunRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from run
         where state = 'published' and ($2::integer is null or revision = $2)
           and date = coalesce($1, (select max(date) from run where state = 'published'))
         order by revision desc limit 1"
    )))
    .bind(date)
    .bind(revision)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// The newest published revision of every date in a span, by date. Without `from` the span begins with the first date.
pub async fn published_between(
    connection: &mut PgConnection,
    from: Option<NaiveDate>,
    to: NaiveDate,
) -> Result<Vec<RunRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select distinct on (date) {COLUMNS} from run
         where state = 'published' and ($1::date is null or date >= $1) and date <= $2 order by date, revision desc"
    )))
    .bind(from)
    .bind(to)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The first and the newest date that were ever published.
pub async fn published_dates(connection: &mut PgConnection) -> Result<Option<(NaiveDate, NaiveDate)>, StoreError> {
    let row: (Option<NaiveDate>, Option<NaiveDate>) =
        sqlx::query_as("select min(date), max(date) from run where state = 'published'").fetch_one(connection).await?;
    Ok(row.0.zip(row.1))
}

/// The newest published run of every rule set that published runs used, by rule set.
pub async fn newest_by_rule_set(connection: &mut PgConnection) -> Result<Vec<(String, RunRow)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select version.rule_set_id, (array_agg(run.run_id order by run.date desc, run.revision desc))[1]
         from run join rule_set_version as version
           on version.version_no = any(run.rule_sets[:cardinality(run.rule_sets) - run.bridges])
         where run.state = 'published'
         group by version.rule_set_id order by version.rule_set_id",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut newest = Vec::with_capacity(rows.len());
    for (rule_set, run_id) in rows {
        newest.extend(get(connection, run_id).await?.map(|row| (rule_set, row)));
    }
    Ok(newest)
}

/// What a published run knew: of which days, and up to which numbers.
#[derive(Clone, Debug)]
pub struct Knowledge {
    pub calendar: Calendar,
    pub heads: Heads,
}

/// What a published run knew.
pub async fn knowledge(connection: &mut PgConnection, run_id: i64) -> Result<Knowledge, StoreError> {
    // A run that was under way during the upgrade left none.
    let published = "select heads, striping, coalesce(time_zone, (select time_zone from counting))
                     from run where run_id = $1 and state = 'published'";
    let (numbers, striping, zone): (Vec<i64>, i16, String) =
        sqlx::query_as(published).bind(run_id).fetch_one(connection).await?;
    let unreadable = |what: String| StoreError::Corrupt(format!("{what} of run {run_id}"));
    let zone: Tz = zone.parse().map_err(|_| unreadable(format!("time zone {zone}")))?;
    let striping = Striping::from_code(striping).ok_or_else(|| unreadable(format!("striping {striping}")))?;
    Ok(Knowledge { calendar: Calendar::new(zone), heads: Heads { striping, numbers } })
}

/// The numbers of all rule sets that were in force in a published run.
pub async fn used_rule_sets(connection: &mut PgConnection) -> Result<Vec<i16>, StoreError> {
    let used = sqlx::query_scalar(
        "select distinct unnest(rule_sets[:cardinality(rule_sets) - bridges]) from run where state = 'published'",
    );
    Ok(used.fetch_all(connection).await?)
}

/// The newest published date before a date.
pub async fn published_before(connection: &mut PgConnection, date: NaiveDate) -> Result<Option<NaiveDate>, StoreError> {
    let before = sqlx::query_scalar("select max(date) from run where state = 'published' and date < $1");
    Ok(before.bind(date).fetch_one(connection).await?)
}
