//! What a key may do, and by which clock the service works: what a page asks for before anything else.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Scope;
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::http::auth::Caller;
use crate::http::params::{Input, Nothing};
use crate::http::problem_responses::ReadProblems;
use crate::http::state::AppState;
use crate::http::terms::{ScopeTerm, Term};

/// Who asks, and of which service.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallerAnswer {
    /// Null where the service asks for no keys: then anybody may do everything but manage keys.
    #[schema(required)]
    pub key_id: Option<String>,
    /// What the key is good for.
    pub scopes: Vec<ScopeTerm>,
    /// The shops that the key is bound to. A key is for all shops and creators where this and `creator_ids` are null.
    #[schema(required)]
    pub shop_ids: Option<Vec<String>>,
    /// The creators that the key is bound to.
    #[schema(required)]
    pub creator_ids: Option<Vec<String>>,
    /// The business time zone, which decides what a day is.
    pub time_zone: String,
    /// The business day of now.
    pub today: NaiveDate,
    pub now: DateTime<Utc>,
    /// When the next scheduled run is due: the start of today's slot, or of tomorrow's once today's has begun.
    pub next_slot: DateTime<Utc>,
    /// The version of the service.
    pub version: String,
}

/// What the key of the request may do, and the service's own clock. Any key may ask.
#[utoipa::path(
    get,
    path = "/v1/caller",
    tag = "service",
    responses((status = 200, description = "The caller and the clock.", body = CallerAnswer), ReadProblems)
)]
pub(crate) async fn get_caller(State(state): State<AppState>, caller: Caller, _: Input<Nothing>) -> Json<CallerAnswer> {
    let context = &state.context;
    let (now, today) = (context.now(), context.today());
    let begins = context.slot.start(today);
    let next_slot = if now < begins { begins } else { context.slot.start(today.succ_opt().unwrap_or(today)) };
    let bound = |kind| caller.bounds().map(|bounds| bounds.of(kind).iter().map(Id::to_string).collect());
    Json(CallerAnswer {
        key_id: caller.key_id().map(|key_id| key_id.to_string()),
        scopes: Scope::ALL.into_iter().filter(|scope| caller.has(*scope)).map(Term).collect(),
        shop_ids: bound(SubjectKind::Shop),
        creator_ids: bound(SubjectKind::Creator),
        time_zone: context.calendar().zone().to_string(),
        today,
        now,
        next_slot,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}
