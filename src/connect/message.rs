//! What a message of a platform becomes, whichever platform it is of.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::domain::content::without_mark;
use crate::domain::event_type::EventType;
use crate::domain::words::words;

/// One message of a request.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// What the platform calls its kind.
    pub tag: String,
    /// Whether the kind is one that the platform's table has.
    pub is_known: bool,
    /// The platform's own id of the message.
    pub id: Option<String>,
    /// As it came.
    pub text: String,
    /// Which orders make up what the platform calls by another id, such as a parcel. Later messages name it alone.
    pub parts: Vec<Part>,
    /// Whether it tells how a product stands, again and again: what was known before is not stored once more.
    pub tells_state: bool,
    pub meaning: Meaning,
}

impl Message {
    /// A message of which nothing could be read.
    pub(super) fn unread(text: String, why: Unread) -> Message {
        Message {
            tag: String::new(),
            is_known: false,
            id: None,
            text,
            parts: Vec::new(),
            tells_state: false,
            meaning: Meaning::Unread(why),
        }
    }

    /// What it names by another id than an order's: shop and part.
    pub(crate) fn wanted_parts(&self) -> impl Iterator<Item = (String, String)> {
        let of_parts = match &self.meaning {
            Meaning::OfParts(of_parts) => of_parts.as_slice(),
            _ => &[],
        };
        of_parts.iter().map(|of_part| (of_part.event.shop_id.clone(), of_part.part.clone()))
    }

    /// Gives the message the orders that it speaks of by another id. `orders_of`: those that are known of one. `room`: how many events
    /// all messages of a request may make so.
    pub(crate) fn resolve(&mut self, orders_of: impl Fn(&(String, String)) -> Option<Vec<String>>, room: &mut usize) {
        let Meaning::OfParts(of_parts) = &mut self.meaning else { return };
        let mut made = Vec::new();
        for OfPart { part, event } in std::mem::take(of_parts) {
            let key = (event.shop_id.clone(), part);
            let Some(orders) = orders_of(&key) else {
                let detail =
                    format!("which orders {} is about is not known: the message that tells it has not come", key.1);
                self.meaning = Meaning::Unread(Unread::new("unknown_part", detail));
                return;
            };
            let Some(left) = room.checked_sub(orders.len()) else {
                let detail = "the request speaks of too many orders; send it in parts";
                self.meaning = Meaning::Unread(Unread::new("too_many", detail));
                return;
            };
            *room = left;
            made.extend(orders.iter().map(|order_id| event.of_order(order_id)));
        }
        self.meaning = Meaning::Events(made);
    }
}

/// The most orders of a part that are known of.
const PART_ORDERS_MAX: usize = 1_000;

/// The orders of what a platform calls by another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub shop_id: String,
    /// Its kind and its id.
    pub name: String,
    pub order_ids: Vec<String>,
}

impl Part {
    /// `None` where there are no orders, or more than anybody sends together.
    pub(super) fn new(shop_id: &str, name: String, order_ids: Vec<String>) -> Option<Part> {
        let is_sound = (1..=PART_ORDERS_MAX).contains(&order_ids.len()) && name.len() <= 256;
        is_sound.then(|| Part { shop_id: shop_id.to_owned(), name, order_ids })
    }
}

/// An event of all orders of what the platform calls by another id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfPart {
    pub part: String,
    /// Without its order, and the beginning of its id.
    pub event: MadeEvent,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Events(Vec<MadeEvent>),
    /// The same, of orders that an earlier message told, see [`Message::resolve`].
    OfParts(Vec<OfPart>),
    /// It is understood, and says nothing that counts.
    Nothing,
    /// It is not understood.
    Unread(Unread),
}

words! {
    /// What becomes of a message.
    pub(crate) enum Fate {
        /// Its events are stored.
        Stored = "stored",
        /// All its events were stored before.
        Repeated = "repeated",
        /// It says nothing that counts.
        Ignored = "ignored",
        /// It, or one of its events, could not be read, and is kept.
        Unread = "unread",
        /// It was not signed, and nothing of it was read.
        Unsigned = "unsigned",
    }
}

/// Why a message is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub code: &'static str,
    pub detail: String,
}

impl Unread {
    pub(super) fn new(code: &'static str, detail: impl Into<String>) -> Unread {
        Unread { code, detail: detail.into() }
    }
}

/// An event that a message makes, not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MadeEvent {
    pub id: String,
    pub event_type: EventType,
    pub shop_id: String,
    pub time: DateTime<Utc>,
    pub data: Map<String, Value>,
}

impl MadeEvent {
    fn of_order(&self, order_id: &str) -> MadeEvent {
        let mut made = self.clone();
        made.id = format!("{}:{order_id}", self.id);
        made.data.insert("order_id".to_owned(), Value::String(order_id.to_owned()));
        made
    }

    /// The event in this service's own form.
    pub(crate) fn value(&self) -> Value {
        let MadeEvent { id, event_type, shop_id, time, data } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({"id": id, "type": event_type.as_str(), "shop_id": shop_id, "time": time, "data": data})
    }
}

/// The members of a list, or the only one.
pub(super) fn split(body: &[u8]) -> Result<Vec<&RawValue>, Box<Message>> {
    let body = without_mark(body);
    let messages = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(body),
        _ => serde_json::from_slice(body).map(|one| vec![one]),
    };
    messages.map_err(|error: serde_json::Error| {
        let text = String::from_utf8_lossy(body).into_owned();
        Box::new(Message::unread(text, Unread::new("malformed_json", format!("the body is not JSON: {error}"))))
    })
}
