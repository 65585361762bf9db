//! Members of an event's `data` that its type does not know: misspelt ones are told to the sender.

use serde_json::{Map, Value};

use super::event::EventType;
use super::fault::{Code, Fault, pointer_to};
use super::fields::{FieldDefinition, Shape};

/// What becomes of members that the event's type does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownMembers {
    Dropped,
    Kept,
}

/// Unknown members of one event that are looked at, and warned of.
pub(crate) const NAMES_MAX: usize = 20;
const WARNINGS_MAX: usize = 5;
/// How alike two names must be.
const LIKENESS_MIN: f64 = 0.9;
/// The least letters of a name that is taken for a part of another.
const PART_MIN: usize = 4;

/// Warnings about members that look like misspelt ones. Nothing is done about the others: a sender may send more than is
/// needed.
pub(crate) fn misspelt(event_type: EventType, data: &Map<String, Value>) -> Vec<Fault> {
    let unknown = data.iter().filter(|(name, value)| !value.is_null() && !event_type.knows(name));
    let unknown: Vec<(&String, &Value)> = unknown.take(NAMES_MAX).collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let mut absent = event_type.definition().fields;
    absent.retain(|field| data.get(field.name).is_none_or(Value::is_null));
    let warning = |(name, value): (&String, &Value)| {
        let meant = absent.iter().find(|field| is_like(field, name, value))?.name;
        let shown: String = name.chars().take(64).collect();
        let detail = format!("{event_type} has no member {shown:?}; did you mean {meant}?");
        Some(Fault::new(pointer_to("/data", name), Code::UnknownMember, detail))
    };
    unknown.into_iter().filter_map(warning).take(WARNINGS_MAX).collect()
}

/// Whether a field is meant: it has nearly the same name, or the value is one of the words that the field takes.
fn is_like(field: &FieldDefinition, name: &str, value: &Value) -> bool {
    let letters =
        |name: &str| name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect();
    let (known, name): (String, String) = (letters(field.name), letters(name));
    let is_part = |one: &str, other: &str| one.len() >= PART_MIN && other.contains(one);
    let takes = |text: &str| matches!(field.shape, Shape::Word(words) if words().contains(&text));
    is_part(&known, &name)
        || is_part(&name, &known)
        || strsim::jaro_winkler(&known, &name) >= LIKENESS_MIN
        || value.as_str().is_some_and(takes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::misspelt;
    use crate::domain::event::EventType;

    fn meant(event_type: EventType, data: Value) -> Vec<String> {
        let data = data.as_object().expect("an object");
        misspelt(event_type, data).into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn a_misspelt_member_is_told_with_what_was_meant() {
        for (event_type, member, name) in [
            (EventType::OrderPaid, json!({"creatorId": "c"}), "creator_id"),
            (EventType::OrderPaid, json!({"need_shipping": false}), "needs_shipping"),
            (EventType::OrderPaid, json!({"type": "virtual"}), "kind"),
            (EventType::OrderPaid, json!({"pre-sale": true}), "presale"),
            (EventType::OrderPaid, json!({"creator": "c"}), "creator_id"),
            (EventType::ReviewPosted, json!({"service_star": 4}), "service_stars"),
            (EventType::SessionStarted, json!({"creator_ID": "c"}), "creator_id"),
        ] {
            let told = meant(event_type, member.clone());
            assert!(told.len() == 1 && told[0].ends_with(&format!("did you mean {name}?")), "{member}: {told:?}");
        }
        assert_eq!(
            meant(EventType::OrderPaid, json!({"a/b_creator_id": "c"}))[0].split(' ').next(),
            Some("/data/a~1b_creator_id")
        );
    }

    #[test]
    fn what_only_adds_to_an_event_is_not_told() {
        for (event_type, data) in [
            (EventType::OrderPaid, json!({"order_id": "o", "product_id": "p", "creator_id": null})),
            (EventType::OrderPaid, json!({"creator_id": "c", "creator_name": "X"})),
            (
                EventType::OrderPaid,
                json!({"buyer_phone": "13800000000", "amount": 12.5, "sku": "s", "note": "virtual?"}),
            ),
            (EventType::OrderSigned, json!({"order_id": "o", "carrier": "SF"})),
            (EventType::Retracted, json!({"order_id": "o", "event_id": "e"})),
        ] {
            assert_eq!(meant(event_type, data.clone()), Vec::<String>::new(), "{data}");
        }
    }
}
