//! Rows of `event`: storing, and loading by aggregate.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::StoreError;
use crate::domain::event::{Aggregate, Event, EventType};
use crate::domain::id::Id;
use crate::domain::parse::stored_fact;

/// An event about to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    pub event: &'a Event,
    /// The number of its stripe.
    pub seq: i64,
    pub key_id: Option<i32>,
}

/// Stores what is not stored yet; returns how many events that were. Identities must differ from each other.
pub async fn insert(
    connection: &mut PgConnection,
    events: &[NewEvent<'_>],
    received_at: DateTime<Utc>,
) -> Result<u64, StoreError> {
    // In key order neighbours share pages of the primary key.
    let mut events: Vec<&NewEvent<'_>> = events.iter().collect();
    events.sort_unstable_by(|left, right| {
        (&left.event.aggregate, &left.event.id).cmp(&(&right.event.aggregate, &right.event.id))
    });
    let texts = |text: fn(&Event) -> &str| -> Vec<&str> { events.iter().map(|new| text(new.event)).collect() };
    let done = sqlx::query(
        "insert into event
             (time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data)
         select time, $1, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data::json
         from unnest($2::timestamptz[], $3::bigint[], $4::integer[], $5::smallint[], $6::smallint[],
                     $7::text[], $8::text[], $9::text[], $10::text[])
             as new (time, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data)
         on conflict do nothing",
    )
    .bind(received_at)
    .bind(events.iter().map(|new| new.event.time).collect::<Vec<_>>())
    .bind(events.iter().map(|new| new.seq).collect::<Vec<_>>())
    .bind(events.iter().map(|new| new.key_id).collect::<Vec<_>>())
    .bind(events.iter().map(|new| new.event.aggregate.kind.code()).collect::<Vec<_>>())
    .bind(events.iter().map(|new| new.event.fact.event_type().code()).collect::<Vec<_>>())
    .bind(texts(|event| event.aggregate.shop_id.as_str()))
    .bind(texts(|event| event.aggregate.id.as_str()))
    .bind(texts(|event| event.id.as_str()))
    .bind(texts(|event| event.data.as_str()))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// What is stored under an identity.
#[derive(Clone, Debug)]
pub struct StoredContent {
    pub seq: i64,
    pub event_type: i16,
    pub time: DateTime<Utc>,
    pub data: String,
}

/// The stored contents of identities, in their order. `None` where nothing is stored.
pub async fn contents(
    connection: &mut PgConnection,
    events: &[&Event],
) -> Result<Vec<Option<StoredContent>>, StoreError> {
    let texts = |text: fn(&Event) -> &str| -> Vec<&str> { events.iter().map(|event| text(event)).collect() };
    let rows = sqlx::query(
        "select key.ordinal, event.seq, event.type, event.time, event.data::text
         from unnest($1::text[], $2::smallint[], $3::text[], $4::text[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, event_id, ordinal)
         cross join lateral (
             select seq, type, time, data from event
             where event.shop_id = key.shop_id collate \"C\"
               and event.aggregate_kind = key.aggregate_kind
               and event.aggregate_id = key.aggregate_id collate \"C\"
               and event.event_id = key.event_id collate \"C\"
             offset 0
         ) event",
    )
    .bind(texts(|event| event.aggregate.shop_id.as_str()))
    .bind(events.iter().map(|event| event.aggregate.kind.code()).collect::<Vec<_>>())
    .bind(texts(|event| event.aggregate.id.as_str()))
    .bind(texts(|event| event.id.as_str()))
    .fetch_all(connection)
    .await?;
    let mut contents = vec![None; events.len()];
    for row in rows {
        let index = row.try_get::<i64, _>(0)? as usize - 1;
        contents[index] = Some(StoredContent {
            seq: row.try_get(1)?,
            event_type: row.try_get(2)?,
            time: row.try_get(3)?,
            data: row.try_get(4)?,
        });
    }
    Ok(contents)
}

/// Loads the events of aggregates that were stored before a number of their stripe. `aggregates` are pairs of an
/// aggregate and that number; the answer has one list for each.
pub async fn load_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<Vec<Vec<Event>>, StoreError> {
    let texts = |text: fn(&Aggregate) -> &str| -> Vec<&str> {
        aggregates.iter().map(|(aggregate, _)| text(aggregate)).collect()
    };
    let rows = sqlx::query(
        "select key.ordinal, event.type, event.time, event.event_id, event.data::text
         from unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, seq, ordinal)
         cross join lateral (
             select type, time, event_id, data from event
             where event.shop_id = key.shop_id collate \"C\"
               and event.aggregate_kind = key.aggregate_kind
               and event.aggregate_id = key.aggregate_id collate \"C\"
               and event.seq < key.seq
             offset 0
         ) event",
    )
    .bind(texts(|aggregate| aggregate.shop_id.as_str()))
    .bind(aggregates.iter().map(|(aggregate, _)| aggregate.kind.code()).collect::<Vec<_>>())
    .bind(texts(|aggregate| aggregate.id.as_str()))
    .bind(aggregates.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut loaded = vec![Vec::new(); aggregates.len()];
    for row in rows {
        let index = row.try_get::<i64, _>(0)? as usize - 1;
        let stored =
            event_of_row(aggregates[index].0, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)?;
        loaded[index].push(stored);
    }
    Ok(loaded)
}

/// Puts an event together from the columns of its row.
pub fn event_of_row(
    aggregate: &Aggregate,
    type_code: i16,
    time: DateTime<Utc>,
    event_id: &str,
    data: String,
) -> Result<Event, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("event {event_id} of {aggregate:?}"));
    let event_type = EventType::from_code(type_code).ok_or_else(corrupt)?;
    let fact = stored_fact(event_type, &data).ok_or_else(corrupt)?;
    Ok(Event { aggregate: aggregate.clone(), id: Id::stored(event_id), time, fact, data })
}

/// Takes back events that this transaction itself stored.
pub async fn delete(connection: &mut PgConnection, events: &[&Event]) -> Result<(), StoreError> {
    let texts = |text: fn(&Event) -> &str| -> Vec<&str> { events.iter().map(|event| text(event)).collect() };
    sqlx::query(
        "delete from event using unnest($1::text[], $2::smallint[], $3::text[], $4::text[])
             as key (shop_id, aggregate_kind, aggregate_id, event_id)
         where event.shop_id = key.shop_id collate \"C\" and event.aggregate_kind = key.aggregate_kind
           and event.aggregate_id = key.aggregate_id collate \"C\" and event.event_id = key.event_id collate \"C\"",
    )
    .bind(texts(|event| event.aggregate.shop_id.as_str()))
    .bind(events.iter().map(|event| event.aggregate.kind.code()).collect::<Vec<_>>())
    .bind(texts(|event| event.aggregate.id.as_str()))
    .bind(texts(|event| event.id.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Groups events by aggregate, each group in the order given.
pub fn by_aggregate<'a>(events: impl Iterator<Item = &'a Event>) -> HashMap<&'a Aggregate, Vec<&'a Event>> {
    let mut groups: HashMap<&Aggregate, Vec<&Event>> = HashMap::new();
    for event in events {
        groups.entry(&event.aggregate).or_default().push(event);
    }
    groups
}
