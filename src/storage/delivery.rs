//! Rows of `delivery`: messages on their way to webhooks, and what became of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::webhook::{DeliveryState, HookEvent};

/// One attempt to deliver a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub at: DateTime<Utc>,
    /// The status that the receiver answered; `None` where it did not.
    pub status: Option<u16>,
    pub duration_ms: u64,
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

#[derive(Clone, Debug, FromRow)]
pub(crate) struct DeliveryRow {
    pub delivery_id: i64,
    pub repeats: Option<i64>,
    #[sqlx(try_from = "String")]
    pub event: HookEvent,
    pub subject_kind: i16,
    pub subject_id: String,
    pub announcement_id: Option<i64>,
    pub data: Option<Json<Value>>,
    pub created_at: DateTime<Utc>,
    #[sqlx(try_from = "String")]
    pub state: DeliveryState,
    pub attempts: i16,
    pub next_attempt_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub history: Json<Vec<Attempt>>,
}

const COLUMNS: &str = "delivery_id, repeats, event, subject_kind, subject_id, announcement_id, data, created_at, state,
    attempts, next_attempt_at, finished_at, history";

impl DeliveryRow {
    /// What it is about; `None` for a run.
    pub(crate) fn subject(&self) -> Option<Subject> {
        let kind = SubjectKind::from_code(self.subject_kind)?;
        Some(Subject { kind, id: Id::stored(&self.subject_id) })
    }

    /// The delivery whose message it carries: its own, or the one that it repeats.
    pub(crate) fn message(&self) -> i64 {
        self.repeats.unwrap_or(self.delivery_id)
    }
}

/// A message to a webhook.
#[derive(Clone, Debug)]
pub(crate) struct NewDelivery {
    pub webhook_id: i64,
    pub event: HookEvent,
    pub subject: Option<Subject>,
    /// The announcement whose cards it tells, where it has no data of its own.
    pub announcement_id: Option<i64>,
    pub data: Option<Value>,
}

/// Messages of one statement.
const INSERTED_TOGETHER: usize = 10_000;
/// What a test is about, so that it waits for nothing but tests.
const TEST: &str = "test";

/// Puts messages on their way, in their order. Returns their ids.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &[NewDelivery],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let mut ids = Vec::with_capacity(new.len());
    for together in new.chunks(INSERTED_TOGETHER) {
        ids.extend(insert_together(connection, together, now).await?);
    }
    Ok(ids)
}

async fn insert_together(
    connection: &mut PgConnection,
    new: &[NewDelivery],
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let id = |new: &NewDelivery| match (&new.subject, new.event) {
        (Some(subject), _) => subject.id.to_string(),
        (None, HookEvent::WebhookTest) => TEST.to_owned(),
        (None, _) => String::new(),
    };
    let ids = sqlx::query_scalar(
        "insert into delivery (webhook_id, event, subject_kind, subject_id, announcement_id, data, created_at, next_attempt_at)
         select webhook_id, event, kind, id, announcement_id, data::jsonb, $7, $7
         from unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[]) with ordinality
             as new (webhook_id, event, kind, id, announcement_id, data, ordinal)
         order by ordinal returning delivery_id",
    )
    .bind(new.iter().map(|new| new.webhook_id).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.event.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.subject.as_ref().map_or(0, |subject| subject.kind.code())).collect::<Vec<_>>())
    .bind(new.iter().map(id).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.announcement_id).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.data.as_ref().map(Value::to_string)).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(ids)
}

