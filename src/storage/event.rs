//! Rows of `event`: storing, and loading by aggregate.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::StoreError;
use crate::domain::event::{Aggregate, Event, EventType};
use crate::domain::id::Id;
use crate::domain::parse::stored_fact;

/// The data of an event that says no more than which aggregate it is about, in its plainest form.
fn plain_data(aggregate: &Aggregate) -> String {
    format!("{{\"{}\":\"{}\"}}", aggregate.kind.field(), aggregate.id)
}

/// The data of an event as it was sent, from what is kept of it.
pub(crate) fn sent_data(aggregate: &Aggregate, kept: Option<String>) -> String {
    kept.unwrap_or_else(|| plain_data(aggregate))
}

/// An event about to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewEvent<'a> {
    pub event: &'a Event,
    /// The number of its stripe.
    pub seq: i64,
    pub key_id: Option<i32>,
}

impl<'a> NewEvent<'a> {
    /// What is kept of the event's data: nothing where the key says it already. An id that JSON would have to escape
    /// makes a text that no sender can have sent, so it is kept.
    pub(crate) fn kept_data(&self) -> Option<&'a str> {
        let Event { aggregate, data, .. } = self.event;
        // The lengths differ first, and most often.
        let plain_length = aggregate.kind.field().len() + aggregate.id.as_str().len() + 7;
        (data.len() != plain_length || *data != plain_data(aggregate)).then_some(data)
    }
}

/// Stores events of which none is stored yet; the caller holds their stripes and has looked. Identities must differ.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    events: &[NewEvent<'_>],
    received_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    // In key order neighbours share pages of the primary key.
    let mut events = events.to_vec();
    events.sort_unstable_by(|left, right| {
        (&left.event.aggregate, &left.event.id).cmp(&(&right.event.aggregate, &right.event.id))
    });
    sqlx::query(
        "insert into event
             (time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data)
         select time, $1, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data::json
         from unnest($2::new_event[])",
    )
    .bind(received_at)
    .bind(events)
    .execute(connection)
    .await?;
    Ok(())
}

/// An event with its row number and arrival.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub event: Arc<Event>,
    /// The number of its stripe under which it was stored.
    pub seq: i64,
}

/// Loads what is stored of aggregates, by key. The answer has one list for each.
pub(crate) async fn stored(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
    if aggregates.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<(&Aggregate, i64)> = aggregates.iter().map(|aggregate| (*aggregate, i64::MAX)).collect();
    stored_before(connection, &keys).await
}

/// Loads the events of aggregates that were stored before a number of their stripe. `aggregates` are pairs of an
/// aggregate and that number; the answer has one list for each.
pub(crate) async fn load_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<Vec<Vec<Event>>, StoreError> {
    let stored = stored_before(connection, aggregates).await?;
    Ok(stored
        .into_iter()
        .map(|stored| stored.into_iter().map(|stored| Arc::unwrap_or_clone(stored.event)).collect())
        .collect())
}

async fn stored_before(
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
        let aggregate = aggregates[index].0;
        let data = sent_data(aggregate, row.try_get(4)?);
        let event = event_of_row(aggregate, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, data)?;
        loaded[index].push(StoredEvent { event: Arc::new(event), seq: row.try_get(5)? });
    }
    Ok(loaded)
}

/// Puts an event together from the columns of its row.
pub(crate) fn event_of_row(
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
pub(crate) async fn delete(connection: &mut PgConnection, events: &[&Event]) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{NewEvent, event_of_row, sent_data};
    use crate::domain::event::{Aggregate, AggregateKind};
    use crate::domain::id::Id;

    #[test]
    fn data_come_back_as_they_were_sent_whether_they_are_kept_or_not() {
        for (id, data, kept) in [
            ("o-1", r#"{"order_id":"o-1"}"#, false),
            ("o-1", r#"{"order_id": "o-1"}"#, true),
            ("o-1", r#"{"order_id":"o-1","x":1}"#, true),
            (r#"o"1"#, r#"{"order_id":"o\"1"}"#, true),
        ] {
            let aggregate = Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored(id) };
            let event = event_of_row(&aggregate, 4, DateTime::UNIX_EPOCH, "e", data.to_owned()).expect("an event");
            let row = NewEvent { event: &event, seq: 1, key_id: None }.kept_data().map(str::to_owned);
            assert_eq!((row.is_some(), sent_data(&aggregate, row)), (kept, data.to_owned()), "{data}");
        }
    }
}
