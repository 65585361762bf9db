//! Finding the orders and sessions of a subject that facts or exclusions changed between two moments.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::record::creator_condition;
use super::stripe::Heads;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// The aggregates of a subject of which an event or an exclusion came, or an exclusion went, after the earlier heads and up to
/// the later ones; at most `limit`.
pub(crate) async fn touched(
    connection: &mut PgConnection,
    subject: &Subject,
    (earlier, later): (&Heads, &Heads),
    limit: usize,
) -> Result<BTreeSet<Aggregate>, StoreError> {
    let (low, high) = match subject.kind {
        SubjectKind::Shop => (earlier.of(&subject.id), later.of(&subject.id)),
        // A creator's shops are in all stripes; each is looked at by its own numbers further down.
        SubjectKind::Creator => (earlier.numbers.iter().min().copied().unwrap_or_default(), i64::MAX),
    };
    let rows = sqlx::query(AssertSqlSafe(statement(subject.kind)))
        .bind(subject.id.as_str())
        .bind(low)
        .bind(high)
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    let mut touched = BTreeSet::new();
    for row in rows {
        let (shop_id, kind, id): (&str, i16, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let kind = AggregateKind::from_code(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("aggregate kind {kind} of shop {shop_id}")))?;
        let shop_id = Id::stored(shop_id);
        let numbers: Vec<i64> = row.try_get(3)?;
        let between = |number: &i64| (earlier.of(&shop_id) + 1..=later.of(&shop_id)).contains(number);
        if numbers.iter().any(between) {
            touched.insert(Aggregate { shop_id, kind, id: Id::stored(id) });
        }
    }
    Ok(touched)
}

/// The orders and sessions with the numbers of what changed them: of a shop by its key, of a creator by the index of those that
/// ever named it.
fn statement(kind: SubjectKind) -> String {
    let (orders, sessions) = (AggregateKind::Order.code(), AggregateKind::Session.code());
    let named = match kind {
        SubjectKind::Shop => format!(
            "select shop_id, aggregate_kind, aggregate_id, seq from event
             where shop_id = $1 collate \"C\" and aggregate_kind in ({orders}, {sessions}) and seq > $2 and seq <= $3
             union all
             select shop_id, aggregate_kind, aggregate_id, unnest(array[seq, revoked_seq]) from exclusion
             where shop_id = $1 collate \"C\" and (seq > $2 or revoked_seq > $2)"
        ),
        SubjectKind::Creator => format!(
            "with named as materialized (
                 select distinct shop_id, aggregate_kind, aggregate_id from event where {creator} = $1
             )
             select shop_id, aggregate_kind, aggregate_id, seq from named cross join lateral (
                 select seq from event
                 where event.shop_id = named.shop_id and event.aggregate_kind = named.aggregate_kind
                   and event.aggregate_id = named.aggregate_id and seq > $2 and seq <= $3
                 offset 0
             ) as event
             union all
             select exclusion.shop_id, aggregate_kind, aggregate_id, unnest(array[seq, revoked_seq])
             from named join exclusion using (shop_id, aggregate_kind, aggregate_id)
             where seq > $2 or revoked_seq > $2",
            creator = creator_condition()
        ),
    };
    format!(
        "select shop_id, aggregate_kind, aggregate_id, array_agg(distinct seq) filter (where seq is not null)
         from ({named}) as changed group by 1, 2, 3 limit $4"
    )
}
