//! Answers of Shopify's REST API, as they are: orders with their parcels and refunds, parcels, and scans of parcels.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::made::{Steps, paid, refund, scanned};
use crate::connect::connector::Connector;
use crate::connect::making::{Making, read_each};
use crate::connect::members::Members;
use crate::connect::message::{Meaning, Message, OfPart, Part, Unread};
use crate::domain::event_type::EventType;

/// Payments that came, whatever went back later.
const PAID: [&str; 3] = ["paid", "partially_refunded", "refunded"];

/// Reads all answers of a body. `domain`: of the shop, which the answers do not name.
pub(crate) fn read(connector: &Connector, body: &[u8], domain: Option<&str>, now: DateTime<Utc>) -> Vec<Message> {
    read_each(connector, body, domain, |text, shop_id| read_one(text, shop_id, now))
}

fn read_one(text: &str, shop_id: Option<&str>, now: DateTime<Utc>) -> Message {
    let data: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let whole = Members::answered(&data, now);
    let tag =
        ["order", "orders", "fulfillments", "fulfillment_events"].into_iter().find(|name| data.contains_key(*name));
    let no_shop =
        || Unread::new("missing_member", "the answer names no shop; send it with ?shop_id=, the shop's domain");
    let mut parts = Vec::new();
    let meaning = match (shop_id, tag) {
        (None, _) => Err(no_shop()),
        (Some(_), None) => {
            Err(Unread::new("malformed_message", "no answer of an API that is known; it may tell a failure"))
        }
        (Some(shop_id), Some("fulfillment_events")) => scans(&whole, shop_id),
        (Some(shop_id), Some(tag)) => {
            let mut making = Making::new("sh", shop_id.to_owned());
            let read = match tag {
                "fulfillments" => whole.list(tag).try_for_each(|one| parcel(&one, &mut making, &mut parts)),
                _ => whole.list(tag).chain(whole.inside(tag)).try_for_each(|one| order(&one, &mut making, &mut parts)),
            };
            read.map(|()| Meaning::Events(making.events))
        }
    };
    let tag = tag.map_or_else(String::new, str::to_owned);
    let (is_known, text) = (!tag.is_empty(), text.to_owned());
    Message {
        tag,
        is_known,
        id: None,
        text,
        parts,
        tells_state: false,
        meaning: meaning.unwrap_or_else(Meaning::Unread),
    }
}

fn add(making: &mut Making, time: Option<DateTime<Utc>>, order_id: &str, steps: Steps) {
    for (event_type, mut data) in steps {
        data["order_id"] = json!(order_id);
        making.add(event_type, time, data);
    }
}

fn order(order: &Members<'_>, making: &mut Making, parts: &mut Vec<Part>) -> Result<(), Unread> {
    let is_paid = order.text("financial_status").is_some_and(|status| PAID.contains(&status));
    let paid_at = order.moment("processed_at")?.filter(|_| is_paid);
    let cancelled_at = order.moment("cancelled_at")?;
    for line in order.list("line_items") {
        let (order_id, steps) = paid(line)?;
        add(making, paid_at, &order_id, steps);
        add(making, cancelled_at, &order_id, vec![(EventType::OrderCancelled, json!({}))]);
    }
    order.list("fulfillments").try_for_each(|one| parcel(&one, making, parts))?;
    for one in order.list("refunds") {
        let at = one.moment("processed_at")?.or(one.moment("created_at")?);
        for line in one.list("refund_line_items") {
            add(making, at, &line.id("line_item_id")?, refund(&one)?);
        }
    }
    Ok(())
}

fn parcel(parcel: &Members<'_>, making: &mut Making, parts: &mut Vec<Part>) -> Result<(), Unread> {
    if matches!(parcel.text("status"), Some("cancelled" | "error" | "failure")) {
        return Ok(());
    }
    let (shipped_at, told_at) = (parcel.moment("created_at")?, parcel.moment("updated_at")?);
    let told: Steps = scanned(parcel.text("shipment_status"))?.into_iter().collect();
    let lines: Vec<String> = parcel.list("line_items").map(|line| line.id("id")).collect::<Result<_, _>>()?;
    for order_id in &lines {
        add(making, shipped_at, order_id, vec![(EventType::OrderShipped, json!({}))]);
        add(making, told_at, order_id, told.clone());
    }
    parts.extend(Part::new(&making.shop_id, format!("fulfillment/{}", parcel.id("id")?), lines));
    Ok(())
}

fn scans(whole: &Members<'_>, shop_id: &str) -> Result<Meaning, Unread> {
    let mut made = Vec::new();
    for scan in whole.list("fulfillment_events") {
        let at = scan.moment("happened_at")?.or(scan.moment("created_at")?);
        let part = format!("fulfillment/{}", scan.id("fulfillment_id")?);
        let mut making = Making::new("sh", shop_id.to_owned());
        if let Some((event_type, data)) = scanned(scan.text("status"))? {
            making.add(event_type, at, data);
        }
        made.extend(making.events.into_iter().map(|event| OfPart { part: part.clone(), event }));
    }
    Ok(Meaning::OfParts(made))
}
