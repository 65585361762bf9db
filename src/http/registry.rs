//! The registry of shops and creators.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::media;
use super::page::Page;
use super::params::{self, Params};
use super::problem::{FieldError, Kind, Problem, ProblemBody};
use super::state::AppState;
use super::wire::subject_ids;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::ingest::ledger;
use crate::storage::registry::{self, Registration, SubjectRow};

/// Entries of one bulk registration.
const ENTRIES_MAX: usize = 10_000;
/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;

/// A registered shop or creator.
#[derive(Serialize, ToSchema)]
pub struct WireSubject {
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
}

fn wire(kind: SubjectKind, row: SubjectRow) -> WireSubject {
    let (shop_id, creator_id) = subject_ids(&Subject { kind, id: Id::stored(&row.subject_id) });
    let SubjectRow { name, category_id, registered_at, updated_at, .. } = row;
    WireSubject { shop_id, creator_id, name, category_id, registered_at, updated_at }
}

/// A field that tells absent (`None`) from null (`Some(None)`).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What to register: an absent field stays as it was, null clears.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectBody {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub category_id: Option<Option<String>>,
}

/// Checks one entry; faults go to `faults` with pointers below `base`.
fn registration(subject: Subject, body: SubjectBody, base: &str, faults: &mut Vec<FieldError>) -> Registration {
    if let Some(Some(name)) = &body.name
        && (name.chars().count() > NAME_LENGTH_MAX || name.contains('\0'))
    {
        let detail = "name has at most 256 characters and no U+0000";
        faults.push(FieldError::new(format!("{base}/name"), "invalid_value", detail));
    }
    let category_id = body.category_id.map(|category_id| {
        category_id.and_then(|text| match Id::parse(&text) {
            Ok(id) => Some(id),
            Err(invalid) => {
                faults.push(FieldError::new(format!("{base}/category_id"), "invalid_id", invalid.to_string()));
                None
            }
        })
    });
    Registration { subject, name: body.name, category_id }
}

fn invalid_body(faults: Vec<FieldError>) -> Problem {
    let details: Vec<&str> = faults.iter().take(3).map(|fault| fault.detail.as_str()).collect();
    Problem::new(Kind::InvalidBody, details.join("; ")).with_errors(faults)
}

