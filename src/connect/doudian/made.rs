//! From a row of the table and a message's data to events.

use serde_json::{Map, Value, json};

use super::tags::{Made, Row};
use crate::connect::connector::Connector;
use crate::connect::members::{Members, word};
use crate::connect::message::{MadeEvent, Meaning, Unread};
use crate::domain::event::{AftersaleKind, AftersaleReason};
use crate::domain::event_type::EventType;

/// What a message means; an error where a member is missing or has a value that is not known.
pub(super) fn meaning(connector: &Connector, row: &Row, members: &Members<'_>) -> Result<Meaning, Unread> {
    let made: Vec<(EventType, Value)> = match row.made {
        Made::Nothing => return Ok(Meaning::Nothing),
        Made::OfOrders(event_type) => of_orders(event_type, members.ids("s_ids")?),
        Made::OfShipped => {
            let shipped = shipped_orders(members);
            of_orders(EventType::OrderShipped, if shipped.is_empty() { members.ids("s_ids")? } else { shipped })
        }
        Made::OfCase(event_type) => vec![(event_type, case(members)?)],
        Made::OfCaseWithKind(event_type) => {
            let mut data = case(members)?;
            data["kind"] = json!(kind(members, "aftersale_type")?.as_str());
            data["reason"] = json!(reason(connector, members).as_str());
            vec![(event_type, data)]
        }
        Made::Completed(outcome) => {
            let mut data = case(members)?;
            data["outcome"] = json!(outcome);
            vec![(EventType::AftersaleCompleted, data)]
        }
        Made::Ruling => {
            let mut data = case(members)?;
            data["liable"] = json!(liable(members)?);
            vec![(EventType::ArbitrationDecided, data)]
        }
        Made::Shelf => match shelf(members) {
            Some(event_type) => vec![(event_type, json!({"product_id": members.id("product_id")?}))],
            None => return Ok(Meaning::Nothing),
        },
    };
    let shop_id = connector.shop(&members.id("shop_id")?);
    let time = members.time(row.time)?;
    let event = |(number, (event_type, data)): (usize, (EventType, Value))| {
        let data = data.as_object().cloned().unwrap_or_default();
        Ok(MadeEvent { id: members.event_id(number)?, event_type, shop_id: shop_id.clone(), time, data })
    };
    made.into_iter().enumerate().map(event).collect::<Result<_, _>>().map(Meaning::Events)
}

fn of_orders(event_type: EventType, order_ids: Vec<String>) -> Vec<(EventType, Value)> {
    order_ids.into_iter().map(|id| (event_type, json!({"order_id": id}))).collect()
}

/// The sub-orders that left, each once.
fn shipped_orders(members: &Members<'_>) -> Vec<String> {
    let listed = members.object("logistics_msg").and_then(|message| message.get("shipped_order_info"));
    let parts = listed.and_then(Value::as_array).into_iter().flatten();
    let mut ids: Vec<String> = Vec::new();
    for id in parts.filter_map(|part| word(part.get("shipped_order_id")?)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn case(members: &Members<'_>) -> Result<Value, Unread> {
    let mut data = Map::new();
    data.insert("order_id".to_owned(), json!(members.id("s_id")?));
    data.insert("aftersale_id".to_owned(), json!(members.id("aftersale_id")?));
    Ok(Value::Object(data))
}

/// The kind of a case, by the member that says it.
pub(super) fn kind(members: &Members<'_>, name: &str) -> Result<AftersaleKind, Unread> {
    match members.number(name) {
        Some(0) => Ok(AftersaleKind::ReturnRefund),
        Some(1 | 2) => Ok(AftersaleKind::RefundOnly),
        Some(3) => Ok(AftersaleKind::Exchange),
        other => Err(Unread::new("unknown_value", format!("{name} is {other:?}; known are 0 to 3"))),
    }
}

/// What the connector's file says of the code.
pub(super) fn reason(connector: &Connector, members: &Members<'_>) -> AftersaleReason {
    let code = members.number("reason_code").map(|code| code.to_string());
    code.and_then(|code| connector.reasons.get(&code).copied()).unwrap_or(AftersaleReason::Other)
}

pub(super) fn liable(members: &Members<'_>) -> Result<&'static str, Unread> {
    match members.number("arbitrate_conclusion") {
        Some(1 | 3) => Ok("merchant"),
        Some(2) => Ok("buyer"),
        other => Err(Unread::new("unknown_value", format!("arbitrate_conclusion is {other:?}; known are 1, 2 and 3"))),
    }
}

/// What happens to a product; `None` for all that leaves the shelf as it is.
fn shelf(members: &Members<'_>) -> Option<EventType> {
    match members.number("event")? {
        9 | 11 => Some(EventType::ProductListed),
        8 | 10 => Some(EventType::ProductDelisted),
        _ => None,
    }
}
