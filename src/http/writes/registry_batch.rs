//! Many shops or creators registered at once.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::registry::{SubjectBody, present, registration};
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::auth::Caller;
use crate::http::json_body::{BATCH_BYTES_MAX, Entries, JsonBody, RequestBody};
use crate::http::params::{Input, Nothing};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidEntry, TooLarge};
use crate::http::state::AppState;
use crate::ingest::ledger;
use crate::storage::registry::Registration;

/// Entries of one bulk registration.
const ENTRIES_MAX: usize = 10_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShopEntry {
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
pub(crate) struct CreatorEntry {
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
pub(crate) struct ShopsBody {
    #[schema(max_items = 10_000, value_type = Vec<ShopEntry>)]
    pub shops: Entries<ShopEntry, ENTRIES_MAX>,
}

impl RequestBody for ShopsBody {
    const BYTES_MAX: usize = BATCH_BYTES_MAX;
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatorsBody {
    #[schema(max_items = 10_000, value_type = Vec<CreatorEntry>)]
    pub creators: Entries<CreatorEntry, ENTRIES_MAX>,
}

impl RequestBody for CreatorsBody {
    const BYTES_MAX: usize = BATCH_BYTES_MAX;
}

/// The outcome of a bulk registration.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisteredAnswer {
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
        TooLarge,
        InvalidEntry
    )
)]
pub(crate) async fn post_shops(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<ShopsBody>,
) -> Result<Json<RegisteredAnswer>, Problem> {
    let entry = |entry: ShopEntry| (entry.shop_id, SubjectBody { name: entry.name, category_id: entry.category_id });
    register_all(&state, &caller, SubjectKind::Shop, body.shops.0.into_iter().map(entry).collect()).await
}

/// Registers or changes up to 10,000 creators.
#[utoipa::path(
    post,
    path = "/v1/creators:batch",
    tag = "registry",
    request_body = CreatorsBody,
    responses(
        (status = 200, description = "All entries are registered; of a repeated id the last one counts.", body = RegisteredAnswer),
        TooLarge,
        InvalidEntry
    )
)]
pub(crate) async fn post_creators(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<CreatorsBody>,
) -> Result<Json<RegisteredAnswer>, Problem> {
    let entry =
        |entry: CreatorEntry| (entry.creator_id, SubjectBody { name: entry.name, category_id: entry.category_id });
    register_all(&state, &caller, SubjectKind::Creator, body.creators.0.into_iter().map(entry).collect()).await
}

async fn register_all(
    state: &AppState,
    caller: &Caller,
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
            Err(invalid) => faults.push(Fault::new(format!("{base}/{field}"), Code::InvalidId, invalid.to_string())),
        }
    }
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let registrations: Vec<Registration> = registrations.into_values().collect();
    if registrations.is_empty() {
        return Ok(Json(RegisteredAnswer { created: 0, updated: 0 }));
    }
    let new = ledger::register(&registrations, caller.actor(), &state.context).await?;
    state.forget_shops(registrations.iter().map(|registration| &registration.subject.id));
    let created = new.iter().filter(|new| **new).count();
    Ok(Json(RegisteredAnswer { created, updated: new.len() - created }))
}
