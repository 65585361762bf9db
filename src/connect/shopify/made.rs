//! From a row of the table and a message's members to events.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::topics::{Made, Row};
use crate::connect::connector::Connector;
use crate::connect::members::Members;
use crate::connect::message::{MadeEvent, Meaning, OfPart, Part, Unread};
use crate::domain::event::AftersaleReason;
use crate::domain::event_type::EventType;

/// What a message says of one order: types with their data, but for the order, in the order in which they happen.
pub(super) type Steps = Vec<(EventType, Value)>;

/// What a message means; an error where a member is missing or has a value that is not known.
pub(super) fn meaning(
    connector: &Connector,
    row: &Row,
    members: &Members<'_>,
    shop_id: &str,
) -> Result<Meaning, Unread> {
    let making = Making { members, shop_id, time: members.time(row.time)? };
    let nothing = || json!({});
    match row.made {
        Made::Nothing => Ok(Meaning::Nothing),
        Made::Paid => {
            let lines: Vec<(String, Steps)> = members.list("line_items").map(paid).collect::<Result<_, _>>()?;
            making.of_orders(lines)
        }
        Made::Cancelled => {
            making.of_all(ids(members.list("line_items"))?, &vec![(EventType::OrderCancelled, nothing())])
        }
        Made::Parcel => {
            let steps =
                [(EventType::OrderShipped, nothing())].into_iter().chain(scanned(members.text("shipment_status"))?);
            let is_gone = matches!(members.text("status"), Some("cancelled" | "error" | "failure"));
            let steps = if is_gone { Vec::new() } else { steps.collect() };
            making.of_all(ids(members.list("line_items"))?, &steps)
        }
        Made::ParcelStatus => {
            let steps = scanned(members.text("shipment_status"))?.into_iter().collect();
            making.of_all(ids(members.list("line_items"))?, &steps)
        }
        Made::Scan => {
            let steps: Steps = scanned(members.text("status"))?.into_iter().collect();
            making.of_part(format!("fulfillment/{}", members.id("fulfillment_id")?), &steps)
        }
        Made::Refund => {
            let steps = refund(members)?;
            let lines = members.list("refund_line_items").map(|line| line.id("line_item_id"));
            making.of_all(lines.collect::<Result<_, _>>()?, &steps)
        }
        Made::ReturnRequested | Made::ReturnApproved | Made::ReturnDeclined | Made::ReturnCancelled => {
            let steps = returned(connector, row.made, members)?;
            match returned_lines(members)? {
                lines if lines.is_empty() => making.of_part(format!("return/{}", members.id("id")?), &steps),
                lines => making.of_all(lines, &steps),
            }
        }
        Made::Shelf | Made::Gone => {
            let event_type = match (row.made, members.text("status")) {
                (Made::Shelf, Some("active")) => EventType::ProductListed,
                (Made::Shelf, Some("archived" | "draft" | "unlisted")) | (Made::Gone, _) => EventType::ProductDelisted,
                (_, other) => return Err(unknown("status", other)),
            };
            let data = json!({"product_id": members.id("id")?});
            let data = data.as_object().cloned().unwrap_or_default();
            Ok(Meaning::Events(vec![making.event(members.event_id(0)?, event_type, data)]))
        }
    }
}

/// Which orders a parcel or a return is about: later messages name it alone.
pub(super) fn part(row: &Row, members: &Members<'_>, shop_id: &str) -> Option<Part> {
    let (name, lines) = match row.made {
        Made::Parcel | Made::ParcelStatus => ("fulfillment", ids(members.list("line_items"))),
        Made::ReturnRequested | Made::ReturnApproved => ("return", returned_lines(members)),
        _ => return None,
    };
    Part::new(shop_id, format!("{name}/{}", members.id("id").ok()?), lines.ok()?)
}

/// Events on their way, all of one moment.
struct Making<'a> {
    members: &'a Members<'a>,
    shop_id: &'a str,
    time: DateTime<Utc>,
}

impl Making<'_> {
    fn event(&self, id: String, event_type: EventType, data: Map<String, Value>) -> MadeEvent {
        MadeEvent { id, event_type, shop_id: self.shop_id.to_owned(), time: self.time, data }
    }

    fn of_orders(&self, orders: Vec<(String, Steps)>) -> Result<Meaning, Unread> {
        let mut made = Vec::new();
        for (order_id, steps) in orders {
            for (step, (event_type, mut data)) in steps.into_iter().enumerate() {
                data["order_id"] = json!(order_id);
                let data = data.as_object().cloned().unwrap_or_default();
                made.push(self.event(self.members.event_id_of(&order_id, step)?, event_type, data));
            }
        }
        Ok(if made.is_empty() { Meaning::Nothing } else { Meaning::Events(made) })
    }

    fn of_all(&self, orders: Vec<String>, steps: &Steps) -> Result<Meaning, Unread> {
        self.of_orders(orders.into_iter().map(|order_id| (order_id, steps.clone())).collect())
    }

    fn of_part(&self, part: String, steps: &Steps) -> Result<Meaning, Unread> {
        let base = self.members.message_id()?;
        let of_part = |(step, (event_type, data)): (usize, &(EventType, Value))| {
            let data = data.as_object().cloned().unwrap_or_default();
            OfPart { part: part.clone(), event: self.event(format!("{base}:{step}"), *event_type, data) }
        };
        let made: Vec<OfPart> = steps.iter().enumerate().map(of_part).collect();
        Ok(if made.is_empty() { Meaning::Nothing } else { Meaning::OfParts(made) })
    }
}

