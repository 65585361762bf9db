//! Rows of `exclusion`: the ledger of what the platform took out of the score.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

use super::StoreError;
use super::aggregate::packed;
use super::packed_event::{PackedEvent, unpack};
use super::stripe::{HeldStripes, stripe_of};
use crate::domain::event::{Aggregate, AggregateKind, Fact};
use crate::domain::exclusion::{Exclusion, ExclusionTarget};
use crate::domain::fold::excludes;
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
    /// The keys with which it was made and revoked.
    pub key_id: Option<i32>,
    pub revoked_by_key_id: Option<i32>,
    /// Whether an event of the target is stored; see [`match_events`].
    #[sqlx(skip)]
    pub is_matched: bool,
}

const COLUMNS: &str = "exclusion_id, shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason,
    decided_by, note, created_at, revoked_at, revoked_by, revoke_note, key_id, revoked_by_key_id";

impl ExclusionRow {
    /// What the audit trail shows of it.
    pub(crate) fn audited(&self) -> Value {
        let ExclusionRow { target, target_id, order_id, reason, decided_by, note, .. } = self;
        let ExclusionRow { revoked_at, revoked_by, revoke_note, .. } = self;
        json!({
            "target": target, "id": target_id, "order_id": order_id, "reason": reason, "decided_by": decided_by, "note": note,
            "revoked_at": revoked_at, "revoked_by": revoked_by, "revoke_note": revoke_note,
        })
    }

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

/// What tells one entry of the ledger from another while both are active.
type Entry<'a> = (&'a Aggregate, &'a Exclusion);

/// Enters exclusions, none of which is active, each under the number of its stripe. Returns their ids by what they exclude.
pub(crate) async fn insert<'a>(
    connection: &mut PgConnection,
    new: &[&'a NewExclusion],
    held: &HeldStripes,
    key_id: Option<i32>,
    now: DateTime<Utc>,
) -> Result<HashMap<Entry<'a>, i64>, StoreError> {
    let seq = |new: &&NewExclusion| held.get(&stripe_of(&new.aggregate.shop_id)).map_or(0, |stripe| stripe.head);
    let rows: Vec<(i64, String, String, String, Option<String>)> = sqlx::query_as(
        "insert into exclusion (shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason, decided_by, note,
                                seq, created_at, key_id)
         select shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason, decided_by, note, seq, $11, $12
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::bigint[]) with ordinality
             as entry (shop_id, target, target_id, order_id, aggregate_kind, aggregate_id, reason, decided_by, note, seq,
                       ordinal)
         order by ordinal
         returning exclusion_id, shop_id, target, target_id, order_id",
    )
    .bind(new.iter().map(|new| new.aggregate.shop_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.exclusion.target.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.exclusion.id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.order_id.as_ref().map(Id::as_str)).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.aggregate.kind.code()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.aggregate.id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.reason.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.decided_by.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.note.as_deref()).collect::<Vec<_>>())
    .bind(new.iter().map(seq).collect::<Vec<_>>())
    .bind(now)
    .bind(key_id)
    .fetch_all(&mut *connection)
    .await?;
    let mut of_stripes: BTreeMap<i16, i64> = BTreeMap::new();
    new.iter().for_each(|new| *of_stripes.entry(stripe_of(&new.aggregate.shop_id)).or_default() += 1);
    sqlx::query(
        "update stripe set exclusions_made = exclusions_made + made.exclusions
         from unnest($1::smallint[], $2::bigint[]) as made (stripe, exclusions) where stripe.stripe = made.stripe",
    )
    .bind(of_stripes.keys().copied().collect::<Vec<_>>())
    .bind(of_stripes.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    let key =
        |shop_id, target, id, order_id| -> (String, String, String, Option<String>) { (shop_id, target, id, order_id) };
    let mut ids: HashMap<_, i64> = rows
        .into_iter()
        .map(|(exclusion_id, shop_id, target, id, order_id)| (key(shop_id, target, id, order_id), exclusion_id))
        .collect();
    let entered = |new: &&'a NewExclusion| {
        let NewExclusion { aggregate, exclusion, order_id, .. } = *new;
        let (shop_id, target) = (aggregate.shop_id.to_string(), exclusion.target.to_string());
        let id = ids.remove(&key(shop_id, target, exclusion.id.to_string(), order_id.as_ref().map(Id::to_string)))?;
        Some(((aggregate, exclusion), id))
    };
    Ok(new.iter().filter_map(entered).collect())
}

