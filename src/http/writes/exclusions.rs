//! The ledger of exclusions.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::exclusion_bodies::{ExclusionBody, RevocationBody};
use crate::domain::id::Id;
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, OptionalJsonBody};
use crate::http::page::Page;
use crate::http::param_types::{PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::problem_responses::{ExclusionNotFound, InvalidBody, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::TargetTerm;
use crate::ingest::ledger::{self, Excluded};
use crate::storage::exclusion::{self, ExclusionFilter, ExclusionRow};

/// An exclusion.
#[derive(Serialize, ToSchema)]
#[schema(as = Exclusion)]
pub(crate) struct WireExclusion {
    pub exclusion_id: String,
    pub shop_id: String,
    #[schema(value_type = TargetTerm)]
    pub target: String,
    pub id: String,
    #[schema(required)]
    pub order_id: Option<String>,
    pub reason: String,
    pub decided_by: String,
    #[schema(required)]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub active: bool,
    #[schema(required)]
    pub revoked_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_by: Option<String>,
    #[schema(required)]
    pub revoke_note: Option<String>,
    /// The key with which it was made; null where no keys are asked for.
    #[schema(required)]
    pub key_id: Option<String>,
    /// The key with which it was revoked.
    #[schema(required)]
    pub revoked_by_key_id: Option<String>,
    /// Whether an event of the target is stored. Where it is not, check the ids: the exclusion waits for it.
    pub matched: bool,
}

impl From<ExclusionRow> for WireExclusion {
    fn from(row: ExclusionRow) -> WireExclusion {
        WireExclusion {
            exclusion_id: row.exclusion_id.to_string(),
            shop_id: row.shop_id,
            target: row.target,
            id: row.target_id,
            order_id: row.order_id,
            reason: row.reason,
            decided_by: row.decided_by,
            note: row.note,
            created_at: row.created_at,
            active: row.revoked_at.is_none(),
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
            revoke_note: row.revoke_note,
            key_id: row.key_id.map(|id| id.to_string()),
            revoked_by_key_id: row.revoked_by_key_id.map(|id| id.to_string()),
            matched: row.is_matched,
        }
    }
}

/// Excludes an order, a review, an after-sale case, a complaint or a session from scores, from the next run on.
#[utoipa::path(
    post,
    path = "/v1/exclusions",
    tag = "exclusions",
    request_body = ExclusionBody,
    responses(
        (status = 201, description = "Excluded. The target need not be known yet.", body = WireExclusion),
        (status = 409, description = "The same target is excluded; `exclusion_id` names the exclusion.", body = ProblemBody, content_type = "application/problem+json"),
        InvalidBody
    )
)]
pub(crate) async fn post_exclusion(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<ExclusionBody>,
) -> Result<Response, Problem> {
    let mut faults = Vec::new();
    let new = body.check("", &mut faults).ok_or_else(|| Problem::invalid_body(faults))?;
    let shop_id = new.aggregate.shop_id.clone();
    let excluded = ledger::exclude(&[new], caller.actor(), &state.context).await?.pop();
    state.queue.moved().note([&shop_id].into_iter());
    match excluded {
        Some(Excluded::Done(row)) => {
            let location = format!("/v1/exclusions/{}", row.exclusion_id);
            let located = [(header::LOCATION, location)];
            Ok((StatusCode::CREATED, located, Json(WireExclusion::from(row))).into_response())
        }
        Some(Excluded::Already(ExclusionRow { exclusion_id, .. })) => {
            let detail = format!("exclusion {exclusion_id} of the same target is active; revoke it first to change it");
            Err(Problem::new(Kind::AlreadyExcluded, detail).with("exclusion_id", exclusion_id.to_string()))
        }
        None => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

parameters! {
    /// Which exclusion is meant.
    pub(crate) struct ExclusionPath {
        exclusion_id: TextSegment,
    }
}

impl ExclusionPath {
    fn not_found(&self) -> Problem {
        Problem::no_such(Kind::ExclusionNotFound, "exclusion", &self.exclusion_id.0)
    }

    fn number(&self) -> Result<i64, Problem> {
        whole_number(&self.exclusion_id.0).ok_or_else(|| self.not_found())
    }
}

parameters! {
    /// Which exclusions are listed.
    pub(crate) struct ExclusionsQuery {
        shop_id: Option<Id>,
        /// Only active exclusions (true) or revoked ones (false).
        active: Option<bool>,
        page: PageQuery,
    }
}

/// Revokes an exclusion; the record of it stays.
#[utoipa::path(
    delete,
    path = "/v1/exclusions/{exclusion_id}",
    tag = "exclusions",
    params(ExclusionPath),
    request_body = RevocationBody,
    responses(
        (status = 200, description = "The exclusion, revoked now or before.", body = WireExclusion),
        ExclusionNotFound,
        InvalidBody
    )
)]
pub(crate) async fn delete_exclusion(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<ExclusionPath>,
    OptionalJsonBody(body): OptionalJsonBody<RevocationBody>,
) -> Result<Json<WireExclusion>, Problem> {
    let revocation = RevocationBody::check(body)?;
    let exclusion_id = path.number()?;
    let row = ledger::revoke(exclusion_id, &revocation, caller.actor(), &state.context).await?;
    if let Some(row) = &row {
        state.queue.moved().note([&Id::stored(&row.shop_id)].into_iter());
    }
    row.map(|row| Json(row.into())).ok_or_else(|| path.not_found())
}

/// One exclusion.
#[utoipa::path(
    get,
    path = "/v1/exclusions/{exclusion_id}",
    tag = "exclusions",
    params(ExclusionPath),
    responses(
        (status = 200, description = "The exclusion.", body = WireExclusion),
        ExclusionNotFound
    )
)]
pub(crate) async fn get_exclusion(
    State(state): State<AppState>,
    Input(path): Input<ExclusionPath>,
) -> Result<Json<WireExclusion>, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = exclusion::get(&mut connection, number).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| path.not_found())
}

/// Lists exclusions, newest first.
#[utoipa::path(
    get,
    path = "/v1/exclusions",
    tag = "exclusions",
    params(ExclusionsQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireExclusion>), WrongParameter)
)]
pub(crate) async fn list_exclusions(
    State(state): State<AppState>,
    Input(query): Input<ExclusionsQuery>,
) -> Result<Json<Page<WireExclusion>>, Problem> {
    let limit = query.page.limit.0;
    let filter = ExclusionFilter {
        shop_id: query.shop_id,
        active: query.active,
        before: query.page.cursor.after,
        limit: limit as i64 + 1,
    };
    let mut connection = state.source.connection().await?;
    let rows = exclusion::list(&mut connection, &filter).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.exclusion_id)))
}
