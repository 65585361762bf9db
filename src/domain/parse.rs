//! The door: a JSON value becomes an [`Event`], or the list of all that is wrong with it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::event::{Aggregate, AggregateKind, Event, EventType, Fact};
use super::fault::{Code, Fault};
use super::fields::Fields;
use super::id::Id;
use super::members::{NAMES_MAX, UnknownMembers, misspelt};

/// Which envelope a body uses; they differ in where the shop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// `{"id","type","shop_id","time","data"}`
    Native,
    /// CloudEvents 1.0, the shop in the extension attribute `shopid`.
    CloudEvents,
}

impl Envelope {
    pub(crate) fn shop_field(self) -> &'static str {
        match self {
            Envelope::Native => "shop_id",
            Envelope::CloudEvents => "shopid",
        }
    }
}

/// An event, and what its sender should know of it.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub event: Event,
    pub warnings: Vec<Fault>,
    /// Members of its data that its type does not know.
    pub unknown: Vec<String>,
}

/// Parses one event. All faults are reported at once.
pub(crate) fn parse_event(value: Value, envelope: Envelope, unknown: UnknownMembers) -> Result<Parsed, Vec<Fault>> {
    let Value::Object(mut members) = value else {
        return Err(vec![Fault::new("", Code::NotAnObject, "an event must be a JSON object")]);
    };
    if contains_nul(&members) {
        return Err(vec![Fault::new("", Code::NulCharacter, "text must not contain the character U+0000")]);
    }
    let mut faults = Vec::new();
    if envelope == Envelope::CloudEvents {
        check_cloud_event(&members, &mut faults);
    }
    let data = members.remove("data");
    let mut outer = Fields { members: &members, base: "", faults: &mut faults };
    let id = outer.id("id");
    let shop_id = outer.id(envelope.shop_field());
    let time = outer.time("time");
    let event_type = event_type(&mut outer, "type");
    let data = match data {
        Some(Value::Object(data)) => Some(data),
        None | Some(Value::Null) => {
            faults.push(Fault::new("/data", Code::MissingField, "data is required and must be a JSON object"));
            None
        }
        Some(_) => {
            faults.push(Fault::new("/data", Code::WrongType, "data must be a JSON object"));
            None
        }
    };
    let body = event_type.zip(data.as_ref()).and_then(|(event_type, data)| {
        let mut fields = Fields { members: data, base: "/data", faults: &mut faults };
        let body = parse_fact(event_type, &mut fields);
        if let (Some((_, _, Fact::Retracted { event_id })), Some(id)) = (&body, &id)
            && event_id == id
        {
            faults.push(Fault::new("/data/event_id", Code::SelfRetraction, "a retraction cannot name itself"));
        }
        if let Some(((_, _, fact), time)) = body.as_ref().zip(time) {
            faults.extend(unsound(fact, time));
        }
        body
    });
    match (id, shop_id, time, body, data) {
        (Some(id), Some(shop_id), Some(time), Some((kind, aggregate_id, fact)), Some(mut data))
            if faults.is_empty() =>
        {
            let aggregate = Aggregate { shop_id, kind, id: aggregate_id };
            let event_type = fact.event_type();
            let names: Vec<String> =
                data.keys().filter(|name| !event_type.knows(name)).take(NAMES_MAX).cloned().collect();
            let warnings = if names.is_empty() { Vec::new() } else { misspelt(event_type, &data) };
            if unknown == UnknownMembers::Dropped && !names.is_empty() {
                data.retain(|name, _| event_type.knows(name));
            }
            // Texts grow by doubling, and events are remembered for a while.
            let mut data = Value::Object(data).to_string();
            data.shrink_to_fit();
            Ok(Parsed { event: Event { aggregate, id, time, fact, data, uncredited: false }, warnings, unknown: names })
        }
        _ => Err(faults),
    }
}

/// A promise lies at most this long after its event.
const PROMISE_MAX: TimeDelta = TimeDelta::days(366);

