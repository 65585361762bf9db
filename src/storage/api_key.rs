//! Rows of `api_key`. Keys themselves are never stored, only their hashes.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::{StoreError, freshness};

#[derive(Clone, Debug, FromRow)]
pub struct KeyRow {
    pub key_id: i32,
    pub prefix: String,
    pub key_hash: Vec<u8>,
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub shop_ids: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "key_id, prefix, key_hash, name, scopes, shop_ids, created_at, expires_at, revoked_at";

/// A key about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub prefix: String,
    pub key_hash: Vec<u8>,
    pub name: Option<String>,
    pub scopes: Vec<String>,
    pub shop_ids: Option<Vec<String>>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Stores a key. Run in a transaction: the note to other processes goes with it.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewKey,
    now: DateTime<Utc>,
) -> Result<KeyRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into api_key (prefix, key_hash, name, scopes, shop_ids, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}"
    )))
    .bind(&new.prefix)
    .bind(&new.key_hash)
    .bind(&new.name)
    .bind(&new.scopes)
    .bind(&new.shop_ids)
    .bind(now)
    .bind(new.expires_at)
    .fetch_one(&mut *connection)
    .await?;
    freshness::note_keys(connection).await?;
    Ok(row)
}

/// Revokes a key; one that was revoked before stays as it is. `None` if there is no such key. Run in a transaction: the
/// note to other processes goes with it.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    key_id: i32,
    now: DateTime<Utc>,
) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "update api_key set revoked_at = coalesce(revoked_at, $2) where key_id = $1 returning {COLUMNS}"
    )))
    .bind(key_id)
    .bind(now)
    .fetch_optional(&mut *connection)
    .await?;
    freshness::note_keys(connection).await?;
    Ok(row)
}

/// A page of keys, newest first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from api_key where $1::integer is null or key_id < $1 order by key_id desc limit $2"
    )))
    .bind(before)
    .bind(limit)
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
