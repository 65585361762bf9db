//! Rows of `webhook`: who is told what. Secrets are kept as they are, since messages are signed with them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::webhook::HookEvent;

#[derive(Clone, Debug, FromRow)]
pub(crate) struct WebhookRow {
    pub webhook_id: i64,
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<String>,
    pub kinds: Option<Vec<i16>>,
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
    pub owner_shop_ids: Option<Vec<String>>,
    pub secret: Vec<u8>,
    pub previous_secret: Option<Vec<u8>>,
    pub previous_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub created_by_key_id: Option<i32>,
    pub updated_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    pub failing_since: Option<DateTime<Utc>>,
    pub failures: i32,
    pub fence: i64,
}

pub(super) const COLUMNS: &str = "webhook_id, url, description, events, kinds, shop_ids, creator_ids, owner_shop_ids, secret,
    previous_secret, previous_until, created_at, created_by_key_id, updated_at, disabled_at, disabled_reason, failing_since,
    failures, fence";

impl WebhookRow {
    pub(crate) fn wants(&self, event: HookEvent) -> bool {
        self.events.iter().any(|wanted| wanted == event.as_str())
    }

    /// Whether it is told of some subjects alone.
    pub(crate) fn names_subjects(&self) -> bool {
        self.shop_ids.is_some() || self.creator_ids.is_some()
    }

    /// Whether it is told of a kind of subject.
    pub(crate) fn is_told_of_kind(&self, kind: SubjectKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind.code()))
    }

    /// Whether its owner may know of a subject: one that belongs to shops is told of these and nobody else.
    pub(crate) fn may_know(&self, kind: SubjectKind, id: &str) -> bool {
        let of_owner = |shops: &Vec<String>| kind == SubjectKind::Shop && shops.iter().any(|shop| shop == id);
        self.owner_shop_ids.as_ref().is_none_or(of_owner)
    }

    /// Whether it is told of a subject.
    pub(crate) fn is_told_of(&self, subject: &Subject) -> bool {
        if !self.may_know(subject.kind, subject.id.as_str()) {
            return false;
        }
        let named = match subject.kind {
            SubjectKind::Shop => &self.shop_ids,
            SubjectKind::Creator => &self.creator_ids,
        };
        let is_named = || named.as_ref().is_some_and(|ids| ids.iter().any(|id| id == subject.id.as_str()));
        self.is_told_of_kind(subject.kind) && (!self.names_subjects() || is_named())
    }

    /// The secrets that sign at a moment, the newest first.
    pub(crate) fn secrets(&self, now: DateTime<Utc>) -> Vec<&[u8]> {
        let previous = self.previous_secret.as_deref().filter(|_| self.previous_until.is_some_and(|until| now < until));
        [Some(self.secret.as_slice()), previous].into_iter().flatten().collect()
    }

    /// What the audit trail shows of it.
    pub(crate) fn audited(&self) -> Value {
        let WebhookRow { url, description, events, kinds, shop_ids, creator_ids, disabled_at, disabled_reason, .. } =
            self;
        json!({
            "url": url, "description": description, "events": events, "kinds": kinds, "shop_ids": shop_ids,
            "creator_ids": creator_ids, "disabled_at": disabled_at, "disabled_reason": disabled_reason,
        })
    }
}

/// What a webhook is told, as somebody wants it.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<String>,
    pub kinds: Option<Vec<i16>>,
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    wanted: &Subscription,
    owner_shop_ids: Option<&[String]>,
    (secret, key_id): (&[u8], Option<i32>),
    now: DateTime<Utc>,
) -> Result<WebhookRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into webhook (url, description, events, kinds, shop_ids, creator_ids, owner_shop_ids, secret, created_by_key_id,
                              created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) returning {COLUMNS}"
    )))
    .bind(&wanted.url)
    .bind(&wanted.description)
    .bind(&wanted.events)
    .bind(&wanted.kinds)
    .bind(&wanted.shop_ids)
    .bind(&wanted.creator_ids)
    .bind(owner_shop_ids)
    .bind(secret)
    .bind(key_id)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// Changes what a webhook is told, and whether it is told anything. One that is told again begins without failures.
