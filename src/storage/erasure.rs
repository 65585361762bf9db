//! Rows of `erasure`, and what is erased of a shop besides its events and their counts.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection};

use super::audit::{self, Change};
use super::retention::Expired;
use super::stripe::stripe_of;
use super::{StoreError, api_key};
use crate::domain::audit::{Action, Actor};
use crate::domain::event::Aggregate;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// How long a process may be silent before another takes its work over.
const LEASE_SECONDS: f64 = 60.0;
/// How long what has to wait is left alone.
const RETRY_SECONDS: f64 = 2.0;

#[derive(Clone, Debug, FromRow)]
pub(crate) struct ErasureRow {
    pub erasure_id: i64,
    pub shop_id: String,
    pub requested_at: DateTime<Utc>,
    pub key_id: Option<i32>,
    /// Removed so far.
    pub events: i64,
    /// When its events and its registration were gone.
    pub emptied_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "erasure_id, shop_id, requested_at, key_id, events, emptied_at, finished_at";

/// Asks for a shop to be erased, unless that is under way, and revokes the keys of its senders, which are bound to no other shop:
/// events that go on would make the shop anew.
pub(crate) async fn request(
    connection: &mut PgConnection,
    shop_id: &Id,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<ErasureRow, StoreError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    api_key::take_turn(connection).await?;
    let revoked: Vec<i32> = sqlx::query_scalar(
        "update api_key set revoked_at = $2, revoked_by_key_id = $3
         where revoked_at is null and shop_ids <@ array[$1]
           and (creator_ids is null or scopes && array['events:write']) returning key_id",
    )
    .bind(shop_id.as_str())
    .bind(now)
    .bind(actor.key_id())
    .fetch_all(&mut *connection)
    .await?;
    let of_key = |key_id: i32| Change {
        action: Action::KeyRevoked,
        subject: None,
        target: Some(key_id.to_string()),
        before: None,
        after: Some(json!({ "revoked_at": now })),
    };
    let mut changes: Vec<Change> = revoked.into_iter().map(of_key).collect();
    let made =
        sqlx::query("insert into erasure (shop_id, requested_at, key_id) values ($1, $2, $3) on conflict do nothing")
            .bind(shop_id.as_str())
            .bind(now)
            .bind(actor.key_id())
            .execute(&mut *connection)
            .await?;
    let under_way = format!("select {COLUMNS} from erasure where shop_id = $1 and finished_at is null");
    let row: ErasureRow =
        sqlx::query_as(AssertSqlSafe(under_way)).bind(shop_id.as_str()).fetch_one(&mut *connection).await?;
    if made.rows_affected() > 0 {
        changes.push(Change {
            action: Action::SubjectErased,
            subject: Some(Subject { kind: SubjectKind::Shop, id: shop_id.clone() }),
            target: Some(row.erasure_id.to_string()),
            before: None,
            after: None,
        });
    }
    audit::note(connection, actor, now, &changes).await?;
    transaction.commit().await?;
    Ok(row)
}

/// Takes the oldest erasure that no process works on.
pub(crate) async fn claim(connection: &mut PgConnection) -> Result<Option<ErasureRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update erasure set worked_at = clock_timestamp()
         where erasure_id = (
             select erasure_id from erasure
             where finished_at is null
               and (worked_at is null or worked_at < clock_timestamp() - make_interval(secs => $1))
               and (retry_at is null or retry_at < clock_timestamp())
             order by retry_at nulls first, erasure_id limit 1 for update skip locked)
         returning {COLUMNS}"
    )))
    .bind(LEASE_SECONDS)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Notes that so many more events are removed, and that a process is at work.
