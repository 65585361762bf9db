//! The bodies of `POST /v1/events` as the description has them: every event type with its fields and an example, written
//! from the table that events are parsed by.

use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, Discriminator, OneOfBuilder, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::media::EVENTS_MAX;
use super::params::{id_schema, string};
use crate::domain::aggregate::AggregateKind;
use crate::domain::event::{EventType, Speaker};
use crate::domain::fields::{FieldDefinition, Presence, STARS_MAX, Shape};

/// One event in the service's own envelope.
pub(crate) struct Event;

/// One event or an array of them.
pub(crate) struct EventOrEvents;

/// Events, one a line.
pub(crate) struct EventLines;

/// One event as a CloudEvent.
pub(crate) struct CloudEvent;

/// An array of CloudEvents.
pub(crate) struct CloudEvents;

/// When the events of the examples happened.
const EXAMPLE_TIME: &str = "2026-11-08T10:00:00+08:00";
/// A later one, for promises.
const EXAMPLE_PROMISE: &str = "2026-11-11T23:59:59+08:00";

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let reference = |event_type| Ref::from_schema_name(event_name(event_type));
        let mapping = EventType::ALL.map(|event_type| (event_type.as_str(), reference(event_type).ref_location));
        let all = EventType::ALL.into_iter().fold(OneOfBuilder::new(), |all, one| all.item(reference(one)));
        let about = "Something that happened, in the envelope of this service. Members of `data` that the type does not know are ignored.";
        all.discriminator(Some(Discriminator::with_mapping("type", mapping))).description(Some(about)).into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for event_type in EventType::ALL {
            schemas.push((event_name(event_type), event(event_type).into()));
            schemas.push((data_name(event_type), data(event_type).into()));
        }
    }
}

impl PartialSchema for EventOrEvents {
    fn schema() -> RefOr<Schema> {
        let many = array(Ref::from_schema_name(Event::name()));
        OneOfBuilder::new().item(Ref::from_schema_name(Event::name())).item(many).into()
    }
}

impl ToSchema for EventOrEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Event::name().into_owned(), Event::schema()));
        Event::schemas(schemas);
    }
}

impl PartialSchema for EventLines {
    fn schema() -> RefOr<Schema> {
        let lines = [EventType::OrderPaid, EventType::OrderSigned].map(|one| event_example(one).to_string() + "\n");
        string().description(Some("One `Event` a line.")).examples([lines.concat()]).into()
    }
}

impl ToSchema for EventLines {}

impl PartialSchema for CloudEvent {
    fn schema() -> RefOr<Schema> {
        let names = || EventType::ALL.map(EventType::as_str);
        let any = EventType::ALL
            .into_iter()
            .fold(AnyOfBuilder::new(), |any, one| any.item(Ref::from_schema_name(data_name(one))));
        let mut example = event_example(EventType::OrderPaid);
        if let Some(members) = example.as_object_mut() {
            let shop = members.remove("shop_id").unwrap_or_default();
            let of_cloud = [("specversion", json!("1.0")), ("source", json!("/my-shop-backend")), ("shopid", shop)];
            members.extend(of_cloud.map(|(name, value)| (name.to_owned(), value)));
        }
        ObjectBuilder::new()
            .description(Some(
                "CloudEvents 1.0 in structured mode. The shop is the extension attribute `shopid`; `data` is that of the \
                 event type. Other attributes are ignored.",
            ))
            .property("specversion", string().enum_values(Some(["1.0"])))
            .property("id", id_schema())
            .required("id")
            .property("source", string())
            .property("type", string().enum_values(Some(names())))
            .required("type")
            .property("shopid", id_schema().description(Some("The shop.")))
            .required("shopid")
            .property("time", time())
            .required("time")
            .property("datacontenttype", string())
            .property("data", any.description(Some("The data of the event type.")))
            .required("data")
            .examples([example])
            .into()
    }
}

impl ToSchema for CloudEvent {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Event::schemas(schemas);
    }
}

impl PartialSchema for CloudEvents {
    fn schema() -> RefOr<Schema> {
        array(Ref::from_schema_name(CloudEvent::name())).into()
    }
}

impl ToSchema for CloudEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((CloudEvent::name().into_owned(), CloudEvent::schema()));
        CloudEvent::schemas(schemas);
    }
}

fn array(item: Ref) -> ArrayBuilder {
    ArrayBuilder::new().items(item).max_items(Some(EVENTS_MAX))
}

