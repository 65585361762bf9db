//! The door: a JSON value becomes an [`Event`], or the list of all that is wrong with it.

use serde_json::{Map, Value};

use super::event::{
    AftersaleKind, AftersaleOutcome, AftersaleReason, Aggregate, AggregateKind, Channel, Event, EventType, Fact,
    Liable, OrderAttributes, OrderKind,
};
use super::fields::Fields;
use super::id::Id;

/// One thing wrong with an event, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the event.
    pub pointer: String,
    /// Stable, documented word for the kind of fault.
    pub code: &'static str,
    /// What is wrong and what to do, in a sentence.
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Which envelope a body uses; they differ in where the shop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"id","type","shop_id","time","data"}`
    Native,
    /// CloudEvents 1.0, the shop in the extension attribute `shopid`.
    CloudEvents,
}

impl Envelope {
    fn shop_field(self) -> &'static str {
        match self {
            Envelope::Native => "shop_id",
            Envelope::CloudEvents => "shopid",
        }
    }
}

/// Parses one event. All faults are reported at once.
pub fn parse_event(value: Value, envelope: Envelope) -> Result<Event, Vec<Fault>> {
    let Value::Object(mut members) = value else {
        return Err(vec![Fault::new("", "not_an_object", "an event is a JSON object")]);
    };
    if contains_nul(&members) {
        return Err(vec![Fault::new("", "nul_character", "text must not contain the character U+0000")]);
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
    let event_type = outer.event_type("type");
    let data = match data {
        Some(Value::Object(data)) => Some(data),
        None | Some(Value::Null) => {
            faults.push(Fault::new("/data", "missing_field", "data is required and is a JSON object"));
            None
        }
        Some(_) => {
            faults.push(Fault::new("/data", "wrong_type", "data is a JSON object"));
            None
        }
    };
    let body = event_type.zip(data.as_ref()).and_then(|(event_type, data)| {
        let mut fields = Fields { members: data, base: "/data", faults: &mut faults };
        let body = parse_fact(event_type, &mut fields);
        if let (Some((_, _, Fact::Retracted { event_id })), Some(id)) = (&body, &id)
            && event_id == id
        {
            faults.push(Fault::new("/data/event_id", "self_retraction", "a retraction cannot name itself"));
        }
        body
    });
    match (id, shop_id, time, body, data) {
        (Some(id), Some(shop_id), Some(time), Some((kind, aggregate_id, fact)), Some(data)) if faults.is_empty() => {
            let aggregate = Aggregate { shop_id, kind, id: aggregate_id };
            // Texts grow by doubling, and events are remembered for a while.
            let mut data = Value::Object(data).to_string();
            data.shrink_to_fit();
            Ok(Event { aggregate, id, time, fact, data })
        }
        _ => Err(faults),
    }
}

/// Reads the fact of an event that was stored, from its type and its `data`. `None` if the row was not written by this
/// service's own parser.
pub fn stored_fact(event_type: EventType, data: &str) -> Option<Fact> {
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
        Some(_) => faults.push(Fault::new("/specversion", "invalid_value", "only CloudEvents \"1.0\" is understood")),
    }
    if members.contains_key("data_base64") {
        faults.push(Fault::new("/data_base64", "invalid_value", "send data as a JSON object in \"data\""));
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
        None => fields.named_aggregate(),
    };
    let fact = match event_type {
        EventType::OrderPaid => order_paid(fields),
        EventType::ReviewPosted => review(fields),
        EventType::ReviewRevised => review(fields).map(|_| Fact::ReviewRevised),
        EventType::AftersaleOpened => {
            let (aftersale_id, kind) = (fields.id("aftersale_id"), fields.word("kind", &AFTERSALE_KINDS));
            let reason = fields.word("reason", &AFTERSALE_REASONS);
            all3(aftersale_id, kind, reason).map(|(aftersale_id, kind, reason)| Fact::AftersaleOpened {
                aftersale_id,
                kind,
                reason,
            })
        }
        EventType::AftersaleAwaitingMerchant => {
            fields.id("aftersale_id").map(|aftersale_id| Fact::AftersaleAwaitingMerchant { aftersale_id })
        }
        EventType::AftersaleMerchantResponded => {
            fields.id("aftersale_id").map(|aftersale_id| Fact::AftersaleMerchantResponded { aftersale_id })
        }
        EventType::AftersaleCompleted => {
            let aftersale_id = fields.id("aftersale_id");
            let outcome = fields.word("outcome", &AFTERSALE_OUTCOMES);
            aftersale_id.zip(outcome).map(|(aftersale_id, outcome)| Fact::AftersaleCompleted { aftersale_id, outcome })
        }
        EventType::ArbitrationDecided => {
            let (aftersale_id, liable) = (fields.id("aftersale_id"), fields.word("liable", &LIABLE));
            aftersale_id.zip(liable).map(|(aftersale_id, liable)| Fact::ArbitrationDecided { aftersale_id, liable })
        }
        EventType::ComplaintFiled => {
            fields.id("complaint_id").map(|complaint_id| Fact::ComplaintFiled { complaint_id })
        }
        EventType::ComplaintWithdrawn => {
            fields.id("complaint_id").map(|complaint_id| Fact::ComplaintWithdrawn { complaint_id })
        }
        EventType::SessionStarted => {
            let channel = fields.optional("channel", |fields, name| fields.word(name, &CHANNELS));
            let creator_id = fields.optional("creator_id", Fields::id);
            channel.zip(creator_id).map(|(channel, creator_id)| Fact::SessionStarted {
                channel: channel.unwrap_or(Channel::Human),
                creator_id,
            })
        }
        EventType::SessionRated => fields.stars("stars").map(|stars| Fact::SessionRated { stars }),
        EventType::Retracted => fields.id("event_id").map(|event_id| Fact::Retracted { event_id }),
        EventType::OrderShipped
        | EventType::OrderPickedUp
        | EventType::OrderSigned
        | EventType::OrderConfirmed
        | EventType::OrderCancelled
        | EventType::SessionReplied
        | EventType::ProductListed
        | EventType::ProductDelisted => event_type.bare_fact(),
    };
    all3(kind, aggregate_id, fact)
}

fn order_paid(fields: &mut Fields<'_>) -> Option<Fact> {
    let product_id = fields.id("product_id");
    let kind = fields.optional("kind", |fields, name| fields.word(name, &ORDER_KINDS));
    let creator_id = fields.optional("creator_id", Fields::id);
    let presale = fields.optional("presale", Fields::boolean);
    let needs_shipping = fields.optional("needs_shipping", Fields::boolean);
    let (product_id, kind, creator_id) = all3(product_id, kind, creator_id)?;
    let (presale, needs_shipping) = presale.zip(needs_shipping)?;
    Some(Fact::OrderPaid(OrderAttributes {
        product_id,
        kind: kind.unwrap_or(OrderKind::Physical),
        creator_id,
        presale: presale.unwrap_or(false),
        needs_shipping: needs_shipping.unwrap_or(true),
    }))
}

fn review(fields: &mut Fields<'_>) -> Option<Fact> {
    let (review_id, product_stars) = (fields.id("review_id"), fields.stars("product_stars"));
    let service_stars = fields.optional("service_stars", Fields::stars);
    fields.optional("logistics_stars", Fields::stars)?;
    all3(review_id, product_stars, service_stars).map(|(review_id, product_stars, service_stars)| Fact::ReviewPosted {
        review_id,
        product_stars,
        service_stars,
    })
}

fn all3<A, B, C>(a: Option<A>, b: Option<B>, c: Option<C>) -> Option<(A, B, C)> {
    Some((a?, b?, c?))
}

const ORDER_KINDS: [(&str, OrderKind); 2] = [("physical", OrderKind::Physical), ("virtual", OrderKind::Virtual)];
const CHANNELS: [(&str, Channel); 2] = [("human", Channel::Human), ("bot", Channel::Bot)];
const AFTERSALE_KINDS: [(&str, AftersaleKind); 3] = [
    ("refund_only", AftersaleKind::RefundOnly),
    ("return_refund", AftersaleKind::ReturnRefund),
    ("exchange", AftersaleKind::Exchange),
];
const AFTERSALE_REASONS: [(&str, AftersaleReason); 5] = [
    ("quality", AftersaleReason::Quality),
    ("logistics", AftersaleReason::Logistics),
    ("wrong_item", AftersaleReason::WrongItem),
    ("no_longer_wanted", AftersaleReason::NoLongerWanted),
    ("other", AftersaleReason::Other),
];
const AFTERSALE_OUTCOMES: [(&str, AftersaleOutcome); 4] = [
    ("refunded", AftersaleOutcome::Refunded),
    ("exchanged", AftersaleOutcome::Exchanged),
    ("rejected", AftersaleOutcome::Rejected),
    ("withdrawn", AftersaleOutcome::Withdrawn),
];
const LIABLE: [(&str, Liable); 4] =
    [("merchant", Liable::Merchant), ("buyer", Liable::Buyer), ("platform", Liable::Platform), ("none", Liable::None)];

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
