//! Answers of TikTok Shop's API, as they are: lists of orders and of returns.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::made::case;
use super::types::{CaseStep, of_return};
use crate::connect::connector::Connector;
use crate::connect::making::{Making, answered, read_each};
use crate::connect::members::Members;
use crate::connect::message::{Meaning, Message, Unread};
use crate::domain::event::AftersaleReason;
use crate::domain::event_type::EventType;

/// Reads all answers of a body. `theirs`: the platform's id of the shop, which the answers do not name.
pub(crate) fn read(connector: &Connector, body: &[u8], theirs: Option<&str>, now: DateTime<Utc>) -> Vec<Message> {
    read_each(connector, body, theirs, |text, shop_id| read_one(connector, text, shop_id, now))
}

fn read_one(connector: &Connector, text: &str, shop_id: Option<&str>, now: DateTime<Utc>) -> Message {
    let data = answered(text).unwrap_or_default();
    let whole = Members::answered(&data, now);
    let tag = ["orders", "return_orders"].into_iter().find(|name| data.contains_key(*name));
    let meaning = match (shop_id, tag) {
        (None, _) => {
            let detail = "the answer names no shop; send it with ?shop_id=, the platform's id of the shop";
            Err(Unread::new("missing_member", detail))
        }
        (_, None) => Err(Unread::new("malformed_message", "no answer of an API that is known; it may tell a failure")),
        (Some(shop_id), Some(tag)) => {
            let mut making = Making::new("tt", shop_id.to_owned());
            let read = whole.list(tag).try_for_each(|one| match tag {
                "orders" => order(&one, &mut making),
                _ => returned(connector, &one, &mut making),
            });
            read.map(|()| Meaning::Events(making.events))
        }
    };
    let (tag, text) = (tag.map_or_else(String::new, str::to_owned), text.to_owned());
    let is_known = !tag.is_empty();
    Message {
        tag,
        is_known,
        id: None,
        text,
        parts: Vec::new(),
        tells_state: false,
        meaning: meaning.unwrap_or_else(Meaning::Unread),
    }
}

fn order(order: &Members<'_>, making: &mut Making) -> Result<(), Unread> {
    let order_id = order.id("id")?;
    let plain = || json!({"order_id": order_id});
    let paid = order.moment("paid_time")?;
    making.add(EventType::OrderPaid, paid, plain());
    // An order of several products counts for everything but a product.
    let mut products: Vec<String> = order.list("line_items").filter_map(|line| line.id("product_id").ok()).collect();
    products.dedup();
    if let [product_id] = products.as_slice() {
        making.add(EventType::OrderDescribed, paid, json!({"order_id": order_id, "product_id": product_id}));
    }
    for (member, event_type) in [
        ("rts_time", EventType::OrderShipped),
        ("collection_time", EventType::OrderPickedUp),
        ("delivery_time", EventType::OrderSigned),
        ("cancel_time", EventType::OrderCancelled),
    ] {
        making.add(event_type, order.moment(member)?, plain());
    }
    Ok(())
}

fn returned(connector: &Connector, one: &Members<'_>, making: &mut Making) -> Result<(), Unread> {
    let word = one.text("return_reason").unwrap_or_default();
    let reason = connector.reasons.get(word).copied().unwrap_or(AftersaleReason::Other);
    let mut add = |(event_type, data): (EventType, Value), time| making.add(event_type, time, data);
    add(case(CaseStep::Opened, one, reason)?, one.moment("create_time")?);
    // Steps between have no times of their own.
    if let Some(end @ CaseStep::Completed(_)) = one.text("return_status").and_then(of_return) {
        add(case(end, one, reason)?, one.moment("update_time")?);
    }
    Ok(())
}
