//! Rows of `unread_message`: what platforms pushed and nobody could read.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Connection, FromRow, PgConnection};

use super::StoreError;

/// Messages that are kept of each connector.
pub(crate) const KEPT: i64 = 1_000;
/// Bytes that are kept of a message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// A message that was not understood, about to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewUnread {
    pub tag: String,
    pub message_id: Option<String>,
    pub code: String,
    pub detail: String,
    pub message: String,
}

#[derive(Clone, Debug, FromRow)]
pub(crate) struct UnreadRow {
    pub unread_id: i64,
    pub received_at: DateTime<Utc>,
    pub tag: String,
    pub message_id: Option<String>,
    pub code: String,
    pub detail: String,
    pub message: String,
}

/// Keeps messages of a connector, and of these the newest [`KEPT`].
pub(crate) async fn keep(
    connection: &mut PgConnection,
    connector: &str,
    messages: &[NewUnread],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let digest = |one: &NewUnread| Sha256::digest(&one.message).to_vec();
    sqlx::query(
        "insert into unread_message (connector, received_at, tag, message_id, code, detail, message, digest)
         select $1, $2, * from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
         on conflict (connector, digest) do nothing",
    )
    .bind(connector)
    .bind(now)
    .bind(messages.iter().map(|one| one.tag.as_str()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.message_id.as_deref()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.code.as_str()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| one.detail.as_str()).collect::<Vec<_>>())
    .bind(messages.iter().map(|one| beginning(&one.message)).collect::<Vec<_>>())
    .bind(messages.iter().map(digest).collect::<Vec<_>>())
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "delete from unread_message
         where connector = $1 and unread_id < (
             select min(unread_id) from (
                 select unread_id from unread_message where connector = $1 order by unread_id desc limit $2) as newest)",
    )
    .bind(connector)
    .bind(KEPT)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// So much of a text as is kept. PostgreSQL takes no zero bytes.
fn beginning(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

/// A page of a connector's messages, newest first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    connector: &str,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<UnreadRow>, StoreError> {
    let rows = sqlx::query_as(
        "select unread_id, received_at, tag, message_id, code, detail, message from unread_message
         where connector = $1 and ($2::bigint is null or unread_id < $2) order by unread_id desc limit $3",
    );
    Ok(rows.bind(connector).bind(before).bind(limit).fetch_all(connection).await?)
}

/// Forgets what came before a moment.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("delete from unread_message where received_at < $1").bind(before).execute(connection).await?;
    Ok(())
}
