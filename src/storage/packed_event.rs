//! Events as bytes in the row of their aggregate. What one transaction stored is a chunk, and chunks are appended:
//!
//! ```text
//! chunk  version (1 byte), number of events, number of the stripe, receipt (microseconds since 1970), events
//! event  type (1 byte), flags (1 byte), time (how long before the receipt), key (-1 for none), id, data where they are kept
//! ```
//!
//! Numbers are packed as in `packing`; ids and data are a length and UTF-8. The SQL function `unpacked_events` reads the same.

use chrono::{DateTime, Utc};

use super::StoreError;
use super::packing::{Packed, put};
use crate::domain::event::{Aggregate, Event, EventType, Fact};
use crate::domain::id::Id;
use crate::domain::parse::stored_fact;

/// Of the layout above.
const VERSION: u8 = 1;
/// The creator that the data name is not credited.
const UNCREDITED: u8 = 1;
/// Data are kept: they say more than the row does.
const WITH_DATA: u8 = 2;
/// The time is told in seconds, as most senders do, and not in microseconds.
const IN_SECONDS: u8 = 4;
const MICROS: i64 = 1_000_000;

/// The data of an event that says no more than which aggregate it is about, in its plainest form.
fn plain_data(aggregate: &Aggregate) -> String {
    format!("{{\"{}\":\"{}\"}}", aggregate.kind.field(), aggregate.id)
}

/// The data of an event as it was sent, from what is kept of it.
pub(super) fn sent_data(aggregate: &Aggregate, kept: Option<String>) -> String {
    kept.unwrap_or_else(|| plain_data(aggregate))
}

/// An event about to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewEvent<'a> {
    pub event: &'a Event,
    pub received_at: DateTime<Utc>,
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

/// An event as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedEvent<'a> {
    pub type_code: i16,
    pub time: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    /// The number of the shop's stripe under which it was stored.
    pub seq: i64,
    pub key_id: Option<i32>,
    pub uncredited: bool,
    pub event_id: &'a str,
    /// `None` where they name the aggregate and nothing else, in their plainest form.
    pub data: Option<&'a str>,
}

impl PackedEvent<'_> {
    /// What it says, as far as its type and its data tell.
    pub(crate) fn fact(&self) -> Result<Fact, StoreError> {
        // Where nothing is kept, it names its aggregate, whichever that is.
        let kind = EventType::from_code(self.type_code).and_then(EventType::aggregate_kind);
        let plain = || kind.map(|kind| format!("{{\"{}\":\"-\"}}", kind.field()));
        let data = self.data.map(str::to_owned).or_else(plain);
        let fact = data.and_then(|data| fact_of(self.type_code, &data, self.uncredited));
        fact.ok_or_else(|| StoreError::Corrupt(format!("event {}", self.event_id)))
    }

    pub(crate) fn event(&self, aggregate: &Aggregate) -> Result<Event, StoreError> {
        let data = (sent_data(aggregate, self.data.map(str::to_owned)), self.uncredited);
        event_of_row(aggregate, self.type_code, self.time, self.event_id, data)
    }
}

/// What an event of a type with these data says, crediting nobody where it is not to.
fn fact_of(type_code: i16, data: &str, uncredited: bool) -> Option<Fact> {
    let fact = stored_fact(EventType::from_code(type_code)?, data)?;
    Some(if uncredited { fact.without_creator() } else { fact })
}

/// Puts an event together from the columns of its row; of the data, also whether they credit nobody.
pub(crate) fn event_of_row(
    aggregate: &Aggregate,
    type_code: i16,
    time: DateTime<Utc>,
    event_id: &str,
    (data, uncredited): (String, bool),
) -> Result<Event, StoreError> {
    let fact = fact_of(type_code, &data, uncredited)
        .ok_or_else(|| StoreError::Corrupt(format!("event {event_id} of {aggregate:?}")))?;
    Ok(Event { aggregate: aggregate.clone(), id: Id::stored(event_id), time, fact, data, uncredited })
}

/// Packs events, which stand in the order of arrival.
pub(crate) fn pack(events: &[NewEvent<'_>]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(events.len() * 48);
    for chunk in events.chunk_by(|left, right| (left.seq, left.received_at) == (right.seq, right.received_at)) {
        let received_at = chunk[0].received_at.timestamp_micros();
        packed.push(VERSION);
        put(&mut packed, chunk.len() as i64);
        put(&mut packed, chunk[0].seq);
        put(&mut packed, received_at);
        chunk.iter().for_each(|new| put_event(&mut packed, new, received_at));
    }
    packed
}

fn put_event(packed: &mut Vec<u8>, new: &NewEvent<'_>, received_at: i64) {
    let event = new.event;
    let (time, data) = (event.time.timestamp_micros(), new.kept_data());
    let is_whole = time.rem_euclid(MICROS) == 0;
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    // Codes of types count up from 1.
    packed.push(event.fact.event_type().code() as u8);
    packed.push(flag(event.uncredited, UNCREDITED) | flag(data.is_some(), WITH_DATA) | flag(is_whole, IN_SECONDS));
    let before = if is_whole { received_at.div_euclid(MICROS) - time.div_euclid(MICROS) } else { received_at - time };
    put(packed, before);
    put(packed, new.key_id.map_or(-1, i64::from));
    put_text(packed, event.id.as_str());
    if let Some(data) = data {
        put_text(packed, data);
    }
}

fn put_text(packed: &mut Vec<u8>, text: &str) {
    put(packed, text.len() as i64);
    packed.extend_from_slice(text.as_bytes());
}

/// The events of an aggregate, in the order of arrival.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<PackedEvent<'_>>, StoreError> {
    let mut reader = Packed { rest: packed };
    let mut events = Vec::with_capacity(packed.len() / 32 + 1);
    while !reader.rest.is_empty() {
        take_chunk(&mut reader, &mut events).ok_or_else(|| StoreError::Corrupt("packed events".to_owned()))?;
    }
    Ok(events)
}

