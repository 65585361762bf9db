//! Rows of `push_part`: the orders in what a platform calls by another id.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreError;

/// What a platform calls by an id of its own: the shop, and its kind and id.
pub(crate) type PartKey = (String, String);
/// The orders of parts.
pub(crate) type Parts = HashMap<PartKey, Vec<String>>;

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
        "insert into push_part (connector, shop_id, part, order_ids, received_at)
         select $1, shop_id, part, array(select jsonb_array_elements_text(orders::jsonb)), $5
         from unnest($2::text[], $3::text[], $4::text[]) as told (shop_id, part, orders)
         on conflict (connector, shop_id, part) do update
         set order_ids = excluded.order_ids, received_at = excluded.received_at",
    )
    .bind(connector)
    .bind(parts.iter().map(|((shop_id, _), _)| shop_id.as_str()).collect::<Vec<_>>())
    .bind(parts.iter().map(|((_, part), _)| part.as_str()).collect::<Vec<_>>())
    .bind(orders)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The orders of parts that are known.
pub(crate) async fn find(
    connection: &mut PgConnection,
    connector: &str,
    parts: &[PartKey],
) -> Result<Parts, StoreError> {
    let rows = sqlx::query_as(
        "select shop_id, part, order_ids from push_part join unnest($2::text[], $3::text[]) as wanted (shop_id, part) using (shop_id, part)
         where connector = $1",
    );
    let rows: Vec<(String, String, Vec<String>)> = rows
        .bind(connector)
        .bind(parts.iter().map(|(shop_id, _)| shop_id.as_str()).collect::<Vec<_>>())
        .bind(parts.iter().map(|(_, part)| part.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(shop_id, part, orders)| ((shop_id, part), orders)).collect())
}

/// Forgets what came before a moment.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("delete from push_part where received_at < $1").bind(before).execute(connection).await?;
    Ok(())
}
