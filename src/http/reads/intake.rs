//! What is received of a shop, what was rejected, and what is missing.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::intake::Intake;
use crate::domain::event::EventType;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::auth::Caller;
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, SubjectNotFound};
use crate::http::state::AppState;
use crate::http::subject_params::SeenShop;
use crate::storage::intake::{Rejection, TypeIntake, UnknownMember};

parameters! {
    /// A shop.
    pub(crate) struct ShopPath {
        id: SeenShop,
    }
}

/// What is received of a shop, and what is wrong with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IntakeAnswer {
    pub shop_id: String,
    /// When this was so: now, or some seconds ago for a shop with very many events.
    pub as_of: DateTime<Utc>,
    /// Null where the shop is in no category: it is compared with the whole market then.
    #[schema(required)]
    pub category_id: Option<String>,
    /// Every event type. One that never came may not be sent at all.
    pub types: Vec<WireTypeIntake>,
    /// Orders that have events and no payment: they count for nothing.
    pub orders_without_payment: OrdersWithoutPayment,
    /// Members of `data` that the type does not know, the latest first. Their values are not kept.
    pub unknown_members: Vec<WireUnknownMember>,
    /// The newest rejected events, at most 100, newest first. An event shows here a moment after its answer.
    pub rejections: Vec<WireRejection>,
}

/// What was received of one event type.
#[derive(Serialize, ToSchema)]
#[schema(as = TypeIntake)]
pub(crate) struct WireTypeIntake {
    #[serde(rename = "type")]
    pub event_type: &'static str,
    pub events: i64,
    pub last_24_hours: i64,
    pub last_30_days: i64,
    /// When the first of them happened, and the last.
    #[schema(required)]
    pub first_time: Option<DateTime<Utc>>,
    #[schema(required)]
    pub last_time: Option<DateTime<Utc>>,
    #[schema(required)]
    pub last_received_at: Option<DateTime<Utc>>,
}

/// Orders whose payment is not known.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrdersWithoutPayment {
    pub orders: i64,
    /// Some of them.
    pub order_ids: Vec<String>,
}

/// A member of `data` that its type does not know.
#[derive(Serialize, ToSchema)]
#[schema(as = UnknownMember)]
pub(crate) struct WireUnknownMember {
    #[serde(rename = "type")]
    pub event_type: String,
    pub member: String,
    pub events: i64,
    pub last_at: DateTime<Utc>,
}

/// An event that was rejected.
#[derive(Serialize, ToSchema)]
#[schema(as = Rejection)]
pub(crate) struct WireRejection {
    pub rejected_at: DateTime<Utc>,
    /// As the event claimed them, as far as they could be read.
    #[schema(required)]
    pub event_id: Option<String>,
    #[serde(rename = "type")]
    #[schema(required)]
    pub event_type: Option<String>,
    /// The code of the first fault.
    pub code: String,
    pub pointer: String,
    pub detail: String,
    /// The key that sent it; shown to keys that are not bound to shops.
    #[schema(required)]
    pub key_id: Option<String>,
}

/// What is received of a shop by event type, and what is wrong with it: orders without a payment, unknown members, rejections.
#[utoipa::path(
    get,
    path = "/v1/shops/{id}/intake",
    tag = "events",
    params(ShopPath),
    responses((status = 200, description = "The shop's intake.", body = IntakeAnswer), NotModified, SubjectNotFound)
)]
pub(crate) async fn get_intake(
    State(state): State<AppState>,
    asked: Asked,
    caller: Caller,
    Input(path): Input<ShopPath>,
) -> Result<Response, Problem> {
    let intake = state.slow_intakes.of(&path.id.0, &state.source).await?;
    let shows_keys = !caller.is_bound();
    let answer = IntakeAnswer {
        shop_id: path.id.0.to_string(),
        as_of: intake.as_of,
        types: EventType::ALL.into_iter().map(|event_type| of_type(event_type, &intake)).collect(),
        orders_without_payment: OrdersWithoutPayment {
            orders: intake.unpaid.orders,
            order_ids: intake.unpaid.order_ids.clone(),
        },
        unknown_members: intake.members.iter().filter_map(member).collect(),
        rejections: intake.rejections.iter().map(|one| rejection(one, shows_keys)).collect(),
        category_id: intake.category_id.clone(),
    };
    Ok(asked.answer_once(&Answer::of(&answer, answer.as_of)?))
}

fn of_type(event_type: EventType, intake: &Intake) -> WireTypeIntake {
    let found: Option<&TypeIntake> = intake.types.iter().find(|one| one.type_code == event_type.code());
    WireTypeIntake {
        event_type: event_type.as_str(),
        events: found.map_or(0, |one| one.events),
        last_24_hours: found.map_or(0, |one| one.last_24_hours),
        last_30_days: found.map_or(0, |one| one.last_30_days),
        first_time: found.map(|one| one.first_time),
        last_time: found.map(|one| one.last_time),
        last_received_at: found.map(|one| one.last_received_at),
    }
}

fn member(one: &UnknownMember) -> Option<WireUnknownMember> {
    let UnknownMember { type_code, member, events, last_at, .. } = one;
    let event_type = EventType::from_code(*type_code)?.to_string();
    Some(WireUnknownMember { event_type, member: member.clone(), events: *events, last_at: *last_at })
}

fn rejection(one: &Rejection, shows_keys: bool) -> WireRejection {
    let Rejection { rejected_at, key_id, event_id, event_type, code, pointer, detail, .. } = one.clone();
    let key_id = key_id.filter(|_| shows_keys).map(|id| id.to_string());
    WireRejection { rejected_at, event_id, event_type, code, pointer, detail, key_id }
}
