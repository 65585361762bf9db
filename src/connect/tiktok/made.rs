//! From a message's members to events.

use serde_json::{Value, json};

use super::types::{CaseStep, Made, of_order, of_product, of_return};
use crate::connect::members::Members;
use crate::connect::message::{MadeEvent, Meaning, Unread};
use crate::domain::event::{AftersaleKind, AftersaleReason};
use crate::domain::event_type::EventType;

/// What a message means; an error where a member is missing or has a value that is not known.
pub(super) fn meaning(made: Made, members: &Members<'_>, shop_id: &str) -> Result<Meaning, Unread> {
    let of_status = |read: fn(&str) -> Option<Option<EventType>>, name: &str| {
        let status = members.text(name).unwrap_or_default();
        read(status).ok_or_else(|| unknown(name, status))
    };
    let said = match made {
        Made::Nothing => None,
        Made::Order => {
            let data = json!({"order_id": members.id("order_id")?});
            of_status(of_order, "order_status")?.map(|event_type| (event_type, data))
        }
        Made::Product => {
            let data = json!({"product_id": members.id("product_id")?});
            of_status(of_product, "status")?.map(|event_type| (event_type, data))
        }
        Made::Return => {
            let status = members.text("return_status").unwrap_or_default();
            let step = of_return(status).ok_or_else(|| unknown("return_status", status))?;
            Some(case(step, members, AftersaleReason::Other)?)
        }
    };
    let Some((event_type, data)) = said else { return Ok(Meaning::Nothing) };
    let time = members.time(&["update_time", "create_time"])?;
    let (id, data) = (members.event_id(0)?, data.as_object().cloned().unwrap_or_default());
    Ok(Meaning::Events(vec![MadeEvent { id, event_type, shop_id: shop_id.to_owned(), time, data }]))
}

pub(super) fn unknown(name: &str, value: &str) -> Unread {
    Unread::new("unknown_value", format!("{name} is {value:?}, of which no meaning is known"))
}

/// A step of a case: `order_id`, `return_id` and, where it opens, `return_type`.
pub(super) fn case(
    step: CaseStep,
    members: &Members<'_>,
    reason: AftersaleReason,
) -> Result<(EventType, Value), Unread> {
    let mut data = json!({"order_id": members.id("order_id")?, "aftersale_id": members.id("return_id")?});
    let event_type = match step {
        CaseStep::Opened => {
            let kind = match members.text("return_type").unwrap_or_default() {
                "REFUND" => AftersaleKind::RefundOnly,
                "RETURN_AND_REFUND" => AftersaleKind::ReturnRefund,
                "REPLACEMENT" => AftersaleKind::Exchange,
                other => return Err(unknown("return_type", other)),
            };
            data["kind"] = json!(kind.as_str());
            data["reason"] = json!(reason.as_str());
            EventType::AftersaleOpened
        }
        CaseStep::Responded => EventType::AftersaleMerchantResponded,
        CaseStep::AwaitingMerchant => EventType::AftersaleAwaitingMerchant,
        CaseStep::Completed(outcome) => {
            data["outcome"] = json!(outcome);
            EventType::AftersaleCompleted
        }
    };
    Ok((event_type, data))
}
