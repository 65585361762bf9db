//! The event types, for programs that make events or check them.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::pages::fed_by;
use crate::domain::aggregate::AggregateKind;
use crate::domain::event::{EventType, Speaker};
use crate::domain::fields::{FieldDefinition, Presence, Shape};
use crate::domain::words::words;
use crate::http::event_schemas::event_example;
use crate::http::params::{Input, Nothing};
use crate::http::terms::Term;

words! {
    /// Who says an event.
    pub(crate) enum SaidBy {
        Merchant = "merchant",
        /// Buyers or the platform: keys bound to shops need the scope `events:relay`.
        BuyerOrPlatform = "buyer_or_platform",
        /// The sender of the event that it retracts.
        Sender = "sender",
    }
}

words! {
    /// What the value of a field is.
    pub(crate) enum FieldShape {
        Id = "id",
        /// An RFC 3339 time with offset.
        Time = "time",
        Boolean = "boolean",
        /// A whole number from 1 to 5.
        Stars = "stars",
        /// One of `words`.
        Word = "word",
    }
}

pub(crate) type SaidByTerm = Term<SaidBy>;
pub(crate) type FieldShapeTerm = Term<FieldShape>;

/// All event types.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventTypesAnswer {
    pub items: Vec<WireEventType>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventType)]
pub(crate) struct WireEventType {
    #[serde(rename = "type")]
    pub name: &'static str,
    pub about: &'static str,
    pub said_by: SaidByTerm,
    /// The member of `data` that names what the event is about: exactly one of these.
    pub about_one_of: Vec<&'static str>,
    pub fields: Vec<WireField>,
    /// The metrics that go by its day, or count it as a fault.
    pub metrics: Vec<&'static str>,
    /// An event with all its fields.
    pub example: Value,
}

/// A further member of `data`.
#[derive(Serialize, ToSchema)]
#[schema(as = EventField)]
pub(crate) struct WireField {
    pub name: &'static str,
    pub about: &'static str,
    pub shape: FieldShapeTerm,
    /// The words of a `word`.
    pub words: Vec<&'static str>,
    pub required: bool,
    /// What an absent field means; null where that is nothing.
    #[schema(required, value_type = Option<Value>)]
    pub default: Option<Box<RawValue>>,
}

/// Lists the event types with their fields.
#[utoipa::path(
    get,
    path = "/v1/event-types",
    tag = "events",
    responses((status = 200, description = "All event types.", body = EventTypesAnswer))
)]
pub(crate) async fn list_event_types(_: Input<Nothing>) -> Json<EventTypesAnswer> {
    Json(EventTypesAnswer { items: EventType::ALL.into_iter().map(wire).collect() })
}

fn wire(event_type: EventType) -> WireEventType {
    let definition = event_type.definition();
    let kinds = event_type.aggregate_kind().map_or(AggregateKind::ALL.to_vec(), |kind| vec![kind]);
    WireEventType {
        name: event_type.as_str(),
        about: definition.about,
        said_by: Term(match event_type.speaker() {
            Speaker::Merchant => SaidBy::Merchant,
            Speaker::Others => SaidBy::BuyerOrPlatform,
            Speaker::WhoSaidIt => SaidBy::Sender,
        }),
        about_one_of: kinds.into_iter().map(AggregateKind::field).collect(),
        fields: definition.fields.iter().map(field).collect(),
        metrics: fed_by(event_type),
        example: event_example(event_type),
    }
}

fn field(field: &FieldDefinition) -> WireField {
    let (shape, words) = match field.shape {
        Shape::Id => (FieldShape::Id, Vec::new()),
        Shape::Instant => (FieldShape::Time, Vec::new()),
        Shape::Boolean => (FieldShape::Boolean, Vec::new()),
        Shape::Stars => (FieldShape::Stars, Vec::new()),
        Shape::Word(words) => (FieldShape::Word, words()),
    };
    let default = match &field.presence {
        Presence::Default(written) => RawValue::from_string(written.clone()).ok(),
        Presence::Required | Presence::Optional => None,
    };
    let required = field.presence == Presence::Required;
    WireField { name: field.name, about: field.about, shape: Term(shape), words, required, default }
}
