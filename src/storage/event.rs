//! Loading events by their aggregates.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::packed_event::{PackedEvent, unpack};
use super::{StoreError, aggregate};
use crate::domain::event::{Aggregate, Event};

/// An event with its number and sender.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub event: Arc<Event>,
    /// The number of its stripe under which it was stored.
    pub seq: i64,
    /// Whether a key bound to the shop, without `events:relay`, sent it.
    pub is_merchants: bool,
}

/// Loads what is stored of aggregates, by key. The answer has one list for each.
pub(crate) async fn stored(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
    let packed = aggregate::packed(connection, aggregates).await?;
    let mut unpacked = Vec::with_capacity(packed.len());
    for packed in &packed {
        unpacked.push(unpack(packed)?);
    }
    let key_ids: BTreeSet<i32> = unpacked.iter().flatten().filter_map(|one| one.key_id).collect();
    let of_merchants = merchants_keys(connection, key_ids).await?;
    let one = |aggregate: &Aggregate, one: &PackedEvent<'_>| {
        let is_merchants = one.key_id.is_some_and(|key_id| of_merchants.contains(&key_id));
        Ok(StoredEvent { event: Arc::new(one.event(aggregate)?), seq: one.seq, is_merchants })
    };
    let of_aggregate = |(aggregate, events): (&&Aggregate, Vec<PackedEvent<'_>>)| {
        events.iter().map(|event| one(aggregate, event)).collect()
    };
    aggregates.iter().zip(unpacked).map(of_aggregate).collect()
}

/// Of these keys the ones that are bound to shops and may not relay.
async fn merchants_keys(connection: &mut PgConnection, key_ids: BTreeSet<i32>) -> Result<BTreeSet<i32>, StoreError> {
    if key_ids.is_empty() {
        return Ok(key_ids);
    }
    let bound: Vec<i32> = sqlx::query_scalar(
        "select key_id from api_key
         where key_id = any($1) and shop_ids is not null and 'events:relay' <> all(scopes)",
    )
    .bind(key_ids.into_iter().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(bound.into_iter().collect())
}

/// Loads the events of aggregates that were stored before a number of their stripe. `aggregates` are pairs of an aggregate and
/// that number; the answer has one list for each.
pub(crate) async fn load_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<Vec<Vec<Event>>, StoreError> {
    let keys: Vec<&Aggregate> = aggregates.iter().map(|(aggregate, _)| *aggregate).collect();
    let packed = aggregate::packed(connection, &keys).await?;
    let before = |((aggregate, seq), packed): (&(&Aggregate, i64), Vec<u8>)| {
        let known = unpack(&packed)?.into_iter().filter(|one| one.seq < *seq);
        known.map(|one| one.event(aggregate)).collect()
    };
    aggregates.iter().zip(packed).map(before).collect()
}

/// A stored event with its arrival.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedEvent {
    pub event: Event,
    pub received_at: DateTime<Utc>,
}

/// All events of one aggregate, by time.
pub(crate) async fn received_of(
    connection: &mut PgConnection,
    aggregate: &Aggregate,
) -> Result<Vec<ReceivedEvent>, StoreError> {
    let packed = aggregate::packed(connection, &[aggregate]).await?;
    let mut received = Vec::new();
    for one in unpack(&packed[0])? {
        received.push(ReceivedEvent { event: one.event(aggregate)?, received_at: one.received_at });
    }
    received.sort_by(|left, right| left.event.precedence().cmp(&right.event.precedence()));
    Ok(received)
}