pub(crate) async fn progress(connection: &mut PgConnection, erasure_id: i64, events: u64) -> Result<(), StoreError> {
    sqlx::query("update erasure set events = events + $2, worked_at = clock_timestamp() where erasure_id = $1")
        .bind(erasure_id)
        .bind(events as i64)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets another attempt, or another process, go on in a moment; other erasures come before it.
pub(crate) async fn let_go(connection: &mut PgConnection, erasure_id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update erasure set worked_at = null, retry_at = clock_timestamp() + make_interval(secs => $2)
         where erasure_id = $1",
    )
    .bind(erasure_id)
    .bind(RETRY_SECONDS)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn finish(
    connection: &mut PgConnection,
    erasure_id: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query("update erasure set finished_at = $2 where erasure_id = $1")
        .bind(erasure_id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Orders, sessions and products of a shop, in key order, after `after`.
pub(crate) async fn aggregates_of(
    connection: &mut PgConnection,
    shop_id: &Id,
    after: Option<&Aggregate>,
    limit: i64,
) -> Result<Vec<Expired>, StoreError> {
    let rows: Vec<(i16, String, i64)> = sqlx::query_as(
        "select aggregate_kind, aggregate_id, event_count::bigint from aggregate
         where shop_id = $1 collate \"C\" and (aggregate_kind, aggregate_id) > ($2, $3 collate \"C\")
         order by aggregate_kind, aggregate_id limit $4",
    )
    .bind(shop_id.as_str())
    .bind(after.map_or(0, |aggregate| aggregate.kind.code()))
    .bind(after.map_or("", |aggregate| aggregate.id.as_str()))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Expired::of_row(shop_id, row)).collect()
}

/// Erases what a shop has besides events, counts and scores: exclusions, adjustments, registration, and what is noted for its senders.
/// `false`, and nothing is erased, where it has events. Its stripe is held.
pub(crate) async fn erase_registration(
    connection: &mut PgConnection,
    (erasure_id, shop_id): (i64, &Id),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let has_events: bool = sqlx::query_scalar("select exists (select from aggregate where shop_id = $1 collate \"C\")")
        .bind(shop_id.as_str())
        .fetch_one(&mut *connection)
        .await?;
    if has_events {
        return Ok(false);
    }
    sqlx::query("update stripe set erasures = erasures + 1 where stripe = $1")
        .bind(stripe_of(shop_id))
        .execute(&mut *connection)
        .await?;
    sqlx::query("update erasure set emptied_at = $2 where erasure_id = $1")
        .bind(erasure_id)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    // That something was changed stays known, and by whom; what it was does not.
    sqlx::query(
        "update audit_entry set before = null, after = null
         where subject_kind = $1 and subject_id = $2 collate \"C\" and (before is not null or after is not null)",
    )
    .bind(SubjectKind::Shop.code())
    .bind(shop_id.as_str())
    .execute(&mut *connection)
    .await?;
    // In the order of those who write them.
    for table in ["exclusion", "unknown_member", "rejection"] {
        let delete = format!("delete from {table} where shop_id = $1 collate \"C\"");
        sqlx::query(AssertSqlSafe(delete)).bind(shop_id.as_str()).execute(&mut *connection).await?;
    }
    for table in ["adjustment", "subject", "subject_change"] {
        let delete = format!("delete from {table} where subject_kind = $1 and subject_id = $2 collate \"C\"");
        let delete = sqlx::query(AssertSqlSafe(delete)).bind(SubjectKind::Shop.code()).bind(shop_id.as_str());
        delete.execute(&mut *connection).await?;
    }
    Ok(true)
}

/// Whether a run computes that began before a moment, and may have read what was erased since.
pub(crate) async fn is_run_under_way(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<bool, StoreError> {
    let under_way = sqlx::query_scalar("select exists (select from run where state = 'running' and started_at <= $1)");
    Ok(under_way.bind(before).fetch_one(connection).await?)
}

/// Erases the scores of a shop of all dates: its short cards under the rule sets of shops, and its full cards; and what
/// is told of them.
pub(crate) async fn erase_scores(
    connection: &mut PgConnection,
    shop_id: &Id,
    rule_sets: &[i16],
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from score using run
         where score.run_id = run.run_id and score.rule_set = any($2) and score.subject_id = $1 collate \"C\"",
    )
    .bind(shop_id.as_str())
    .bind(rule_sets)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from score_detail using run
         where score_detail.run_id = run.run_id and score_detail.subject_kind = $2
           and score_detail.subject_id = $1 collate \"C\"",
    )
    .bind(shop_id.as_str())
    .bind(SubjectKind::Shop.code())
    .execute(&mut *connection)
    .await?;
    // Who unpacks cards holds this: what it has read of the shop is there then.
    sqlx::query("lock table bi_unpacked in share row exclusive mode").execute(&mut *connection).await?;
    sqlx::query("delete from push_part where shop_id = $1 collate \"C\"")
        .bind(shop_id.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from bi_metric where rule_set = any($2) and subject_id = $1 collate \"C\"")
        .bind(shop_id.as_str())
        .bind(rule_sets)
        .execute(&mut *connection)
        .await?;
    // What is told of the shop, and to it alone; from now on there is no card to tell of.
    // Webhooks are held before their deliveries, as by all who write both.
    for sql in [
        "select webhook_id from webhook where owner_shop_ids <@ array[$1] or shop_ids @> array[$1] order by webhook_id for update",
        "delete from delivery where subject_kind = 1 and subject_id = $1 collate \"C\"",
        "delete from alert_crossing where shop_id = $1 collate \"C\"",
        "delete from alert where shop_id = $1 collate \"C\"",
        "delete from alert using webhook
         where webhook.webhook_id = alert.webhook_id and webhook.owner_shop_ids <@ array[$1]",
        "delete from webhook where owner_shop_ids <@ array[$1]",
        "update webhook set shop_ids = array_remove(shop_ids, $1) where shop_ids @> array[$1]",
    ] {
        sqlx::query(sql).bind(shop_id.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Which erasures to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErasureFilter {
    pub shop_id: Option<Id>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i64>,
    pub limit: i64,
}

pub(crate) async fn list(connection: &mut PgConnection, filter: &ErasureFilter) -> Result<Vec<ErasureRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from erasure
         where ($1::text is null or shop_id = $1 collate \"C\") and ($2::bigint is null or erasure_id < $2)
         order by erasure_id desc limit $3"
    )))
    .bind(filter.shop_id.as_ref().map(Id::as_str))
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
