//! Events made of answers of a platform's API. Their ids are made from what they say, so that the same answer again says nothing new.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::connector::Connector;
use super::message::{MadeEvent, Message, split};
use crate::domain::event_type::EventType;
use crate::domain::hex::hex;

/// Events on their way, all of one shop.
pub(super) struct Making {
    /// What ids begin with.
    prefix: &'static str,
    pub shop_id: String,
    pub events: Vec<MadeEvent>,
}

impl Making {
    pub(super) fn new(prefix: &'static str, shop_id: String) -> Making {
        Making { prefix, shop_id, events: Vec::new() }
    }

    /// Adds an event, unless nothing tells when it happened.
    pub(super) fn add(&mut self, event_type: EventType, time: Option<DateTime<Utc>>, data: Value) {
        let Some(time) = time else { return };
        let said = format!("{event_type} {} {data}", time.to_rfc3339_opts(SecondsFormat::Secs, true));
        let order = data.get("order_id").and_then(Value::as_str).unwrap_or_default();
        let id = format!("{}:{event_type}:{order}:{}", self.prefix, &hex(&Sha256::digest(said))[..16]);
        let data = data.as_object().cloned().unwrap_or_default();
        self.events.push(MadeEvent { id, event_type, shop_id: self.shop_id.clone(), time, data });
    }
}

/// Reads all answers of a body by themselves. `theirs`: the platform's id of the shop, which the answers do not name; `read_one` is given
/// ours.
pub(super) fn read_each(
    connector: &Connector,
    body: &[u8],
    theirs: Option<&str>,
    read_one: impl Fn(&str, Option<&str>) -> Message,
) -> Vec<Message> {
    let texts = match split(body) {
        Ok(texts) => texts,
        Err(message) => return vec![*message],
    };
    let shop_id = theirs.map(|theirs| connector.shop(theirs));
    texts.into_iter().map(|text| read_one(text.get(), shop_id.as_deref())).collect()
}

/// The data of an answer, with or without what is around them.
pub(super) fn answered(text: &str) -> Option<Map<String, Value>> {
    let mut whole: Map<String, Value> = serde_json::from_str(text).ok()?;
    match whole.remove("data") {
        Some(Value::Object(data)) => Some(data),
        Some(_) => None,
        None => Some(whole),
    }
}
