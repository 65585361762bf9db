//! Rows of `event`: storing, and loading by aggregate.

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

/// Stores events of which none is stored yet; the caller holds their stripes and has looked. Identities must differ.
pub async fn insert(
    connection: &mut PgConnection,
    events: &[NewEvent<'_>],
    received_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    // In key order neighbours share pages of the primary key.
    let mut events: Vec<&NewEvent<'_>> = events.iter().collect();
    events.sort_unstable_by(|left, right| {
        (&left.event.aggregate, &left.event.id).cmp(&(&right.event.aggregate, &right.event.id))
    });
    let texts = |text: fn(&Event) -> &str| -> Vec<&str> { events.iter().map(|new| text(new.event)).collect() };
    sqlx::query(
        "insert into event
             (time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data)
         select time, $1, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data::json
         from unnest($2::timestamptz[], $3::bigint[], $4::integer[], $5::smallint[], $6::smallint[],
                     $7::text[], $8::text[], $9::text[], $10::text[])
             as new (time, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data)",
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
    Ok(())
}

/// An event with the number of its stripe under which it was stored.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub event: Event,
    pub seq: i64,
}

/// Loads the events of aggregates that were stored before a number of their stripe. `aggregates` are pairs of an
/// aggregate and that number; the answer has one list for each.
pub async fn load_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
    let texts = |text: fn(&Aggregate) -> &str| -> Vec<&str> {
        aggregates.iter().map(|(aggregate, _)| text(aggregate)).collect()
    };
    let rows = sqlx::query(
        "select key.ordinal, event.type, event.time, event.event_id, event.data::text, event.seq
         from unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, seq, ordinal)
         cross join lateral (
             select type, time, event_id, data, seq from event
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
        let event =
            event_of_row(aggregates[index].0, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?)?;
        loaded[index].push(StoredEvent { event, seq: row.try_get(5)? });
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

/// Deletes events by identity: those that this transaction itself stored and takes back, or ones that are not kept any
/// more.
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
