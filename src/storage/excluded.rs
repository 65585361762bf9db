//! What the exclusions in `exclusion` take out of aggregates: now, and at the moment of a run.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::StoreError;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::exclusion::{Exclusion, ExclusionTarget};
use crate::domain::id::Id;

/// All exclusions in force, by aggregate.
pub(crate) async fn all_active(
    connection: &mut PgConnection,
) -> Result<HashMap<Aggregate, Vec<Exclusion>>, StoreError> {
    let rows = sqlx::query(
        "select shop_id, aggregate_kind, aggregate_id, target, target_id from exclusion where revoked_at is null",
    );
    by_aggregate(rows.fetch_all(connection).await?)
}

/// The exclusions in force for some aggregates, read by key.
pub(crate) async fn active_of(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
) -> Result<HashMap<Aggregate, Vec<Exclusion>>, StoreError> {
    let rows = sqlx::query(
        "select key.shop_id, key.aggregate_kind, key.aggregate_id, exclusion.target, exclusion.target_id
         from unnest($1::text[], $2::smallint[], $3::text[]) as key (shop_id, aggregate_kind, aggregate_id)
         cross join lateral (
             select target, target_id from exclusion
             where exclusion.shop_id = key.shop_id collate \"C\"
               and exclusion.aggregate_kind = key.aggregate_kind
               and exclusion.aggregate_id = key.aggregate_id collate \"C\"
               and exclusion.revoked_at is null
             offset 0
         ) exclusion",
    )
    .bind(aggregates.iter().map(|aggregate| aggregate.shop_id.as_str()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|aggregate| aggregate.kind.code()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|aggregate| aggregate.id.as_str()).collect::<Vec<_>>());
    by_aggregate(rows.fetch_all(connection).await?)
}

/// The exclusions of some aggregates that were in force at a number of their stripe: pairs of an aggregate and the head
/// that a run knew.
pub(crate) async fn known_at(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<HashMap<Aggregate, Vec<Exclusion>>, StoreError> {
    let rows = sqlx::query(
        "select key.shop_id, key.aggregate_kind, key.aggregate_id, exclusion.target, exclusion.target_id
         from unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[])
             as key (shop_id, aggregate_kind, aggregate_id, head)
         cross join lateral (
             select target, target_id from exclusion
             where exclusion.shop_id = key.shop_id collate \"C\"
               and exclusion.aggregate_kind = key.aggregate_kind
               and exclusion.aggregate_id = key.aggregate_id collate \"C\"
               and exclusion.seq <= key.head and (exclusion.revoked_seq is null or exclusion.revoked_seq > key.head)
             offset 0
         ) exclusion",
    )
    .bind(aggregates.iter().map(|(aggregate, _)| aggregate.shop_id.as_str()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|(aggregate, _)| aggregate.kind.code()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|(aggregate, _)| aggregate.id.as_str()).collect::<Vec<_>>())
    .bind(aggregates.iter().map(|(_, head)| *head).collect::<Vec<_>>());
    by_aggregate(rows.fetch_all(connection).await?)
}

fn by_aggregate(rows: Vec<PgRow>) -> Result<HashMap<Aggregate, Vec<Exclusion>>, StoreError> {
    let mut exclusions: HashMap<Aggregate, Vec<Exclusion>> = HashMap::new();
    for row in rows {
        let (shop_id, kind, id): (&str, i16, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (target, target_id): (&str, &str) = (row.try_get(3)?, row.try_get(4)?);
        let corrupt = || StoreError::Corrupt(format!("exclusion of {target} {target_id} in shop {shop_id}"));
        let kind = AggregateKind::from_code(kind).ok_or_else(corrupt)?;
        let target = ExclusionTarget::parse(target).ok_or_else(corrupt)?;
        let aggregate = Aggregate { shop_id: Id::stored(shop_id), kind, id: Id::stored(id) };
        exclusions.entry(aggregate).or_default().push(Exclusion { target, id: Id::stored(target_id) });
    }
    Ok(exclusions)
}