/// The active exclusions among some, with their numbers: id and number by what they exclude.
pub(crate) async fn find_active<'a>(
    connection: &mut PgConnection,
    new: &'a [NewExclusion],
) -> Result<HashMap<Entry<'a>, (i64, i64)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
        "select entry.ordinal, found.exclusion_id, found.seq
         from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
             as entry (shop_id, target, target_id, order_id, ordinal)
         cross join lateral (
             select exclusion_id, seq from exclusion
             where exclusion.shop_id = entry.shop_id collate \"C\" and exclusion.target = entry.target
               and exclusion.target_id = entry.target_id collate \"C\"
               and coalesce(exclusion.order_id, '') = coalesce(entry.order_id, '') and revoked_at is null
             offset 0
         ) found",
    )
    .bind(new.iter().map(|new| new.aggregate.shop_id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.exclusion.target.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.exclusion.id.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.order_id.as_ref().map(Id::as_str)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(by_entry(new.iter(), rows.into_iter().map(|(ordinal, exclusion_id, seq)| (ordinal, (exclusion_id, seq)))))
}

/// Values, given with the places of entries, counted from 1, by what these exclude.
fn by_entry<'a, T>(
    entries: impl Iterator<Item = &'a NewExclusion>,
    placed: impl IntoIterator<Item = (i64, T)>,
) -> HashMap<Entry<'a>, T> {
    let mut placed: HashMap<i64, T> = placed.into_iter().collect();
    let numbered = (1_i64..).zip(entries);
    numbered.filter_map(|(place, new)| Some(((&new.aggregate, &new.exclusion), placed.remove(&place)?))).collect()
}

/// Exclusions by their ids.
pub(crate) async fn of_ids(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<HashMap<i64, ExclusionRow>, StoreError> {
    let rows: Vec<ExclusionRow> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from exclusion where exclusion_id = any($1)")))
            .bind(ids)
            .fetch_all(&mut *connection)
            .await?;
    let rows = match_events(connection, rows).await?;
    Ok(rows.into_iter().map(|row| (row.exclusion_id, row)).collect())
}

pub(crate) async fn get(connection: &mut PgConnection, exclusion_id: i64) -> Result<Option<ExclusionRow>, StoreError> {
    let row = sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from exclusion where exclusion_id = $1")))
        .bind(exclusion_id)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(match_events(connection, row.into_iter().collect()).await?.pop())
}

/// Fills in whether an event of each target is stored: of an order or session any, of a part of an order one that speaks of it.
async fn match_events(
    connection: &mut PgConnection,
    mut rows: Vec<ExclusionRow>,
) -> Result<Vec<ExclusionRow>, StoreError> {
    let aggregates = rows.iter().map(ExclusionRow::aggregate).collect::<Result<BTreeSet<Aggregate>, _>>()?;
    let aggregates: Vec<&Aggregate> = aggregates.iter().collect();
    let mut facts: HashMap<&Aggregate, Vec<Fact>> = HashMap::new();
    for (aggregate, packed) in aggregates.iter().copied().zip(packed(connection, &aggregates).await?) {
        let of_aggregate: Result<Vec<Fact>, StoreError> = unpack(&packed)?.iter().map(PackedEvent::fact).collect();
        facts.insert(aggregate, of_aggregate?);
    }
    for row in &mut rows {
        let target = ExclusionTarget::parse(&row.target)
            .ok_or_else(|| StoreError::Corrupt(format!("exclusion {}", row.exclusion_id)))?;
        let exclusion = Exclusion { target, id: Id::stored(&row.target_id) };
        let known = facts.get(&row.aggregate()?).map(Vec::as_slice).unwrap_or_default();
        row.is_matched = known.iter().any(|fact| excludes(&exclusion, fact));
    }
    Ok(rows)
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
    .fetch_all(&mut *connection)
    .await?;
    match_events(connection, rows).await
}
