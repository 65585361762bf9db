//! Rows of `api_key`. Keys themselves are never stored, only their hashes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{StoreError, freshness};
use crate::domain::id::Id;

#[derive(Clone, Debug, FromRow)]
pub struct KeyRow {
    pub key_id: i32,
    pub prefix: String,
    pub key_hash: Vec<u8>,
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    /// The key with which it was made; `None` for the command line.
    pub created_by_key_id: Option<i32>,
    /// The key that it takes the place of.
    pub replaces_key_id: Option<i32>,
    /// When it stops being good: as it was asked for, or when the grace of a rotation is over.
    pub expires_at: Option<DateTime<Utc>>,
    /// As it was asked for.
    pub own_expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by_key_id: Option<i32>,
    pub events_per_second: Option<i32>,
    pub requests_per_second: Option<i32>,
}

impl KeyRow {
    /// What the audit trail shows of it.
    pub(crate) fn audited(&self) -> Value {
        let KeyRow { key_id, prefix, name, scopes, shop_ids, creator_ids, expires_at, revoked_at, .. } = self;
        let KeyRow { replaces_key_id, events_per_second, requests_per_second, .. } = self;
        json!({
            "key_id": key_id.to_string(), "prefix": format!("ssk_{prefix}"), "name": name, "scopes": scopes,
            "shop_ids": shop_ids, "creator_ids": creator_ids, "expires_at": expires_at, "revoked_at": revoked_at,
            "replaces_key_id": replaces_key_id.map(|id| id.to_string()),
            "events_per_second": events_per_second, "requests_per_second": requests_per_second,
        })
    }
}

const COLUMNS: &str = "key_id, prefix, key_hash, name, scopes, shop_ids, creator_ids, created_at, created_by_key_id,
    replaces_key_id, least(expires_at, grace_until) as expires_at, expires_at as own_expires_at, last_used_at, revoked_at,
    revoked_by_key_id, events_per_second, requests_per_second";
/// How long a request for a key can be repeated.
pub(crate) const REPEATABLE_FOR: TimeDelta = TimeDelta::hours(24);

/// What makes a request repeatable: see `access::issue`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Repeatable {
    pub idempotency_hash: Vec<u8>,
    pub request_hash: Vec<u8>,
    pub secret_salt: Vec<u8>,
}

/// A key about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub prefix: String,
    pub key_hash: Vec<u8>,
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_by_key_id: Option<i32>,
    pub replaces_key_id: Option<i32>,
    pub events_per_second: Option<i32>,
    pub requests_per_second: Option<i32>,
    pub repeatable: Option<Repeatable>,
}

/// Begins a change of keys: changes happen one after another, and other processes are told when this one commits.
pub(crate) async fn take_turn(connection: &mut PgConnection) -> Result<(), StoreError> {
    freshness::note_keys(connection).await
}

/// Stores a key.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewKey,
    now: DateTime<Utc>,
) -> Result<KeyRow, StoreError> {
    let repeatable = new.repeatable.as_ref();
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into api_key (prefix, key_hash, name, scopes, shop_ids, creator_ids, created_at, expires_at,
                              created_by_key_id, replaces_key_id, idempotency_hash, request_hash, secret_salt,
                              events_per_second, requests_per_second)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning {COLUMNS}"
    )))
    .bind(&new.prefix)
    .bind(&new.key_hash)
    .bind(&new.name)
    .bind(&new.scopes)
    .bind(&new.shop_ids)
    .bind(&new.creator_ids)
    .bind(now)
    .bind(new.expires_at)
    .bind(new.created_by_key_id)
    .bind(new.replaces_key_id)
    .bind(repeatable.map(|repeatable| &repeatable.idempotency_hash))
    .bind(repeatable.map(|repeatable| &repeatable.request_hash))
    .bind(repeatable.map(|repeatable| &repeatable.secret_salt))
    .bind(new.events_per_second)
    .bind(new.requests_per_second)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

/// The key that a request with an Idempotency-Key made, and what that request was.
pub(crate) async fn find_request(
    connection: &mut PgConnection,
    idempotency_hash: &[u8],
) -> Result<Option<(KeyRow, Repeatable)>, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "select {COLUMNS}, idempotency_hash, request_hash, secret_salt from api_key where idempotency_hash = $1"
    )))
    .bind(idempotency_hash)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Ok::<_, sqlx::Error>((KeyRow::from_row(&row)?, Repeatable::from_row(&row)?))).transpose()?)
}