/// Such as `OrderPaid`.
fn pascal(event_type: EventType) -> String {
    let words = event_type.as_str().split(['.', '_']);
    words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

fn event_name(event_type: EventType) -> String {
    format!("{}Event", pascal(event_type))
}

fn data_name(event_type: EventType) -> String {
    format!("{}Data", pascal(event_type))
}

/// Who says it, for readers who send events.
pub(crate) fn said_by(event_type: EventType) -> &'static str {
    match event_type.speaker() {
        Speaker::Merchant => "the merchant",
        Speaker::Others => "buyers or the platform (scope `events:relay` for keys bound to shops)",
        Speaker::WhoSaidIt => "the sender of the event that it retracts",
    }
}

fn event(event_type: EventType) -> ObjectBuilder {
    let about = format!("{} Said by {}.", event_type.definition().about, said_by(event_type));
    ObjectBuilder::new()
        .description(Some(about))
        .property(
            "id",
            id_schema().description(Some("Unique within the order, session or product; sending it again is safe.")),
        )
        .required("id")
        .property("type", string().enum_values(Some([event_type.as_str()])))
        .required("type")
        .property("shop_id", id_schema())
        .required("shop_id")
        .property("time", time())
        .required("time")
        .property("data", Ref::from_schema_name(data_name(event_type)))
        .required("data")
        .examples([event_example(event_type)])
}

fn time() -> ObjectBuilder {
    let about = "When it happened: RFC 3339 with offset, not more than 5 minutes ahead of the service's clock.";
    instant().description(Some(about))
}

fn instant() -> ObjectBuilder {
    let format = utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime);
    string().format(Some(format))
}

fn data(event_type: EventType) -> ObjectBuilder {
    let mut schema = ObjectBuilder::new();
    schema = match event_type.aggregate_kind() {
        Some(kind) => schema.property(kind.field(), id_schema()).required(kind.field()),
        None => AggregateKind::ALL.into_iter().fold(schema, |schema, kind| {
            schema.property(
                kind.field(),
                id_schema().description(Some("Exactly one of these ids names what the event is about.")),
            )
        }),
    };
    event_type.definition().fields.iter().fold(schema, |schema, definition| {
        let with_field = schema.property(definition.name, field(definition));
        if definition.presence == Presence::Required { with_field.required(definition.name) } else { with_field }
    })
}

fn field(definition: &FieldDefinition) -> ObjectBuilder {
    let schema = match definition.shape {
        Shape::Id => id_schema(),
        Shape::Instant => instant(),
        Shape::Boolean => ObjectBuilder::new().schema_type(Type::Boolean),
        Shape::Stars => {
            let whole = ObjectBuilder::new().schema_type(Type::Integer);
            whole.minimum(Some(1)).maximum(Some(i32::from(STARS_MAX)))
        }
        Shape::Word(words) => string().enum_values(Some(words())),
    };
    // Clients that are generated from a `default` ask for the field as if it were required.
    let about = match &definition.presence {
        Presence::Default(written) => format!("{} Default: `{written}`.", definition.about),
        Presence::Required | Presence::Optional => definition.about.to_owned(),
    };
    schema.description(Some(about))
}

/// An event of a type with all its fields.
pub(crate) fn event_example(event_type: EventType) -> Value {
    let mut data = Map::new();
    let kind = event_type.aggregate_kind().unwrap_or(AggregateKind::Order);
    data.insert(kind.field().to_owned(), example_id(kind.field()));
    for definition in event_type.definition().fields {
        let default = match &definition.presence {
            Presence::Default(written) => serde_json::from_str(written).ok(),
            Presence::Required | Presence::Optional => None,
        };
        let value = default.unwrap_or_else(|| match definition.shape {
            Shape::Id => example_id(definition.name),
            Shape::Instant => json!(EXAMPLE_PROMISE),
            Shape::Boolean => json!(false),
            Shape::Stars => json!(STARS_MAX),
            Shape::Word(words) => json!(words().first()),
        });
        data.insert(definition.name.to_owned(), value);
    }
    let (about, happened) = event_type.as_str().split_once('.').unwrap_or_default();
    let about = if matches!(about, "im" | "event") { kind.field().trim_end_matches("_id") } else { about };
    let happened = happened.replace('_', "-");
    json!({"id": format!("{about}-1-{happened}"), "type": event_type.as_str(), "shop_id": "shop-7", "time": EXAMPLE_TIME, "data": data})
}

/// Such as `order-1` for `order_id`.
fn example_id(field: &str) -> Value {
    if field == "event_id" { json!("order-1-signed") } else { json!(format!("{}-1", field.trim_end_matches("_id"))) }
}
