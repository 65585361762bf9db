//! What a message of a platform becomes, whichever platform it is of.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

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
    pub meaning: Meaning,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Events(Vec<MadeEvent>),
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
    /// The event in this service's own form.
    pub(crate) fn value(&self) -> Value {
        let MadeEvent { id, event_type, shop_id, time, data } = self;
        let time = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        json!({"id": id, "type": event_type.as_str(), "shop_id": shop_id, "time": time, "data": data})
    }
}
