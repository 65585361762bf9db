//! What becomes of deliveries that nobody waits for any more, and how much waits.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreError;

/// Gives up, in one step, what is on its way to webhooks that are told nothing any more. Returns how much that was.
pub(crate) async fn give_up(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let failed = sqlx::query(
        "update delivery set state = 'failed', finished_at = $1
         where delivery_id in (
             select pending.delivery_id from webhook
             cross join lateral (
                 select delivery_id from delivery
                 where delivery.webhook_id = webhook.webhook_id and delivery.state = 'pending'
                 order by next_attempt_at limit $2
             ) as pending
             where webhook.disabled_at is not null limit $2)",
    )
    .bind(now)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(failed.rows_affected())
}

/// Removes, in one step, what is on its way to webhooks that are gone. Returns how much that was.
pub(crate) async fn remove_orphans(connection: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let removed = sqlx::query(
        "delete from delivery
         where delivery_id in (
             select delivery_id from delivery
             where state = 'pending' and not exists (select from webhook where webhook.webhook_id = delivery.webhook_id)
             limit $1)",
    )
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(removed.rows_affected())
}

/// Removes what was delivered before one moment, and what failed before another. Returns how much that was.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    (delivered, failed): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query(
        "delete from delivery where delivery_id in (
             select delivery_id from delivery
             where state <> 'pending' and finished_at < case when state = 'delivered' then $1 else $2 end
             order by finished_at limit $3)",
    )
    .bind(delivered)
    .bind(failed)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

/// Removes what was for webhooks that are gone, delivered or not.
pub(crate) async fn forget_orphans(connection: &mut PgConnection) -> Result<(), StoreError> {
    let orphans =
        "delete from delivery where not exists (select from webhook where webhook.webhook_id = delivery.webhook_id)";
    sqlx::query(orphans).execute(connection).await?;
    Ok(())
}

/// What waits to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    pub pending: i64,
    pub oldest: Option<DateTime<Utc>>,
    pub disabled_webhooks: i64,
    pub failing_webhooks: i64,
    pub unfinished_announcements: i64,
}

pub(crate) async fn outbox(connection: &mut PgConnection) -> Result<Outbox, StoreError> {
    let (pending, oldest, disabled_webhooks, failing_webhooks, unfinished_announcements) = sqlx::query_as(
        "select (select count(*) from delivery where state = 'pending'),
                (select min(created_at) from delivery where state = 'pending'),
                (select count(*) from webhook where disabled_at is not null),
                (select count(*) from webhook where disabled_at is null and failing_since is not null),
                (select count(*) from announcement where finished_at is null)",
    )
    .fetch_one(connection)
    .await?;
    Ok(Outbox { pending, oldest, disabled_webhooks, failing_webhooks, unfinished_announcements })
}
