//! Rows of `push_part`: the orders in what a platform calls by another id.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreError;

/// The orders of parts, by what the platform calls them.
pub(crate) type Parts = HashMap<String, Vec<String>>;

/// Keeps the orders of parts; what is said last counts.
pub(crate) async fn keep(
    connection: &mut PgConnection,
    connector: &str,
    parts: &Parts,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // In the order of the key, so that writers never deadlock.
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_unstable();
    let orders: Vec<String> = parts.iter().map(|(_, orders)| serde_json::json!(orders).to_string()).collect();
    sqlx::query(
        "insert into push_part (connector, part, order_ids, received_at)
         select $1, part, array(select jsonb_array_elements_text(orders::jsonb)), $4
         from unnest($2::text[], $3::text[]) as told (part, orders)
         on conflict (connector, part) do update set order_ids = excluded.order_ids, received_at = excluded.received_at",
    )
    .bind(connector)
    .bind(parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>())
    .bind(orders)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The orders of parts that are known.
pub(crate) async fn find(connection: &mut PgConnection, connector: &str, parts: &[&str]) -> Result<Parts, StoreError> {
    let rows =
        sqlx::query_as("select part, order_ids from push_part where connector = $1 and part = any($2 collate \"C\")");
    let rows: Vec<(String, Vec<String>)> = rows.bind(connector).bind(parts).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Forgets what came before a moment.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("delete from push_part where received_at < $1").bind(before).execute(connection).await?;
    Ok(())
}