pub(crate) async fn update(
    connection: &mut PgConnection,
    webhook_id: i64,
    wanted: &Subscription,
    is_enabled: bool,
    now: DateTime<Utc>,
) -> Result<WebhookRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update webhook set url = $2, description = $3, events = $4, kinds = $5, shop_ids = $6, creator_ids = $7, updated_at = $8,
             disabled_at = case when $9 then null else coalesce(disabled_at, $8) end,
             disabled_reason = case when $9 then null else coalesce(disabled_reason, 'by hand') end,
             failing_since = case when $9 and disabled_at is not null then null else failing_since end,
             failures = case when $9 then 0 else failures end,
             paused_until = case when $9 then null else paused_until end
         where webhook_id = $1 returning {COLUMNS}"
    )))
    .bind(webhook_id)
    .bind(&wanted.url)
    .bind(&wanted.description)
    .bind(&wanted.events)
    .bind(&wanted.kinds)
    .bind(&wanted.shop_ids)
    .bind(&wanted.creator_ids)
    .bind(now)
    .bind(is_enabled)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// Gives a webhook another secret; the old one signs until a moment.
pub(crate) async fn rotate(
    connection: &mut PgConnection,
    webhook_id: i64,
    secret: &[u8],
    previous_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<WebhookRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update webhook set previous_secret = secret, previous_until = $3, secret = $2, updated_at = $4
         where webhook_id = $1 returning {COLUMNS}"
    )))
    .bind(webhook_id)
    .bind(secret)
    .bind(previous_until)
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// Removes a webhook. What was on its way to it goes in steps afterwards.
pub(crate) async fn delete(connection: &mut PgConnection, webhook_id: i64) -> Result<(), StoreError> {
    for sql in [
        "delete from webhook where webhook_id = $1",
        "delete from alert_crossing using alert where alert.alert_id = alert_crossing.alert_id and alert.webhook_id = $1",
        "delete from alert where webhook_id = $1",
    ] {
        sqlx::query(sql).bind(webhook_id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A webhook, which stays as it is until the transaction ends.
pub(crate) async fn hold(connection: &mut PgConnection, webhook_id: i64) -> Result<Option<WebhookRow>, StoreError> {
    let sql = format!("select {COLUMNS} from webhook where webhook_id = $1 for update");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(webhook_id).fetch_optional(connection).await?)
}

pub(crate) async fn get(connection: &mut PgConnection, webhook_id: i64) -> Result<Option<WebhookRow>, StoreError> {
    let sql = format!("select {COLUMNS} from webhook where webhook_id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(webhook_id).fetch_optional(connection).await?)
}

/// A page of webhooks, newest first: all, or those of some shops.
pub(crate) async fn list(
    connection: &mut PgConnection,
    owned_by: Option<&[String]>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<WebhookRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from webhook
         where ($1::text[] is null or owner_shop_ids <@ $1) and ($2::bigint is null or webhook_id < $2)
         order by webhook_id desc limit $3"
    )))
    .bind(owned_by)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// How many there are: all, or those of which some shops own any.
pub(crate) async fn count(connection: &mut PgConnection, owned_by: Option<&[String]>) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar("select count(*) from webhook where $1::text[] is null or owner_shop_ids && $1");
    Ok(count.bind(owned_by).fetch_one(connection).await?)
}

/// Those that are told anything.
pub(crate) async fn enabled(connection: &mut PgConnection) -> Result<Vec<WebhookRow>, StoreError> {
    let sql = format!("select {COLUMNS} from webhook where disabled_at is null order by webhook_id");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await?)
}

/// Those that are told anything, and were there at a moment.
pub(crate) async fn enabled_at(
    connection: &mut PgConnection,
    moment: DateTime<Utc>,
) -> Result<Vec<WebhookRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from webhook where disabled_at is null and created_at <= $1 order by webhook_id"
    )))
    .bind(moment)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
