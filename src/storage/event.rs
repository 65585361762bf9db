//! Rows of `event`: storing, and loading by aggregate.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
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
             (time, received_at, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data, uncredited)
         select time, $1, seq, key_id, aggregate_kind, type, shop_id, aggregate_id, event_id, data::json, uncredited
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
    /// Whether a key bound to the shop, without `events:relay`, sent it.
    pub is_merchants: bool,
    /// Bytes of its data, which are not loaded where they are many and say nothing that is needed.
    pub data_bytes: usize,
    pub has_data: bool,
}

/// Data of at most so many bytes are loaded even where they say nothing that is needed.
const SMALL_DATA_BYTES: i32 = 1_024;

/// Loads what is stored of aggregates, by key. The answer has one list for each. Large data of an event whose type says it
/// all are loaded only of the events named in `wanted`.
pub(crate) async fn stored(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
    wanted: &[&Id],
) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
    if aggregates.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<(&Aggregate, i64)> = aggregates.iter().map(|aggregate| (*aggregate, i64::MAX)).collect();
    stored_before(connection, &keys, Wanted::Of(wanted)).await
}

/// Loads the events of aggregates that were stored before a number of their stripe, with their data as they were sent.
/// `aggregates` are pairs of an aggregate and that number; the answer has one list for each.
pub(crate) async fn load_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
) -> Result<Vec<Vec<Event>>, StoreError> {
    let stored = stored_before(connection, aggregates, Wanted::All).await?;
    Ok(stored
        .into_iter()
        .map(|stored| stored.into_iter().map(|stored| Arc::unwrap_or_clone(stored.event)).collect())
        .collect())
}

/// Whose large data are loaded, of events whose type says it all.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    All,
    Of(&'a [&'a Id]),
}

async fn stored_before(
    connection: &mut PgConnection,
    aggregates: &[(&Aggregate, i64)],
    wanted: Wanted<'_>,
) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
    let (small_bytes, wanted) = match wanted {
        Wanted::All => (i32::MAX, &[][..]),
        Wanted::Of(ids) => (SMALL_DATA_BYTES, ids),
    };
    let texts = |text: fn(&Aggregate) -> &str| -> Vec<&str> {
        aggregates.iter().map(|(aggregate, _)| text(aggregate)).collect()
    };
    let rows = sqlx::query(
        "select key.ordinal, event.type, event.time, event.event_id,
                case when event.bytes <= $5 or event.type <> all($6) or event.event_id = any($7) then event.data::text end,
                event.seq, event.uncredited, event.bytes,
                event.key_id is not null and exists (
                    select from api_key as sender
                    where sender.key_id = event.key_id and sender.shop_ids is not null
                      and 'events:relay' <> all(sender.scopes))
         from unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, seq, ordinal)
         cross join lateral (
             select type, time, event_id, data, seq, key_id, uncredited, coalesce(octet_length(data::text), 0) as bytes
             from event
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
    .bind(small_bytes)
    .bind(EventType::ALL.iter().filter(|one| one.bare_fact().is_some()).map(|one| one.code()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|id| id.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut loaded = vec![Vec::new(); aggregates.len()];
    for row in rows {
        let index = row.try_get::<i64, _>(0)? as usize - 1;
        let aggregate = aggregates[index].0;
        let (kept, kept_bytes): (Option<String>, i32) = (row.try_get(4)?, row.try_get(7)?);
        let has_data = kept.is_some() || kept_bytes == 0;
        let data = sent_data(aggregate, kept);
        let data_bytes = if has_data { data.len() } else { kept_bytes.unsigned_abs() as usize };
        let is_uncredited = row.try_get::<Option<bool>, _>(6)? == Some(true);
        let event = event_of_row(aggregate, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, (data, is_uncredited))?;
        let (seq, is_merchants) = (row.try_get(5)?, row.try_get(8)?);
        loaded[index].push(StoredEvent { event: Arc::new(event), seq, is_merchants, data_bytes, has_data });
    }
    Ok(loaded)
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
    let rows = sqlx::query(
        "select type, time, event_id, data::text, coalesce(uncredited, false), received_at from event
         where shop_id = $1 collate \"C\" and aggregate_kind = $2 and aggregate_id = $3 collate \"C\"
         order by time, event_id collate \"C\"",
    )
    .bind(aggregate.shop_id.as_str())
    .bind(aggregate.kind.code())
    .bind(aggregate.id.as_str())
    .fetch_all(connection)
    .await?;
    let received = |row: &PgRow| {
        let data = (sent_data(aggregate, row.try_get(3)?), row.try_get(4)?);
        let event = event_of_row(aggregate, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, data)?;
        Ok(ReceivedEvent { event, received_at: row.try_get(5)? })
    };
    rows.iter().map(received).collect()
}

/// Puts an event together from the columns of its row; of the data, also whether they credit nobody.
pub(crate) fn event_of_row(
    aggregate: &Aggregate,
    type_code: i16,
    time: DateTime<Utc>,
    event_id: &str,
    (data, uncredited): (String, bool),
) -> Result<Event, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("event {event_id} of {aggregate:?}"));
    let event_type = EventType::from_code(type_code).ok_or_else(corrupt)?;
    let fact = stored_fact(event_type, &data).ok_or_else(corrupt)?;
    let fact = if uncredited { fact.without_creator() } else { fact };
    Ok(Event { aggregate: aggregate.clone(), id: Id::stored(event_id), time, fact, data, uncredited })
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
            let event =
                event_of_row(&aggregate, 4, DateTime::UNIX_EPOCH, "e", (data.to_owned(), false)).expect("an event");
            let row = NewEvent { event: &event, seq: 1, key_id: None }.kept_data().map(str::to_owned);
            assert_eq!((row.is_some(), sent_data(&aggregate, row)), (kept, data.to_owned()), "{data}");
        }
    }
}
