//! Rows of `exclusion`: the ledger of what the platform took out of the score.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

use super::StoreError;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::exclusion::{Exclusion, ExclusionTarget};
use crate::domain::id::Id;

/// An exclusion with its revocation, if it was revoked.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ExclusionRow {
    pub exclusion_id: i64,
    pub shop_id: String,
    pub target: String,
    pub target_id: String,
    pub order_id: Option<String>,
    pub aggregate_kind: i16,
    pub aggregate_id: String,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
    pub revoke_note: Option<String>,
    /// Whether an event of the target is stored.
    pub is_matched: bool,
}

/// Of a target inside an order, one of whose events names it by a member of `data`; of an order or session, any event.
const COLUMNS: &str = "exclusion_id, shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason,
    decided_by, note, created_at, revoked_at, revoked_by, revoke_note,
    exists (
        select from event
        where event.shop_id = exclusion.shop_id and event.aggregate_kind = exclusion.aggregate_kind
          and event.aggregate_id = exclusion.aggregate_id
          and (exclusion.order_id is null or event.data ->> (exclusion.target || '_id') = exclusion.target_id)
    ) as is_matched";

impl ExclusionRow {
    pub(crate) fn aggregate(&self) -> Result<Aggregate, StoreError> {
        let kind = AggregateKind::from_code(self.aggregate_kind)
            .ok_or_else(|| StoreError::Corrupt(format!("exclusion {}", self.exclusion_id)))?;
        Ok(Aggregate { shop_id: Id::stored(&self.shop_id), kind, id: Id::stored(&self.aggregate_id) })
    }
}

/// A new entry of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct NewExclusion {
    pub aggregate: Aggregate,
    pub exclusion: Exclusion,
    pub order_id: Option<Id>,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewExclusion,
    seq: i64,
    now: DateTime<Utc>,
) -> Result<ExclusionRow, StoreError> {
    let row = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into exclusion (shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason, decided_by,
                                note, created_at, seq)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning {COLUMNS}"
    )))
    .bind(new.aggregate.shop_id.as_str())
    .bind(new.exclusion.target.as_str())
    .bind(new.exclusion.id.as_str())
    .bind(new.order_id.as_ref().map(Id::as_str))
    .bind(new.aggregate.kind.code())
    .bind(new.aggregate.id.as_str())
    .bind(&new.reason)
    .bind(&new.decided_by)
    .bind(&new.note)
    .bind(now)
    .bind(seq)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("update stripe set exclusions_made = exclusions_made + 1 where stripe = $1")
        .bind(super::stripe::stripe_of(&new.aggregate.shop_id))
        .execute(connection)
        .await?;
    Ok(row)
}

/// The active exclusion of the same target with its number, if there is one.
pub(crate) async fn find_active(
    connection: &mut PgConnection,
    new: &NewExclusion,
) -> Result<Option<(i64, i64)>, StoreError> {
    let found = sqlx::query_as(
        "select exclusion_id, seq from exclusion
         where shop_id = $1 and target = $2 and target_id = $3 and coalesce(order_id, '') = coalesce($4, '')
           and revoked_at is null",
    )
    .bind(new.aggregate.shop_id.as_str())
    .bind(new.exclusion.target.as_str())
    .bind(new.exclusion.id.as_str())
    .bind(new.order_id.as_ref().map(Id::as_str))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

pub(crate) async fn get(connection: &mut PgConnection, exclusion_id: i64) -> Result<Option<ExclusionRow>, StoreError> {
    let row = sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from exclusion where exclusion_id = $1")))
        .bind(exclusion_id)
        .fetch_optional(connection)
        .await?;
    Ok(row)
}

/// Who revokes it, and why.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocation {
    pub revoked_by: Option<String>,
    pub note: Option<String>,
}

/// Marks an exclusion as revoked; one that was revoked before stays as it is.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    exclusion_id: i64,
    revocation: &Revocation,
    seq: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update exclusion set revoked_at = $2, revoked_by = $3, revoke_note = $4, revoked_seq = $5
         where exclusion_id = $1 and revoked_at is null",
    )
    .bind(exclusion_id)
    .bind(now)
    .bind(&revocation.revoked_by)
    .bind(&revocation.note)
    .bind(seq)
    .execute(connection)
    .await?;
    Ok(())
}

/// Which exclusions to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExclusionFilter {
    pub shop_id: Option<Id>,
    pub active: Option<bool>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i64>,
    pub limit: i64,
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &ExclusionFilter,
) -> Result<Vec<ExclusionRow>, StoreError> {
    let rows = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from exclusion
         where ($1::text is null or shop_id = $1 collate \"C\")
           and ($2::boolean is null or (revoked_at is null) = $2)
           and ($3::bigint is null or exclusion_id < $3)
         order by exclusion_id desc limit $4"
    )))
    .bind(filter.shop_id.as_ref().map(Id::as_str))
    .bind(filter.active)
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

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
