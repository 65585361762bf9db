//! Rows of `preview`: draft rule sets on their way over the fleet.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use super::lease::LEASE_SECONDS;
use crate::domain::id::Id;
use crate::domain::preview::PreviewSummary;
use crate::domain::subject::SubjectKind;
use crate::domain::words::words;

words! {
    /// How far a preview is.
    pub(crate) enum PreviewState {
        Queued = "queued",
        Running = "running",
        Done = "done",
        Failed = "failed",
    }
}

#[derive(Clone, Debug, FromRow)]
pub(crate) struct PreviewRow {
    pub preview_id: i64,
    #[sqlx(try_from = "String")]
    pub state: PreviewState,
    pub date: NaiveDate,
    pub against: String,
    pub draft: String,
    pub requested_at: DateTime<Utc>,
    pub key_id: Option<i32>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub subjects_total: i64,
    pub subjects_done: i64,
    pub error: Option<String>,
    pub summary: Option<Json<PreviewSummary>>,
    pub fence: i64,
}

const COLUMNS: &str =
    "preview_id, state, date, against, draft, requested_at, key_id, started_at, finished_at, subjects_total,
    subjects_done, error, summary, fence";

/// A wish for a preview: both rule sets as text.
#[derive(Clone, Debug)]
pub(crate) struct NewPreview {
    pub date: NaiveDate,
    pub subject_kind: SubjectKind,
    pub against: String,
    pub draft: String,
}

/// Queues a preview.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewPreview,
    key_id: Option<i32>,
    now: DateTime<Utc>,
) -> Result<PreviewRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into preview (date, subject_kind, against, draft, key_id, requested_at)
         values ($1, $2, $3, $4, $5, $6) returning {COLUMNS}"
    )))
    .bind(new.date)
    .bind(new.subject_kind.code())
    .bind(&new.against)
    .bind(&new.draft)
    .bind(key_id)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

pub(crate) async fn get(connection: &mut PgConnection, preview_id: i64) -> Result<Option<PreviewRow>, StoreError> {
    let sql = format!("select {COLUMNS} from preview where preview_id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(preview_id).fetch_optional(connection).await?)
}

/// How many wait or are worked on.
pub(crate) async fn unfinished(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar("select count(*) from preview where state in ('queued', 'running')");
    Ok(count.fetch_one(connection).await?)
}

/// Takes the oldest preview that waits, or whose process fell silent. `None` where there is none, where another process works on
/// one, or while a run waits or computes: previews give way to runs. In a transaction.
pub(crate) async fn claim(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Option<PreviewRow>, StoreError> {
    // One process at a time looks.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('claim a preview', 0))")
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update preview set state = 'running', fence = fence + 1, started_at = $1, subjects_done = 0,
             lease_until = clock_timestamp() + make_interval(secs => $2)
         where preview_id = (
             select min(preview_id) from preview
             where state = 'queued' or (state = 'running' and lease_until < clock_timestamp()))
           and not exists (select from preview where state = 'running' and lease_until >= clock_timestamp())
           and not exists (select from run where state in ('queued', 'running'))
         returning {COLUMNS}"
    )))
    .bind(now)
    .bind(LEASE_SECONDS)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Whether a run waits or computes.
pub(crate) async fn is_run_under_way(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let under_way = sqlx::query_scalar("select exists (select from run where state in ('queued', 'running'))");
    Ok(under_way.fetch_one(connection).await?)
}

/// Renews the lease and shows progress. `false` when another process has the preview now.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    row: &PreviewRow,
    (total, done): (usize, usize),
) -> Result<bool, StoreError> {
    let renewed = sqlx::query(
        "update preview set subjects_total = $3, subjects_done = $4,
             lease_until = clock_timestamp() + make_interval(secs => $5)
         where preview_id = $1 and fence = $2 and state = 'running'",
    )
    .bind(row.preview_id)
    .bind(row.fence)
    .bind(total as i64)
    .bind(done as i64)
    .bind(LEASE_SECONDS)
    .execute(connection)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// How a preview ends, or waits again.
#[derive(Clone, Debug)]
pub(crate) enum Ended<'a> {
    Done(&'a PreviewSummary),
    Failed(&'a str),
    /// A run came between.
    Waits,
}

/// Ends the work on a preview. `false` when another process has it now.
pub(crate) async fn end(
    connection: &mut PgConnection,
    row: &PreviewRow,
    ended: Ended<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let (state, summary, error) = match ended {
        Ended::Done(summary) => (PreviewState::Done, Some(Json(summary)), None),
        Ended::Failed(error) => (PreviewState::Failed, None, Some(error)),
        Ended::Waits => (PreviewState::Queued, None, None),
    };
    let is_over = state != PreviewState::Queued;
    let done = sqlx::query(
        "update preview set state = $3, summary = $4, error = $5, finished_at = $6, lease_until = null,
             subjects_done = case when $3 = 'done' then subjects_total else 0 end
         where preview_id = $1 and fence = $2 and state = 'running'",
    )
    .bind(row.preview_id)
    .bind(row.fence)
    .bind(state.as_str())
    .bind(summary)
    .bind(error)
    .bind(is_over.then_some(now))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a shop that is erased out of all previews of shops. One that is worked on begins again: it may have read the shop.
pub(crate) async fn erase(connection: &mut PgConnection, shop_id: &Id) -> Result<(), StoreError> {
    sqlx::query(
        "update preview set state = 'queued', fence = fence + 1, lease_until = null, subjects_done = 0
         where state = 'running' and subject_kind = $1",
    )
    .bind(SubjectKind::Shop.code())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from preview_score using preview
         where preview.preview_id = preview_score.preview_id and preview.subject_kind = $1
           and preview_score.subject_id = $2 collate \"C\"",
    )
    .bind(SubjectKind::Shop.code())
    .bind(shop_id.as_str())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Previews that are kept, and for how many days.
const KEPT: i64 = 20;
const KEPT_DAYS: i32 = 7;

/// Removes what is not kept any more: of ended previews all but the newest, and those that are old.
pub(crate) async fn forget(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query(
        "delete from preview
         where state in ('done', 'failed')
           and (requested_at < $1 - make_interval(days => $2)
                or preview_id not in (select preview_id from preview order by preview_id desc limit $3))",
    )
    .bind(now)
    .bind(KEPT_DAYS)
    .bind(KEPT)
    .execute(connection)
    .await?;
    Ok(())
}
