//! TikTok Shop: webhooks, one object a body. An order of theirs is an order of ours.

mod details;
mod made;
mod types;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::connector::{Connector, Header};
use super::members::{Members, Said, word};
use super::message::{Meaning, Message, Unread, split};
use super::signature::{hmac_sha256, is_hex_of};
pub(super) use details::read as read_details;

/// Whether `Authorization` is of these bytes: app_key and body, one behind the other, keyed by the secret.
pub(super) fn is_signed(connector: &Connector, header: Header<'_>, body: &[u8]) -> bool {
    let wanted = hmac_sha256(&connector.secret, &[connector.app_key.as_bytes(), body]);
    header("authorization").is_some_and(|signature| is_hex_of(signature, &wanted))
}

/// A message as it is sent.
#[derive(Deserialize)]
struct Sent {
    r#type: Value,
    tts_notification_id: Option<Value>,
    shop_id: Option<Value>,
    timestamp: Option<Value>,
    #[serde(default)]
    data: Map<String, Value>,
}

/// Reads all messages of a body.
pub(super) fn read(connector: &Connector, body: &[u8], now: DateTime<Utc>) -> Vec<Message> {
    match split(body) {
        Ok(messages) => messages.into_iter().map(|message| read_one(connector, message.get(), now)).collect(),
        Err(message) => vec![*message],
    }
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
    let tag = word(&sent.r#type).unwrap_or_default();
    let id = sent.tts_notification_id.as_ref().and_then(word);
    let row = types::row(&tag);
    let meaning = match row {
        None => Meaning::Unread(Unread::new("unknown_tag", format!("no meaning is known of the type {tag:?}"))),
        Some(types::Made::Nothing) => Meaning::Nothing,
        Some(made) => {
            let second = sent.timestamp.as_ref().and_then(word).and_then(|text| text.parse().ok());
            let now = second.and_then(|second| DateTime::from_timestamp(second, 0)).unwrap_or(now);
            let prefix = format!("tt:{tag}");
            let members = Members::new(&sent.data, Said { prefix: &prefix, id: id.as_deref(), now });
            let shop_id = sent.shop_id.as_ref().and_then(word).map(|theirs| connector.shop(&theirs));
            let no_shop = || Unread::new("missing_member", "shop_id is missing");
            let meaning = shop_id.ok_or_else(no_shop).and_then(|shop_id| made::meaning(made, &members, &shop_id));
            meaning.unwrap_or_else(Meaning::Unread)
        }
    };
    Message { is_known: row.is_some(), tag, id, text: text.to_owned(), parts: Vec::new(), tells_state: false, meaning }
}
