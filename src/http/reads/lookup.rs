//! One order, session or product of a shop: what was sent of it, and what it counts for.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::answers::lookup::{CountedIn, LookedUp, LookedUpCount, LookedUpEvent};
use crate::answers::records::Side;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::param_types::IdSegment;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{EventsNotFound, NotModified};
use crate::http::state::AppState;
use crate::http::subject_params::SeenShop;
use crate::http::terms::{EventStateTerm, SideTerm, Term};

parameters! {
    /// An order of a shop.
    pub(crate) struct OrderPath {
        id: SeenShop,
        order_id: IdSegment,
    }
}

parameters! {
    /// A session of a shop.
    pub(crate) struct SessionPath {
        id: SeenShop,
        session_id: IdSegment,
    }
}

parameters! {
    /// A product of a shop.
    pub(crate) struct ProductPath {
        id: SeenShop,
        product_id: IdSegment,
    }
}

/// What is known of an order, session or product at this moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct LookupAnswer {
    pub shop_id: String,
    #[schema(required)]
    pub order_id: Option<String>,
    #[schema(required)]
    pub session_id: Option<String>,
    /// Of an order: what was sold, as far as a payment in force says it.
    #[schema(required)]
    pub product_id: Option<String>,
    /// The creator who is credited.
    #[schema(required)]
    pub creator_id: Option<String>,
    pub as_of: DateTime<Utc>,
    /// By time.
    pub events: Vec<HeldEvent>,
    /// What it counts for; an order counts for nothing without a payment in force.
    pub counts: Vec<HeldCount>,
    /// Of a product: the days at whose end it was off the shelf.
    pub off_shelf: Vec<WireOffShelf>,
}

/// An event that is stored.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldEvent {
    pub id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub time: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub state: EventStateTerm,
    /// False where the creator that it names is not credited.
    pub credits_creator: bool,
    /// As it was sent, as far as it is kept.
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
}

/// An amount of one measure.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldCount {
    /// Such as `signed_orders`; `docs/reference.md` has all.
    pub measure: &'static str,
    pub amount: i64,
    /// The after-sale case that it comes from, if it comes from one.
    #[schema(required)]
    pub aftersale_id: Option<String>,
    /// The time that dates it.
    pub time: DateTime<Utc>,
    /// Its business day, which decides the windows it falls in.
    pub day: NaiveDate,
    /// The metrics of the default rule set of shops that count it.
    pub metrics: Vec<HeldIn>,
}

/// A metric that counts an amount.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldIn {
    pub metric: &'static str,
    pub side: SideTerm,
    /// The first score date whose window has the day, and the last one.
    pub first_date: NaiveDate,
    pub last_date: NaiveDate,
}

/// A span of days off the shelf.
#[derive(Serialize, ToSchema)]
#[schema(as = OffShelf)]
pub(crate) struct WireOffShelf {
    pub from: NaiveDate,
    /// The first day on the shelf again; null while it is off.
    #[schema(required)]
    pub until: Option<NaiveDate>,
}

/// An order: its events, what they count for on which day, and in which windows.
#[utoipa::path(
    get,
    path = "/v1/shops/{id}/orders/{order_id}",
    tag = "events",
    params(OrderPath),
    responses((status = 200, description = "The order as it is known now.", body = LookupAnswer), NotModified, EventsNotFound)
)]
pub(crate) async fn get_order(
    State(state): State<AppState>,
    asked: Asked,
    Input(path): Input<OrderPath>,
) -> Result<Response, Problem> {
    look_up(&state, &asked, Aggregate { shop_id: path.id.0, kind: AggregateKind::Order, id: path.order_id.0 }).await
}

/// A customer service session: its events, and what they count for.
#[utoipa::path(
    get,
    path = "/v1/shops/{id}/sessions/{session_id}",
    tag = "events",
    params(SessionPath),
    responses((status = 200, description = "The session as it is known now.", body = LookupAnswer), NotModified, EventsNotFound)
)]
pub(crate) async fn get_session(
    State(state): State<AppState>,
    asked: Asked,
    Input(path): Input<SessionPath>,
) -> Result<Response, Problem> {
    look_up(&state, &asked, Aggregate { shop_id: path.id.0, kind: AggregateKind::Session, id: path.session_id.0 }).await
}

/// A product: when it was listed and delisted.
#[utoipa::path(
    get,
    path = "/v1/shops/{id}/products/{product_id}",
    tag = "events",
    params(ProductPath),
    responses((status = 200, description = "The product as it is known now.", body = LookupAnswer), NotModified, EventsNotFound)
)]
pub(crate) async fn get_product(
    State(state): State<AppState>,
    asked: Asked,
    Input(path): Input<ProductPath>,
) -> Result<Response, Problem> {
    look_up(&state, &asked, Aggregate { shop_id: path.id.0, kind: AggregateKind::Product, id: path.product_id.0 }).await
}

async fn look_up(state: &AppState, asked: &Asked, aggregate: Aggregate) -> Result<Response, Problem> {
    let found = state.source.look_up(&aggregate).await?;
    let found = found.ok_or_else(|| {
        let what = aggregate.kind.field().trim_end_matches("_id");
        let detail = format!("no event of the {what} {} of this shop is stored", aggregate.id);
        Problem::new(Kind::EventsNotFound, detail)
    })?;
    let as_of = found.as_of;
    Ok(asked.answer_once(&Answer::of(&wire(&aggregate, found), as_of)?))
}

fn wire(aggregate: &Aggregate, LookedUp { as_of, events, folded, counts }: LookedUp) -> LookupAnswer {
    let named = |kind: AggregateKind| (aggregate.kind == kind).then(|| aggregate.id.to_string());
    LookupAnswer {
        shop_id: aggregate.shop_id.to_string(),
        order_id: named(AggregateKind::Order),
        session_id: named(AggregateKind::Session),
        product_id: named(AggregateKind::Product).or_else(|| folded.product_id.map(|id| id.to_string())),
        creator_id: folded.creator_id.map(|id| id.to_string()),
        as_of,
        events: events.into_iter().map(event).collect(),
        counts: counts.into_iter().map(count).collect(),
        off_shelf: folded
            .off_shelf
            .into_iter()
            .map(|off| WireOffShelf { from: off.from_day, until: off.until_day })
            .collect(),
    }
}

fn event(LookedUpEvent { received, state }: LookedUpEvent) -> HeldEvent {
    let event = received.event;
    HeldEvent {
        id: event.id.to_string(),
        event_type: event.fact.event_type().to_string(),
        time: event.time,
        received_at: received.received_at,
        state: Term(state),
        credits_creator: !event.uncredited,
        // It was JSON when it was stored.
        data: RawValue::from_string(event.data).unwrap_or_default(),
    }
}

fn count(count: LookedUpCount) -> HeldCount {
    let held_in = |one: CountedIn| HeldIn {
        metric: one.metric.id(),
        side: Term(if one.is_numerator { Side::Numerator } else { Side::Denominator }),
        first_date: one.dates.from,
        last_date: one.dates.to,
    };
    HeldCount {
        measure: count.measure.column(),
        amount: count.amount,
        aftersale_id: count.aftersale_id.map(|id| id.to_string()),
        time: count.at,
        day: count.day,
        metrics: count.metrics.into_iter().map(held_in).collect(),
    }
}