fn unknown(name: &str, value: Option<&str>) -> Unread {
    Unread::new("unknown_value", format!("{name} is {:?}, of which no meaning is known", value.unwrap_or_default()))
}

/// The ids of line items, each once.
fn ids<'a>(lines: impl Iterator<Item = Members<'a>>) -> Result<Vec<String>, Unread> {
    let mut ids: Vec<String> = lines.map(|line| line.id("id")).collect::<Result<_, _>>()?;
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    Ok(ids)
}

/// The payment of a line item. What is not shipped is virtual.
pub(super) fn paid(line: Members<'_>) -> Result<(String, Steps), Unread> {
    let mut data = json!({});
    if let Ok(product_id) = line.id("product_id") {
        data["product_id"] = json!(product_id);
    }
    if line.is("requires_shipping") == Some(false) {
        data["kind"] = json!("virtual");
        data["needs_shipping"] = json!(false);
    }
    Ok((line.id("id")?, vec![(EventType::OrderPaid, data)]))
}

/// What a carrier's status says.
pub(super) fn scanned(status: Option<&str>) -> Result<Option<(EventType, Value)>, Unread> {
    match status {
        Some("in_transit" | "picked_up" | "carrier_picked_up") => Ok(Some((EventType::OrderPickedUp, json!({})))),
        Some("delivered") => Ok(Some((EventType::OrderSigned, json!({})))),
        // Before the parcel left, on its last mile, or in trouble.
        None
        | Some(
            "label_printed" | "label_purchased" | "confirmed" | "submitted" | "ready_for_pickup" | "out_for_delivery"
            | "attempted_delivery" | "not_delivered" | "delayed" | "failure" | "canceled",
        ) => Ok(None),
        other => Err(unknown("status", other)),
    }
}

/// A refund ends its return; one that has none is a case of its own.
pub(super) fn refund(members: &Members<'_>) -> Result<Steps, Unread> {
    let refunded = |aftersale_id: String| {
        (EventType::AftersaleCompleted, json!({"aftersale_id": aftersale_id, "outcome": "refunded"}))
    };
    match members.inside("return") {
        Some(of_return) => Ok(vec![refunded(format!("return-{}", of_return.id("id")?))]),
        None => {
            let id = format!("refund-{}", members.id("id")?);
            let opened = json!({"aftersale_id": id, "kind": "refund_only", "reason": "other"});
            Ok(vec![(EventType::AftersaleOpened, opened), refunded(id)])
        }
    }
}

fn returned(connector: &Connector, made: Made, members: &Members<'_>) -> Result<Steps, Unread> {
    let id = format!("return-{}", members.id("id")?);
    let reason = members.list("return_line_items").find_map(|line| line.text("return_reason").map(str::to_owned));
    let opened = || {
        let reason = reason_of(connector, reason.as_deref()).as_str();
        (EventType::AftersaleOpened, json!({"aftersale_id": id, "kind": "return_refund", "reason": reason}))
    };
    let responded = || (EventType::AftersaleMerchantResponded, json!({"aftersale_id": id}));
    let completed = |outcome| (EventType::AftersaleCompleted, json!({"aftersale_id": id, "outcome": outcome}));
    Ok(match made {
        Made::ReturnRequested => vec![opened()],
        // The merchant may have made it: then nothing else opens it. One that the buyer asked for was open before, and the first
        // opening counts.
        Made::ReturnApproved if members.list("return_line_items").next().is_some() => vec![opened(), responded()],
        Made::ReturnApproved => vec![responded()],
        Made::ReturnDeclined => vec![responded(), completed("rejected")],
        _ => vec![completed("withdrawn")],
    })
}

fn returned_lines(members: &Members<'_>) -> Result<Vec<String>, Unread> {
    let line = |line: Members<'_>| line.inside("fulfillment_line_item")?.inside("line_item").map(|line| line.id("id"));
    members.list("return_line_items").filter_map(line).collect()
}

/// What the connector's file says of the word, else what it means by itself.
fn reason_of(connector: &Connector, word: Option<&str>) -> AftersaleReason {
    let word = word.unwrap_or_default().to_ascii_lowercase();
    connector.reasons.get(&word).copied().unwrap_or(match word.as_str() {
        "defective" | "not_as_described" => AftersaleReason::Quality,
        "wrong_item" => AftersaleReason::WrongItem,
        "unwanted" | "size_too_small" | "size_too_large" | "style" | "color" => AftersaleReason::NoLongerWanted,
        _ => AftersaleReason::Other,
    })
}
