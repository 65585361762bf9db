//! Shopify: webhooks, each with one object as its body and its topic in a header. Each line item of theirs is an order of ours.

mod details;
mod made;
mod topics;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::connector::{Connector, Header};
use super::members::{Members, Said};
use super::message::{Meaning, Message, Unread};
use super::signature::{hmac_sha256, is_base64_of};
use crate::domain::content::without_mark;
pub(super) use details::read as read_details;

/// Whether `X-Shopify-Hmac-Sha256` is of these bytes.
pub(super) fn is_signed(connector: &Connector, header: Header<'_>, body: &[u8]) -> bool {
    let wanted = hmac_sha256(&connector.secret, &[body]);
    header("x-shopify-hmac-sha256").is_some_and(|signature| is_base64_of(signature, &wanted))
}

/// Reads the message of a body and its headers.
pub(super) fn read(connector: &Connector, header: Header<'_>, body: &[u8], now: DateTime<Utc>) -> Message {
    let text = String::from_utf8_lossy(without_mark(body)).into_owned();
    let topic = header("x-shopify-topic").unwrap_or_default().to_owned();
    let id = header("x-shopify-event-id").or_else(|| header("x-shopify-webhook-id")).map(str::to_owned);
    let row = topics::row(&topic);
    let unread = |code, detail: String| Meaning::Unread(Unread::new(code, detail));
    let (mut meaning, mut parts) = (Meaning::Nothing, Vec::new());
    match (row, serde_json::from_str::<Map<String, Value>>(&text)) {
        (None, _) => meaning = unread("unknown_tag", format!("no meaning is known of the topic {topic:?}")),
        (Some(row), _) if row.made == topics::Made::Nothing => {}
        (Some(_), Err(error)) => meaning = unread("malformed_json", format!("the body is no JSON object: {error}")),
        (Some(row), Ok(data)) => {
            let sent = header("x-shopify-triggered-at").and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            let prefix = format!("sh:{topic}");
            let now = sent.map_or(now, |sent| sent.to_utc());
            let members = Members::new(&data, Said { prefix: &prefix, id: id.as_deref(), now });
            let shop_id = header("x-shopify-shop-domain").map(|domain| connector.shop(domain));
            parts.extend(shop_id.as_deref().and_then(|shop_id| made::part(row, &members, shop_id)));
            let no_shop = || Unread::new("missing_member", "the header X-Shopify-Shop-Domain is missing");
            meaning = shop_id
                .ok_or_else(no_shop)
                .and_then(|shop_id| made::meaning(connector, row, &members, &shop_id))
                .unwrap_or_else(Meaning::Unread);
        }
    }
    let tells_state = row.is_some_and(|row| row.made == topics::Made::Shelf);
    Message { is_known: row.is_some(), tag: topic, id, text, parts, tells_state, meaning }
}