fn take_chunk<'a>(reader: &mut Packed<'a>, events: &mut Vec<PackedEvent<'a>>) -> Option<()> {
    if reader.byte()? != VERSION {
        return None;
    }
    let (count, seq, received_at) = (reader.number()?, reader.number()?, reader.number()?);
    for _ in 0..count {
        let (type_code, flags) = (i16::from(reader.byte()?), reader.byte()?);
        let before = reader.number()?;
        let time = if flags & IN_SECONDS == 0 {
            received_at.checked_sub(before)?
        } else {
            received_at.div_euclid(MICROS).checked_sub(before)?.checked_mul(MICROS)?
        };
        let key_id = i32::try_from(reader.number()?).ok()?;
        let event_id = take_text(reader)?;
        let data = if flags & WITH_DATA == 0 { None } else { Some(take_text(reader)?) };
        events.push(PackedEvent {
            type_code,
            time: DateTime::from_timestamp_micros(time)?,
            received_at: DateTime::from_timestamp_micros(received_at)?,
            seq,
            key_id: (key_id >= 0).then_some(key_id),
            uncredited: flags & UNCREDITED != 0,
            event_id,
            data,
        });
    }
    Some(())
}

fn take_text<'a>(reader: &mut Packed<'a>) -> Option<&'a str> {
    let length = usize::try_from(reader.number()?).ok()?;
    std::str::from_utf8(reader.bytes(length)?).ok()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{NewEvent, event_of_row, pack, sent_data, unpack};
    use crate::domain::event::{Aggregate, AggregateKind, Event};
    use crate::domain::id::Id;
    fn order() -> Aggregate {
        Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored("o-1") }
    }

    fn event(code: i16, id: &str, time: &str, data: &str, uncredited: bool) -> Event {
        let time: DateTime<Utc> = time.parse().expect("a time");
        event_of_row(&order(), code, time, id, (data.to_owned(), uncredited)).expect("an event")
    }

    #[test]
    fn events_come_back_as_they_were_in_the_order_of_arrival() {
        let plain = r#"{"order_id":"o-1"}"#;
        let events = [
            event(1, "e-1", "2026-11-10T08:00:00Z", r#"{"order_id":"o-1","creator_id":"c","备注":"x"}"#, true),
            event(4, "e-2", "2026-11-12T23:59:59.999999Z", plain, false),
            event(5, "e-3", "1969-12-31T23:59:59.000001Z", plain, false),
            event(3, "e-4", "2030-01-01T00:00:00Z", plain, false),
            event(1, "e-5", "2026-11-10T08:00:00Z", plain, false),
        ];
        let received: DateTime<Utc> = "2026-11-13T00:00:00.5Z".parse().expect("a time");
        let new = |index: usize, seq: i64, key_id: Option<i32>| NewEvent {
            event: &events[index],
            received_at: received + TimeDelta::seconds(seq),
            seq,
            key_id,
        };
        let news =
            [new(1, 7, None), new(0, 7, Some(0)), new(2, 7, Some(i32::MAX)), new(4, 8, None), new(3, 8, Some(12))];
        // As one, and appended by two transactions.
        let whole = pack(&news);
        assert_eq!(whole, [pack(&news[..3]), pack(&news[3..])].concat());
        let unpacked = unpack(&whole).expect("events");
        for (packed, new) in unpacked.iter().zip(&news) {
            let event = packed.event(&order()).expect("an event");
            assert_eq!((&event.id, event.time, &event.data), (&new.event.id, new.event.time, &new.event.data));
            assert_eq!((&event.fact, event.uncredited), (&new.event.fact, new.event.uncredited));
            assert_eq!(packed.fact().expect("a fact"), new.event.fact);
            assert_eq!((packed.seq, packed.received_at, packed.key_id), (new.seq, new.received_at, new.key_id));
        }
        assert_eq!((unpacked.len(), unpacked[0].data.is_none()), (5, true));
    }

    #[test]
    fn bytes_that_are_cut_off_or_of_another_layout_are_no_events() {
        let event = event(4, "e", "2026-11-12T00:00:00Z", r#"{"order_id":"o-1"}"#, false);
        let packed = pack(&[NewEvent { event: &event, received_at: event.time, seq: 1, key_id: None }]);
        for end in 1..packed.len() {
            unpack(&packed[..end]).expect_err("a part");
        }
        unpack(&[packed.as_slice(), &[0]].concat()).expect_err("a remainder");
        unpack(&[&[9], &packed[1..]].concat()).expect_err("another version");
    }

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
            let row = NewEvent { event: &event, received_at: event.time, seq: 1, key_id: None }
                .kept_data()
                .map(str::to_owned);
            assert_eq!((row.is_some(), sent_data(&aggregate, row)), (kept, data.to_owned()), "{data}");
        }
    }
}