/// What is wrong with a fact whose fields are sound each by itself.
fn unsound(fact: &Fact, time: DateTime<Utc>) -> Option<Fault> {
    match fact {
        Fact::OrderPromised { deliver_by } if *deliver_by - time > PROMISE_MAX => {
            let detail = format!("deliver_by is at most {} days after the time of the event", PROMISE_MAX.num_days());
            Some(Fault::new("/data/deliver_by", Code::InvalidValue, detail))
        }
        Fact::AftersaleModified { kind: None, reason: None, .. } => {
            let detail = "name the kind, the reason or both that the case has now";
            Some(Fault::new("/data", Code::MissingField, detail))
        }
        _ => None,
    }
}

/// Reads the fact of an event that was stored, from its type and its `data`. `None` if the row was not written by this
/// service's own parser.
pub(crate) fn stored_fact(event_type: EventType, data: &str) -> Option<Fact> {
    if let Some(fact) = event_type.bare_fact() {
        return Some(fact);
    }
    let Ok(Value::Object(members)) = serde_json::from_str(data) else {
        return None;
    };
    let mut faults = Vec::new();
    let parsed = parse_fact(event_type, &mut Fields { members: &members, base: "/data", faults: &mut faults });
    parsed.filter(|_| faults.is_empty()).map(|(_, _, fact)| fact)
}

fn check_cloud_event(members: &Map<String, Value>, faults: &mut Vec<Fault>) {
    match members.get("specversion") {
        None => {}
        Some(Value::String(version)) if version == "1.0" => {}
        Some(_) => {
            faults.push(Fault::new("/specversion", Code::InvalidValue, "only CloudEvents \"1.0\" is understood"))
        }
    }
    if members.get("data_base64").is_some_and(|value| !value.is_null()) {
        faults.push(Fault::new("/data_base64", Code::InvalidValue, "send data as a JSON object in \"data\""));
    }
}

fn contains_nul(members: &Map<String, Value>) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(inside),
            Value::Object(members) => contains_nul(members),
            _ => false,
        }
    }
    members.iter().any(|(key, value)| key.contains('\0') || inside(value))
}

/// Aggregate and fact of one event; faults go to `fields`.
fn parse_fact(event_type: EventType, fields: &mut Fields<'_>) -> Option<(AggregateKind, Id, Fact)> {
    let (kind, aggregate_id) = match event_type.aggregate_kind() {
        Some(kind) => (Some(kind), fields.id(kind.field())),
        None => named_aggregate(fields),
    };
    let fact = event_type.read_fact(fields);
    Some((kind?, aggregate_id?, fact?))
}

/// The one aggregate that a retraction names.
fn named_aggregate(fields: &mut Fields<'_>) -> (Option<AggregateKind>, Option<Id>) {
    let named: Vec<AggregateKind> =
        AggregateKind::ALL.into_iter().filter(|kind| fields.is_named(kind.field())).collect();
    match named[..] {
        [kind] => (Some(kind), fields.id(kind.field())),
        [] => {
            let detail = "name the order_id, session_id or product_id of the event to void";
            fields.faults.push(Fault::new("/data", Code::MissingField, detail));
            (None, None)
        }
        _ => {
            for kind in named {
                let detail = "a retraction must name exactly one of order_id, session_id and product_id".to_owned();
                fields.fault::<()>(kind.field(), Code::Contradiction, detail);
            }
            (None, None)
        }
    }
}

fn event_type(fields: &mut Fields<'_>, name: &str) -> Option<EventType> {
    let text = fields.text(name)?;
    match EventType::parse(text) {
        Some(event_type) => Some(event_type),
        None => {
            let shown: String = text.chars().take(128).collect();
            let near = nearest(text).join(" or ");
            let hint = if near.is_empty() { String::new() } else { format!("did you mean {near}? ") };
            let detail = format!("no event type is named {shown:?}; {hint}docs/events.md lists all of them");
            fields.fault(name, Code::UnknownType, detail)
        }
    }
}

/// How alike a name must be to be named.
const LIKENESS_MIN: f64 = 0.8;
/// Names that are named.
const NEAREST_SHOWN: usize = 2;

/// The names of event types that are most like a text, the likest first.
fn nearest(text: &str) -> Vec<&'static str> {
    let known = EventType::ALL.map(|event_type| (strsim::jaro_winkler(event_type.as_str(), text), event_type.as_str()));
    let mut near: Vec<(f64, &str)> = known.into_iter().filter(|(likeness, _)| *likeness >= LIKENESS_MIN).collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    near.into_iter().take(NEAREST_SHOWN).map(|(_, name)| name).collect()
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