/// The next messages to a webhook that may be sent now, after `after`: of each subject the oldest alone.
pub(crate) async fn due(
    connection: &mut PgConnection,
    webhook_id: i64,
    after: i64,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from delivery
         where webhook_id = $1 and state = 'pending' and delivery_id > $2 and next_attempt_at <= $3
           and not exists (
               select from delivery as earlier
               where earlier.webhook_id = $1 and earlier.state = 'pending'
                 and earlier.subject_kind = delivery.subject_kind and earlier.subject_id = delivery.subject_id
                 and earlier.delivery_id < delivery.delivery_id)
         order by delivery_id limit $4"
    )))
    .bind(webhook_id)
    .bind(after)
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Whether anything waits to be sent to a webhook now, though something older may have to go first.
pub(crate) async fn is_waiting(
    connection: &mut PgConnection,
    webhook_id: i64,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let waiting = sqlx::query_scalar(
        "select exists (select from delivery where webhook_id = $1 and state = 'pending' and next_attempt_at <= $2)",
    );
    Ok(waiting.bind(webhook_id).bind(now).fetch_one(connection).await?)
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempted {
    pub delivery_id: i64,
    pub attempt: Attempt,
    pub state: DeliveryState,
    /// Of one that is pending still.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// Notes what became of attempts.
pub(crate) async fn note(
    connection: &mut PgConnection,
    attempted: &[Attempted],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update delivery set
             state = tried.state, attempts = attempts + 1, next_attempt_at = coalesce(tried.next, next_attempt_at),
             finished_at = case when tried.state <> 'pending' then $5 end, history = history || tried.attempt::jsonb
         from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::text[]) as tried (delivery_id, state, next, attempt)
         where delivery.delivery_id = tried.delivery_id and delivery.state = 'pending'",
    )
    .bind(attempted.iter().map(|one| one.delivery_id).collect::<Vec<_>>())
    .bind(attempted.iter().map(|one| one.state.as_str()).collect::<Vec<_>>())
    .bind(attempted.iter().map(|one| one.next_attempt_at).collect::<Vec<_>>())
    .bind(attempted.iter().map(|one| serde_json::to_string(&one.attempt).unwrap_or_default()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of the deliveries of a webhook, newest first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    webhook_id: i64,
    state: Option<DeliveryState>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from delivery
         where webhook_id = $1 and ($2::text is null or state = $2) and ($3::bigint is null or delivery_id < $3)
         order by delivery_id desc limit $4"
    )))
    .bind(webhook_id)
    .bind(state.map(DeliveryState::as_str))
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The test of a webhook that is still on its way.
pub(crate) async fn pending_test(connection: &mut PgConnection, webhook_id: i64) -> Result<Option<i64>, StoreError> {
    let pending = sqlx::query_scalar(
        "select delivery_id from delivery
         where webhook_id = $1 and subject_kind = 0 and subject_id = $2 and state = 'pending' order by delivery_id limit 1",
    );
    Ok(pending.bind(webhook_id).bind(TEST).fetch_optional(connection).await?)
}

/// The delivery of a message that is still on its way: this one, or one that sends it again.
pub(crate) async fn pending_message(
    connection: &mut PgConnection,
    webhook_id: i64,
    delivery_id: i64,
) -> Result<Option<i64>, StoreError> {
    let pending = sqlx::query_scalar(
        "select again.delivery_id from delivery
         join delivery as again on again.webhook_id = delivery.webhook_id and again.subject_kind = delivery.subject_kind
             and again.subject_id = delivery.subject_id and again.state = 'pending'
             and coalesce(again.repeats, again.delivery_id) = coalesce(delivery.repeats, delivery.delivery_id)
         where delivery.webhook_id = $1 and delivery.delivery_id = $2
         order by again.delivery_id limit 1",
    );
    Ok(pending.bind(webhook_id).bind(delivery_id).fetch_optional(connection).await?)
}

/// Messages that are sent again at a time.
pub(crate) const REPEATED_MAX: i64 = 10_000;

/// Sends messages again, as new deliveries: one, or those that failed since a moment, [`REPEATED_MAX`] at most. Returns the ids of
/// the new ones.
pub(crate) async fn repeat(
    connection: &mut PgConnection,
    webhook_id: i64,
    delivery_id: Option<i64>,
    failed_since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Vec<i64>, StoreError> {
    let ids = sqlx::query_scalar(
        "insert into delivery (webhook_id, repeats, event, subject_kind, subject_id, announcement_id, data, created_at, next_attempt_at)
         select webhook_id, coalesce(repeats, delivery_id), event, subject_kind, subject_id, announcement_id, data, $4, $4
         from delivery
         where webhook_id = $1 and ($2::bigint is null or delivery_id = $2)
           and ($2 is not null or (state = 'failed' and ($3::timestamptz is null or finished_at >= $3)
                -- Not what was sent again already.
                and not exists (
                    select from delivery as again
                    where again.webhook_id = $1 and again.repeats = coalesce(delivery.repeats, delivery.delivery_id)
                      and again.delivery_id > delivery.delivery_id)))
         order by delivery_id limit $5
         returning delivery_id",
    )
    .bind(webhook_id)
    .bind(delivery_id)
    .bind(failed_since)
    .bind(now)
    .bind(REPEATED_MAX)
    .fetch_all(connection)
    .await?;
    Ok(ids)
}

pub(crate) async fn get(connection: &mut PgConnection, delivery_id: i64) -> Result<Option<DeliveryRow>, StoreError> {
    let sql = format!("select {COLUMNS} from delivery where delivery_id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(delivery_id).fetch_optional(connection).await?)
}