/// Forgets what made the requests repeatable that came before a moment.
pub(crate) async fn forget_requests(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query(
        "update api_key set idempotency_hash = null, request_hash = null, secret_salt = null
         where idempotency_hash is not null and created_at <= $1",
    )
    .bind(before)
    .execute(connection)
    .await?;
    Ok(())
}

/// The key that takes the place of another one, if one does that is not revoked.
pub(crate) async fn successor(connection: &mut PgConnection, key_id: i32) -> Result<Option<i32>, StoreError> {
    let successor =
        sqlx::query_scalar("select max(key_id) from api_key where replaces_key_id = $1 and revoked_at is null");
    Ok(successor.bind(key_id).fetch_one(connection).await?)
}

/// Ends the grace of a key whose place another one takes.
pub(crate) async fn set_grace(
    connection: &mut PgConnection,
    key_id: i32,
    until: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query("update api_key set grace_until = least(grace_until, $2) where key_id = $1")
        .bind(key_id)
        .bind(until)
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes a key; one that was revoked before stays as it is. `None` if there is no such key.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    key_id: i32,
    by: Option<i32>,
    now: DateTime<Utc>,
) -> Result<Option<KeyRow>, StoreError> {
    sqlx::query("update api_key set revoked_at = $2, revoked_by_key_id = $3 where key_id = $1 and revoked_at is null")
        .bind(key_id)
        .bind(now)
        .bind(by)
        .execute(&mut *connection)
        .await?;
    get(connection, key_id).await
}

/// Notes when keys were used, to the minute.
pub(crate) async fn note_uses(
    connection: &mut PgConnection,
    uses: &BTreeMap<i32, DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query(
        "with used as (
             select api_key.key_id, used.at from api_key
             join unnest($1::integer[], $2::timestamptz[]) as used (key_id, at) on api_key.key_id = used.key_id
             where api_key.last_used_at is null or api_key.last_used_at < date_trunc('minute', used.at)
             order by api_key.key_id for update of api_key
         )
         update api_key set last_used_at = used.at from used where api_key.key_id = used.key_id",
    )
    .bind(uses.keys().copied().collect::<Vec<_>>())
    .bind(uses.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn get(connection: &mut PgConnection, key_id: i32) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!("select {COLUMNS} from api_key where key_id = $1")))
        .bind(key_id)
        .fetch_optional(connection)
        .await?;
    Ok(row)
}

/// Whether there ever was a key.
pub(crate) async fn any(connection: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("select exists (select from api_key)").fetch_one(connection).await?)
}

/// Which keys to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFilter {
    /// Only keys that are bound to this shop.
    pub shop_id: Option<Id>,
    /// Only keys that are bound to this creator.
    pub creator_id: Option<Id>,
    /// Only keys that are neither revoked nor expired at this moment (true), or the others (false).
    pub active: Option<(bool, DateTime<Utc>)>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i32>,
    pub limit: i64,
}

/// A page of keys, newest first.
pub(crate) async fn list(connection: &mut PgConnection, filter: &KeyFilter) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from api_key
         where ($1::text is null or shop_ids @> array[$1]) and ($2::text is null or creator_ids @> array[$2])
           and ($3::boolean is null or (revoked_at is null and coalesce(least(expires_at, grace_until) > $4, true)) = $3)
           and ($5::integer is null or key_id < $5)
         order by key_id desc limit $6"
    )))
    .bind(filter.shop_id.as_ref().map(Id::as_str))
    .bind(filter.creator_id.as_ref().map(Id::as_str))
    .bind(filter.active.map(|(active, _)| active))
    .bind(filter.active.map(|(_, now)| now))
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The newest keys that are not revoked, at most `limit` of them.
pub(crate) async fn active(connection: &mut PgConnection, limit: i64) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from api_key where revoked_at is null order by key_id desc limit $1"
    )))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

pub(crate) async fn find(connection: &mut PgConnection, prefix: &str) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!("select {COLUMNS} from api_key where prefix = $1")))
        .bind(prefix)
        .fetch_optional(connection)
        .await?;
    Ok(row)
}
