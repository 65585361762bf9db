//! Doudian (抖店): message pushes of its open platform. A body is an array of messages, or one of them. Each sub-order of theirs is
//! an order of ours.

mod details;
mod made;
mod tags;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::connector::{Connector, Header};
use super::members::{Members, Said, word};
use super::message::{Meaning, Message, Unread, split};
use super::signature::{SignMethod, hmac_sha256, is_hex_of, md5};

/// Whether `event-sign` is of these bytes: app_key, body and secret, one behind the other.
pub(super) fn is_signed(connector: &Connector, header: Header<'_>, body: &[u8]) -> bool {
    let Some(signature) = header("event-sign") else { return false };
    let signed = [connector.app_key.as_bytes(), body, &connector.secret];
    let wanted = match connector.sign_method {
        SignMethod::Md5 => md5(&signed),
        SignMethod::HmacSha256 => hmac_sha256(&connector.secret, &signed),
    };
    is_hex_of(signature, &wanted)
}

/// A message as it is sent. Ids may be numbers of 19 digits: they are read as texts.
#[derive(Deserialize)]
struct Sent {
    tag: Value,
    #[serde(alias = "msgId")]
    msg_id: Option<Value>,
    #[serde(default)]
    data: Value,
}

/// Reads all messages of a body.
pub(super) fn read(connector: &Connector, body: &[u8], now: DateTime<Utc>) -> Vec<Message> {
    match split(body) {
        Ok(messages) => messages.into_iter().map(|message| read_one(connector, message.get(), now)).collect(),
        Err(message) => vec![*message],
    }
}

pub(super) fn read_details(
    connector: &Connector,
    body: &[u8],
    shop_id: Option<&str>,
    now: DateTime<Utc>,
) -> Vec<Message> {
    details::read(connector, body, shop_id, now)
}

fn read_one(connector: &Connector, text: &str, now: DateTime<Utc>) -> Message {
    let sent: Sent = match serde_json::from_str(text) {
        Ok(sent) => sent,
        Err(error) => {
            return Message::unread(
                text.to_owned(),
                Unread::new("malformed_message", format!("not a message: {error}")),
            );
        }
    };
    let tag = word(&sent.tag).unwrap_or_default();
    let id = sent.msg_id.as_ref().and_then(word);
    let row = tags::row(&tag);
    let meaning = match (row, data_of(sent.data)) {
        (None, _) => Meaning::Unread(Unread::new("unknown_tag", format!("no meaning is known of the tag {tag:?}"))),
        (Some(row), _) if row.says_nothing() => Meaning::Nothing,
        (Some(_), None) => Meaning::Unread(Unread::new("malformed_message", "data is no JSON object")),
        (Some(row), Some(data)) => {
            let prefix = format!("dd:{tag}");
            let members = Members::new(&data, Said { prefix: &prefix, id: id.as_deref(), now });
            made::meaning(connector, row, &members).unwrap_or_else(Meaning::Unread)
        }
    };
    Message { is_known: row.is_some(), tag, id, text: text.to_owned(), parts: Vec::new(), tells_state: false, meaning }
}

/// The data of a message, which come as an object, or as a text that holds one.
fn data_of(data: Value) -> Option<Map<String, Value>> {
    match data {
        Value::Object(members) => Some(members),
        Value::String(text) => serde_json::from_str(text.trim_start_matches('\u{feff}')).ok(),
        _ => None,
    }
}
