//! The ledger of adjustments.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::adjustment_bodies::AdjustmentBody;
use super::exclusion_bodies::RevocationBody;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, OptionalJsonBody};
use crate::http::page::{Page, subject_ids};
use crate::http::param_types::{PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::problem_responses::{AdjustmentNotFound, InvalidBody, WrongParameter};
use crate::http::state::AppState;
use crate::ingest::adjustments::{self, Adjusted};
use crate::storage::adjustment::{self, AdjustmentFilter, AdjustmentRow};

/// An adjustment.
#[derive(Serialize, ToSchema)]
#[schema(as = Adjustment)]
pub(crate) struct WireAdjustment {
    pub adjustment_id: String,
    /// The sender's own id.
    #[schema(required)]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    pub code: String,
    pub from: NaiveDate,
    #[schema(required)]
    pub until: Option<NaiveDate>,
    pub reason: String,
    pub decided_by: String,
    #[schema(required)]
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Whether it was not revoked. For which dates it counts, `from` and `until` say.
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
}

impl From<AdjustmentRow> for WireAdjustment {
    fn from(row: AdjustmentRow) -> WireAdjustment {
        let (shop_id, creator_id) = subject_ids(&row.subject());
        WireAdjustment {
            adjustment_id: row.adjustment_id.to_string(),
            id: row.sender_id,
            shop_id,
            creator_id,
            code: row.code,
            from: row.from_date,
            until: row.until_date,
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
        }
    }
}

/// Notes that a shop's coming score may be another one.
fn note_moved(state: &AppState, row: &AdjustmentRow) {
    if row.subject_kind == SubjectKind::Shop {
        state.queue.moved().note([&Id::stored(&row.subject_id)].into_iter());
    }
}

/// Adds to the score of a shop or a creator, or takes off, from the next run on.
#[utoipa::path(
    post,
    path = "/v1/adjustments",
    tag = "adjustments",
    request_body = AdjustmentBody,
    responses(
        (status = 201, description = "Entered.", body = WireAdjustment),
        (status = 200, description = "The `id` was sent before, with the same content.", body = WireAdjustment),
        (status = 409, description = "The `id` was sent before, with other content; `adjustment_id` names the record.", body = ProblemBody, content_type = "application/problem+json"),
        InvalidBody
    )
)]
pub(crate) async fn post_adjustment(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<AdjustmentBody>,
) -> Result<Response, Problem> {
    let (new, unknown_code) = body.check(&state.context.rules)?;
    if let Some(fault) = unknown_code {
        // A code that rules had once: what was entered then is still answered.
        return match adjustments::entered(&new, &state.context).await? {
            Some(row) => Ok(Json(WireAdjustment::from(row)).into_response()),
            None => Err(Problem::invalid_body(vec![fault])),
        };
    }
    match adjustments::adjust(&new, caller.actor(), &state.context).await? {
        Adjusted::Done(row) => {
            note_moved(&state, &row);
            let located = [(header::LOCATION, format!("/v1/adjustments/{}", row.adjustment_id))];
            Ok((StatusCode::CREATED, located, Json(WireAdjustment::from(row))).into_response())
        }
        Adjusted::Already(row) => Ok(Json(WireAdjustment::from(row)).into_response()),
        Adjusted::Conflict(row) => {
            let id = row.adjustment_id;
            let detail = format!("adjustment {id} has this id and says something else; send another id");
            Err(Problem::new(Kind::AdjustmentConflict, detail).with("adjustment_id", id.to_string()))
        }
    }
}

parameters! {
    /// Which adjustment is meant.
    pub(crate) struct AdjustmentPath {
        adjustment_id: TextSegment,
    }
}

impl AdjustmentPath {
    fn not_found(&self) -> Problem {
        Problem::no_such(Kind::AdjustmentNotFound, "adjustment", &self.adjustment_id.0)
    }

    fn number(&self) -> Result<i64, Problem> {
        whole_number(&self.adjustment_id.0).ok_or_else(|| self.not_found())
    }
}

/// Revokes an adjustment, for every later run of any date; the record of it stays.
#[utoipa::path(
    delete,
    path = "/v1/adjustments/{adjustment_id}",
    tag = "adjustments",
    params(AdjustmentPath),
    request_body = RevocationBody,
    responses(
        (status = 200, description = "The adjustment, revoked now or before.", body = WireAdjustment),
        AdjustmentNotFound,
        InvalidBody
    )
)]
pub(crate) async fn delete_adjustment(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<AdjustmentPath>,
    OptionalJsonBody(body): OptionalJsonBody<RevocationBody>,
) -> Result<Json<WireAdjustment>, Problem> {
    let revocation = RevocationBody::check(body)?;
    let row = adjustments::revoke(path.number()?, &revocation, caller.actor(), &state.context).await?;
    let row = row.ok_or_else(|| path.not_found())?;
    note_moved(&state, &row);
    Ok(Json(row.into()))
}

/// One adjustment.
#[utoipa::path(
    get,
    path = "/v1/adjustments/{adjustment_id}",
    tag = "adjustments",
    params(AdjustmentPath),
    responses((status = 200, description = "The adjustment.", body = WireAdjustment), AdjustmentNotFound)
)]
pub(crate) async fn get_adjustment(
    State(state): State<AppState>,
    Input(path): Input<AdjustmentPath>,
) -> Result<Json<WireAdjustment>, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = adjustment::get(&mut connection, number).await?;
    Ok(Json(row.ok_or_else(|| path.not_found())?.into()))
}

parameters! {
    /// Which adjustments are listed.
    pub(crate) struct AdjustmentsQuery {
        shop_id: Option<Id>,
        creator_id: Option<Id>,
        code: Option<Id>,
        /// Only active adjustments (true) or revoked ones (false).
        active: Option<bool>,
        page: PageQuery,
    } check AdjustmentsQuery::check
}

impl AdjustmentsQuery {
    fn check(&self) -> Option<(&'static str, &'static str)> {
        let both = self.shop_id.is_some() && self.creator_id.is_some();
        both.then_some(("creator_id", "name a shop or a creator, not both"))
    }
}

/// Lists adjustments, newest first.
#[utoipa::path(
    get,
    path = "/v1/adjustments",
    tag = "adjustments",
    params(AdjustmentsQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireAdjustment>), WrongParameter)
)]
pub(crate) async fn list_adjustments(
    State(state): State<AppState>,
    Input(query): Input<AdjustmentsQuery>,
) -> Result<Json<Page<WireAdjustment>>, Problem> {
    let limit = query.page.limit.0;
    let subject = |kind: SubjectKind| move |id: Id| Subject { kind, id };
    let shop = query.shop_id.map(subject(SubjectKind::Shop));
    let filter = AdjustmentFilter {
        subject: shop.or(query.creator_id.map(subject(SubjectKind::Creator))),
        code: query.code.map(|code| code.to_string()),
        active: query.active,
        before: query.page.cursor.after,
        limit: limit as i64 + 1,
    };
    let mut connection = state.source.connection().await?;
    let rows = adjustment::list(&mut connection, &filter).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.adjustment_id)))
}
