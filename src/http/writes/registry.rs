//! The registry of shops and creators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::answers::published::known;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::subject::Subject;
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, RequestBody};
use crate::http::page::{Page, subject_ids};
use crate::http::param_types::{Cursor, Limit};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{SubjectNotFound, SubjectProblems, UnknownKind, WrongParameter};
use crate::http::state::AppState;
use crate::http::subject_params::{KindSegment, SeenSubject, SubjectPath};
use crate::ingest::ledger;
use crate::storage::registry::{self, Registration, SubjectRow};

/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;

/// A registered shop or creator.
#[derive(Serialize, ToSchema)]
#[schema(as = Subject)]
pub(crate) struct WireSubject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub registered_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The key with which it was registered or changed last; null where an event registered it, or no keys are asked for.
    /// Keys that are bound to subjects do not learn it.
    #[schema(required)]
    pub key_id: Option<String>,
}

impl From<SubjectRow> for WireSubject {
    fn from(row: SubjectRow) -> WireSubject {
        let SubjectRow { subject, name, category_id, registered_at, updated_at, key_id } = row;
        let (shop_id, creator_id) = subject_ids(&subject);
        let key_id = key_id.map(|id| id.to_string());
        WireSubject { shop_id, creator_id, name, category_id, registered_at, updated_at, key_id }
    }
}

/// A field that tells absent (`None`) from null (`Some(None)`).
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What to register: an absent field is left unchanged, null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub category_id: Option<Option<String>>,
}

impl RequestBody for SubjectBody {}

/// Checks one entry; faults go to `faults` with pointers below `base`.
pub(super) fn registration(subject: Subject, body: SubjectBody, base: &str, faults: &mut Vec<Fault>) -> Registration {
    if let Some(Some(name)) = &body.name
        && (name.chars().count() > NAME_LENGTH_MAX || name.contains('\0'))
    {
        let detail = "name has at most 256 characters and no U+0000";
        faults.push(Fault::new(format!("{base}/name"), Code::InvalidValue, detail));
    }
    let category_id = body.category_id.map(|category_id| {
        category_id.and_then(|text| match Id::parse(&text) {
            Ok(id) => Some(id),
            Err(invalid) => {
                faults.push(Fault::new(format!("{base}/category_id"), Code::InvalidId, invalid.to_string()));
                None
            }
        })
    });
    Registration { subject, name: body.name, category_id }
}

parameters! {
    /// Which subjects are listed.
    pub(crate) struct SubjectsQuery {
        kind: KindSegment,
        /// Only subjects of this category.
        category_id: Option<Id>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<Id>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// Registers a shop or creator, or changes it.
#[utoipa::path(
    put,
    path = "/v1/{kind}/{id}",
    tag = "registry",
    params(SubjectPath),
    request_body = SubjectBody,
    responses(
        (status = 200, description = "Updated.", body = WireSubject),
        (status = 201, description = "Registered.", body = WireSubject),
        SubjectProblems
    )
)]
pub(crate) async fn put_subject(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<SubjectPath>,
    JsonBody(body, _room): JsonBody<SubjectBody>,
) -> Result<Response, Problem> {
    let subject = path.subject();
    let mut faults = Vec::new();
    let registration = registration(subject.clone(), body, "", &mut faults);
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let new = ledger::register(&[registration], caller.actor(), &state.context).await?;
    state.forget_shops([&subject.id].into_iter());
    let mut connection = state.context.store.ingest.acquire().await?;
    let row = registry::get(&mut connection, &subject).await?;
    let row = row.ok_or_else(|| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let status = if new.first() == Some(&true) { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(WireSubject::from(row))).into_response())
}

parameters! {
    /// A subject that the caller may see.
    pub(crate) struct SeenPath {
        subject: SeenSubject,
    }
}

/// One registered shop or creator. Keys with `scores:read` may ask too, bound ones for their own subjects.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}",
    tag = "registry",
    params(SeenPath),
    responses((status = 200, description = "The subject as registered last.", body = WireSubject), SubjectNotFound)
)]
pub(crate) async fn get_subject(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<SeenPath>,
) -> Result<Json<WireSubject>, Problem> {
    let mut connection = state.source.connection().await?;
    let row = known(&mut connection, &path.subject.0).await?;
    Ok(Json(SubjectRow { key_id: row.key_id.filter(|_| !caller.is_bound()), ..row }.into()))
}

/// Lists registered shops or creators, by id.
#[utoipa::path(
    get,
    path = "/v1/{kind}",
    tag = "registry",
    params(SubjectsQuery),
    responses((status = 200, description = "A page, by id.", body = Page<WireSubject>), UnknownKind, WrongParameter)
)]
pub(crate) async fn list_subjects(
    State(state): State<AppState>,
    Input(query): Input<SubjectsQuery>,
) -> Result<Json<Page<WireSubject>>, Problem> {
    let (limit, category_id, after) = (query.limit.0, query.category_id.as_ref(), query.cursor.after.as_ref());
    let mut connection = state.source.connection().await?;
    let rows = registry::list(&mut connection, query.kind.0, category_id, after, limit as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit, &query.cursor.signer, |row| row.subject.id.clone())))
}
