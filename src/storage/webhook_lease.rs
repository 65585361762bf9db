//! Which process delivers to a webhook, and how its endpoint does.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::StoreError;
use super::webhook::{COLUMNS, WebhookRow};

/// How long a process may be silent before another one delivers in its place. Nothing is sent any more when so much of it has
/// passed that an answer may come after its end.
const LEASE_SECONDS: f64 = 30.0;

/// Takes webhooks to which something can be sent, and to which no process delivers.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<WebhookRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "update webhook set lease_until = clock_timestamp() + make_interval(secs => $1), fence = fence + 1
         where webhook_id in (
             select webhook_id from webhook
             where disabled_at is null and (lease_until is null or lease_until < clock_timestamp())
               and (paused_until is null or paused_until <= $2)
               -- So written, it is one look into an index for each, however many were delivered a moment ago.
               and (select next_attempt_at from delivery
                    where delivery.webhook_id = webhook.webhook_id and delivery.state = 'pending'
                    order by next_attempt_at limit 1) <= $2
             order by webhook_id limit $3 for update skip locked)
         returning {COLUMNS}"
    )))
    .bind(LEASE_SECONDS)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// How an endpoint does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    pub failing_since: Option<DateTime<Utc>>,
    pub failures: i32,
    pub paused_until: Option<DateTime<Utc>>,
    /// Why it is told nothing any more.
    pub disabled_reason: Option<String>,
}

/// Notes how an endpoint does, and goes on holding it unless `is_done`. `None` where another process has it, where it has another URL by now, or where it is
/// gone; then nothing is written. Run in the transaction that notes what became of deliveries.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    claimed: &WebhookRow,
    condition: &Condition,
    is_done: bool,
    now: DateTime<Utc>,
) -> Result<Option<WebhookRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update webhook set
             lease_until = case when $3 then null else clock_timestamp() + make_interval(secs => $4) end,
             failing_since = $5, failures = $6, paused_until = $7,
             disabled_at = case when $8::text is null then disabled_at else $9 end,
             disabled_reason = coalesce($8, disabled_reason)
         where webhook_id = $1 and fence = $2 and url = $10 returning {COLUMNS}"
    )))
    .bind(claimed.webhook_id)
    .bind(claimed.fence)
    .bind(is_done)
    .bind(LEASE_SECONDS)
    .bind(condition.failing_since)
    .bind(condition.failures)
    .bind(condition.paused_until)
    .bind(&condition.disabled_reason)
    .bind(now)
    .bind(&claimed.url)
    .fetch_optional(connection)
    .await?;
    Ok(row)
}
