//! Rows of `announcement`: what happened to runs, written in the transaction that makes it so.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use super::fleet::RunVersion;
use super::run::RunRow;
use super::score::{SHORT_CARD, ShortCard};
use crate::domain::subject::Subject;
use crate::domain::webhook::HookEvent;

#[derive(Clone, Debug, FromRow)]
pub(crate) struct AnnouncementRow {
    pub announcement_id: i64,
    #[sqlx(try_from = "String")]
    pub event: HookEvent,
    pub date: NaiveDate,
    pub run_id: Option<i64>,
    /// The run whose cards were told before these.
    pub told_run_id: Option<i64>,
    pub has_cards: bool,
    pub announced_at: DateTime<Utc>,
    pub after_kind: i16,
    pub after_id: String,
}

const COLUMNS: &str =
    "announcement_id, event, date, run_id, told_run_id, has_cards, announced_at, after_kind, after_id";

/// Announces that a run is published. Its cards are told if no later date is published; they are told beside those of the
/// revision before, or else of the date before.
pub(crate) async fn published(
    connection: &mut PgConnection,
    run: &RunRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into announcement (event, date, run_id, told_run_id, has_cards, announced_at)
         select $1, $2, $3,
                (select run_id from run where state = 'published' and date <= $2 and run_id <> $3
                 order by date desc, revision desc limit 1),
                not exists (select from run where state = 'published' and date > $2), $4",
    )
    .bind(HookEvent::RunPublished.as_str())
    .bind(run.date)
    .bind(run.run_id)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Announces that a run failed.
pub(crate) async fn failed(connection: &mut PgConnection, run: &RunRow, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("insert into announcement (event, date, run_id, announced_at) values ($1, $2, $3, $4)")
        .bind(HookEvent::RunFailed.as_str())
        .bind(run.date)
        .bind(run.run_id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Announces, once, that the slot of a date ended without its run.
pub(crate) async fn late(connection: &mut PgConnection, date: NaiveDate, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query(
        "insert into announcement (event, date, announced_at) select $1, $2, $3
         where not exists (select from announcement where event = $1 and date = $2) on conflict do nothing",
    )
    .bind(HookEvent::RunLate.as_str())
    .bind(date)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The oldest announcement that is not told to everybody, held until the transaction ends. One after another: what is told
/// of a subject keeps its order. `None` too where another process has it.
pub(crate) async fn hold_oldest(connection: &mut PgConnection) -> Result<Option<AnnouncementRow>, StoreError> {
    let sql = format!(
        "select {COLUMNS} from announcement
         where announcement_id = (select min(announcement_id) from announcement where finished_at is null)
           and finished_at is null
         for update skip locked"
    );
    Ok(sqlx::query_as(AssertSqlSafe(sql)).fetch_optional(connection).await?)
}

/// Notes how far an announcement is told; without a subject it is told to everybody.
pub(crate) async fn progress(
    connection: &mut PgConnection,
    announcement_id: i64,
    after: Option<&Subject>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update announcement set after_kind = coalesce($2, after_kind), after_id = coalesce($3, after_id),
             finished_at = case when $2::smallint is null then $4 end
         where announcement_id = $1",
    )
    .bind(announcement_id)
    .bind(after.map(|subject| subject.kind.code()))
    .bind(after.map(|subject| subject.id.as_str()))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn of_ids(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<AnnouncementRow>, StoreError> {
    let sql = format!("select {COLUMNS} from announcement where announcement_id = any($1)");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(ids).fetch_all(connection).await?)
}

/// The short cards of a run after one subject, by id.
pub(crate) async fn cards_after(
    connection: &mut PgConnection,
    of: RunVersion,
    after: &str,
    limit: i64,
) -> Result<Vec<ShortCard>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {SHORT_CARD} from score
         where run_id = $1 and rule_set = $2 and subject_id > $3 collate \"C\" order by subject_id limit $4"
    )))
    .bind(of.run_id)
    .bind(of.version)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The short cards of some subjects in a run.
pub(crate) async fn cards_of(
    connection: &mut PgConnection,
    of: RunVersion,
    ids: &[&str],
) -> Result<Vec<ShortCard>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {SHORT_CARD} from score
         where run_id = $1 and rule_set = $2 and subject_id = any($3 collate \"C\")"
    )))
    .bind(of.run_id)
    .bind(of.version)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Removes announcements that were told before a moment, and of which nothing is kept any more.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("delete from announcement where finished_at < $1").bind(before).execute(connection).await?;
    Ok(())
}
