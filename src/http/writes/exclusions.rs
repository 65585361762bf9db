//! The ledger of exclusions.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::exclusion::{Exclusion, ExclusionTarget};
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::words::Word;
use crate::http::json_body::{JsonBody, OptionalJsonBody, RequestBody};
use crate::http::page::Page;
use crate::http::param_types::{PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::problem_responses::{ExclusionNotFound, InvalidBody, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::TargetTerm;
use crate::ingest::ledger::{self, Excluded};
use crate::storage::exclusion::{self, ExclusionFilter, ExclusionRow, NewExclusion, Revocation};

/// Characters of a reason, a name or a note.
const TEXT_LENGTH_MAX: usize = 2_000;

/// What to exclude from scores.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExclusionBody {
    pub shop_id: String,
    #[schema(value_type = TargetTerm)]
    pub target: String,
    /// The id of the target.
    pub id: String,
    /// The order of a review, an after-sale case or a complaint.
    pub order_id: Option<String>,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
}

impl RequestBody for ExclusionBody {}

/// Who revokes it, and why.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationBody {
    pub revoked_by: Option<String>,
    pub note: Option<String>,
}

impl RequestBody for RevocationBody {}

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
            matched: row.is_matched,
        }
    }
}

fn check_text(faults: &mut Vec<Fault>, pointer: &str, text: &str, required: bool) {
    if text.chars().count() > TEXT_LENGTH_MAX || text.contains('\0') || (required && text.trim().is_empty()) {
        let detail = format!("{} must be text of 1-{TEXT_LENGTH_MAX} characters without U+0000", &pointer[1..]);
        faults.push(Fault::new(pointer, Code::InvalidValue, detail));
    }
}

fn check_id(faults: &mut Vec<Fault>, pointer: &str, text: &str) -> Option<Id> {
    Id::parse(text).map_err(|invalid| faults.push(Fault::new(pointer, Code::InvalidId, invalid.to_string()))).ok()
}

impl ExclusionBody {
    fn check(self) -> Result<NewExclusion, Problem> {
        let mut faults = Vec::new();
        let shop_id = check_id(&mut faults, "/shop_id", &self.shop_id);
        let id = check_id(&mut faults, "/id", &self.id);
        let order_id = self.order_id.as_deref().and_then(|id| check_id(&mut faults, "/order_id", id));
        let target = ExclusionTarget::parse(&self.target);
        if target.is_none() {
            let detail = format!("target must be one of {}", ExclusionTarget::list());
            faults.push(Fault::new("/target", Code::InvalidValue, detail));
        }
        match target {
            Some(target) if target.is_part_of_order() && self.order_id.is_none() => {
                let detail = format!("order_id is required: the order of the {}", target.as_str());
                faults.push(Fault::new("/order_id", Code::MissingField, detail));
            }
            Some(target) if !target.is_part_of_order() && self.order_id.is_some() => {
                let same = target == ExclusionTarget::Order && self.order_id.as_deref() == Some(self.id.as_str());
                if !same {
                    let detail = format!("order_id is not allowed with the target {}", target.as_str());
                    faults.push(Fault::new("/order_id", Code::Contradiction, detail));
                }
            }
            _ => {}
        }
        check_text(&mut faults, "/reason", &self.reason, true);
        check_text(&mut faults, "/decided_by", &self.decided_by, true);
        check_text(&mut faults, "/note", self.note.as_deref().unwrap_or_default(), false);
        match (shop_id, id, target) {
            (Some(shop_id), Some(id), Some(target)) if faults.is_empty() => {
                let exclusion = Exclusion { target, id };
                let order_id = order_id.filter(|_| target.is_part_of_order());
                let aggregate = exclusion.aggregate(shop_id, order_id.clone());
                let (reason, decided_by, note) = (self.reason, self.decided_by, self.note);
                Ok(NewExclusion { aggregate, exclusion, order_id, reason, decided_by, note })
            }
            _ => Err(Problem::invalid_body(faults)),
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
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<ExclusionBody>,
) -> Result<Response, Problem> {
    let new = body.check()?;
    match ledger::exclude(&new, &state.context).await? {
        Excluded::Done(row) => {
            let location = format!("/v1/exclusions/{}", row.exclusion_id);
            let located = [(header::LOCATION, location)];
            Ok((StatusCode::CREATED, located, Json(WireExclusion::from(*row))).into_response())
        }
        Excluded::Already(exclusion_id) => {
            let detail = format!("exclusion {exclusion_id} of the same target is active; revoke it first to change it");
            Err(Problem::new(Kind::AlreadyExcluded, detail).with("exclusion_id", exclusion_id.to_string()))
        }
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
    request_body(content = Option<RevocationBody>, description = "Optional."),
    responses(
        (status = 200, description = "The exclusion, revoked now or before.", body = WireExclusion),
        ExclusionNotFound
    )
)]
pub(crate) async fn delete_exclusion(
    State(state): State<AppState>,
    Input(path): Input<ExclusionPath>,
    OptionalJsonBody(body): OptionalJsonBody<RevocationBody>,
) -> Result<Json<WireExclusion>, Problem> {
    let revocation = body.unwrap_or_default();
    let mut faults = Vec::new();
    check_text(&mut faults, "/revoked_by", revocation.revoked_by.as_deref().unwrap_or_default(), false);
    check_text(&mut faults, "/note", revocation.note.as_deref().unwrap_or_default(), false);
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let exclusion_id = path.number()?;
    let revocation = Revocation { revoked_by: revocation.revoked_by, note: revocation.note };
    let row = ledger::revoke(exclusion_id, &revocation, &state.context).await?;
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