/// Registers a shop or creator, or changes it.
#[utoipa::path(
    put,
    path = "/v1/{kind}/{id}",
    tag = "registry",
    params(super::docs::SubjectPath),
    request_body = SubjectBody,
    responses(
        (status = 200, description = "Changed.", body = WireSubject),
        (status = 201, description = "Registered.", body = WireSubject),
        (status = 400, description = "The body is no JSON, or the id is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The body is not valid.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn put_subject(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    params.finish()?;
    let subject = params::subject(&path.0, &path.1)?;
    let mut faults = Vec::new();
    let registration = registration(subject.clone(), media::json(&headers, body).await?, "", &mut faults);
    if !faults.is_empty() {
        return Err(invalid_body(faults));
    }
    let new = ledger::register(&[registration], &state.context).await?;
    let mut connection = state.context.store.ingest.acquire().await?;
    let row = registry::get(&mut connection, &subject).await?;
    let row = row.ok_or_else(|| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let status = if new.first() == Some(&true) { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(wire(subject.kind, row))).into_response())
}

/// One registered shop or creator.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}",
    tag = "registry",
    params(super::docs::SubjectPath),
    responses(
        (status = 200, description = "The subject as registered last.", body = WireSubject),
        (status = 404, description = "`subject-not-found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get_subject(
    State(state): State<AppState>,
    Path(path): Path<(String, String)>,
    params: Params,
) -> Result<Json<WireSubject>, Problem> {
    params.finish()?;
    let subject = params::subject(&path.0, &path.1)?;
    let mut connection = state.context.store.read.acquire().await?;
    match registry::get(&mut connection, &subject).await? {
        Some(row) => Ok(Json(wire(subject.kind, row))),
        None => Err(Problem::unknown_subject(&subject)),
    }
}

/// Registered shops or creators, by id.
#[utoipa::path(
    get,
    path = "/v1/{kind}",
    tag = "registry",
    params(
        super::docs::KindPath,
        ("category_id" = Option<String>, Query, description = "Only those of a category."),
        super::docs::PageQuery,
    ),
    responses(
        (status = 200, description = "A page, by id.", body = Page<WireSubject>),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list_subjects(
    State(state): State<AppState>,
    Path(kind): Path<String>,
    mut params: Params,
) -> Result<Json<Page<WireSubject>>, Problem> {
    let kind = params::subject_kind(&kind)?;
    let category_id = params.id("category_id");
    let after = params.cursor(|key| Id::parse(key).ok());
    let limit = params.limit();
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let rows = registry::list(&mut connection, kind, category_id.as_ref(), after.as_ref(), limit + 1).await?;
    let page = Page::of(rows, limit, |row| row.subject_id.clone());
    let items = page.items.into_iter().map(|row| wire(kind, row)).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShopEntry {
    pub shop_id: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub category_id: Option<Option<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatorEntry {
    pub creator_id: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub category_id: Option<Option<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShopsBody {
    #[schema(max_items = 10_000)]
    pub shops: Vec<ShopEntry>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatorsBody {
    #[schema(max_items = 10_000)]
    pub creators: Vec<CreatorEntry>,
}

/// What became of a bulk registration.
#[derive(Serialize, ToSchema)]
pub struct RegisteredAnswer {
    /// Subjects that were not known before.
    pub created: usize,
    /// Subjects that were known.
    pub updated: usize,
}

/// Registers or changes up to 10,000 shops.
#[utoipa::path(
    post,
    path = "/v1/shops:batch",
    tag = "registry",
    request_body = ShopsBody,
    responses(
        (status = 200, description = "All entries are registered; of a repeated id the last one counts.", body = RegisteredAnswer),
        (status = 413, description = "Too many entries; nothing was written.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An entry is not valid; nothing was written.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post_shops(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RegisteredAnswer>, Problem> {
    params.finish()?;
    let body: ShopsBody = media::json(&headers, body).await?;
    let entry = |entry: ShopEntry| (entry.shop_id, SubjectBody { name: entry.name, category_id: entry.category_id });
    register_all(&state, SubjectKind::Shop, body.shops.into_iter().map(entry).collect()).await
}

/// Registers or changes up to 10,000 creators.
#[utoipa::path(
    post,
    path = "/v1/creators:batch",
    tag = "registry",
    request_body = CreatorsBody,
    responses(
        (status = 200, description = "All entries are registered; of a repeated id the last one counts.", body = RegisteredAnswer),
        (status = 413, description = "Too many entries; nothing was written.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "An entry is not valid; nothing was written.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post_creators(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RegisteredAnswer>, Problem> {
    params.finish()?;
    let body: CreatorsBody = media::json(&headers, body).await?;
    let entry =
        |entry: CreatorEntry| (entry.creator_id, SubjectBody { name: entry.name, category_id: entry.category_id });
    register_all(&state, SubjectKind::Creator, body.creators.into_iter().map(entry).collect()).await
}

async fn register_all(
    state: &AppState,
    kind: SubjectKind,
    entries: Vec<(String, SubjectBody)>,
) -> Result<Json<RegisteredAnswer>, Problem> {
    if entries.len() > ENTRIES_MAX {
        return Err(Problem::new(
            Kind::TooLarge,
            format!("a request has at most {ENTRIES_MAX} entries; nothing was written"),
        ));
    }
    let (list, field) = match kind {
        SubjectKind::Shop => ("shops", "shop_id"),
        SubjectKind::Creator => ("creators", "creator_id"),
    };
    let mut faults = Vec::new();
    // Of a repeated id the last one counts, and writers take the rows in the order of their ids.
    let mut registrations: BTreeMap<Id, Registration> = BTreeMap::new();
    for (index, (id, body)) in entries.into_iter().enumerate() {
        let base = format!("/{list}/{index}");
        match Id::parse(&id) {
            Ok(id) => {
                let registration = registration(Subject { kind, id: id.clone() }, body, &base, &mut faults);
                registrations.insert(id, registration);
            }
            Err(invalid) => faults.push(FieldError::new(format!("{base}/{field}"), "invalid_id", invalid.to_string())),
        }
    }
    if !faults.is_empty() {
        return Err(invalid_body(faults));
    }
    let registrations: Vec<Registration> = registrations.into_values().collect();
    if registrations.is_empty() {
        return Ok(Json(RegisteredAnswer { created: 0, updated: 0 }));
    }
    let new = ledger::register(&registrations, &state.context).await?;
    let created = new.iter().filter(|new| **new).count();
    Ok(Json(RegisteredAnswer { created, updated: new.len() - created }))
}
