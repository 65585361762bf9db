//! API keys: listing and revoking them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access;
use crate::domain::id::Id;
use crate::http::auth::KeyHolder;
use crate::http::page::Page;
use crate::http::param_types::{Cursor, Limit, TextSegment, whole_number};
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{KeyNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::ScopeTerm;
use crate::storage::api_key::{self, KeyFilter, KeyRow};

/// A key without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct WireKey {
    pub key_id: String,
    /// The public part of the key.
    pub prefix: String,
    #[schema(required)]
    pub name: Option<String>,
    #[schema(value_type = Vec<ScopeTerm>)]
    pub scopes: Vec<String>,
    /// The shops that the key is bound to. A key is for all shops and creators where this and `creator_ids` are null.
    #[schema(required)]
    pub shop_ids: Option<Vec<String>>,
    /// The creators that the key is bound to.
    #[schema(required)]
    pub creator_ids: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    /// The key with which this one was made; null for the command line.
    #[schema(required)]
    pub created_by_key_id: Option<String>,
    /// The key that this one takes the place of, if it was made by a rotation.
    #[schema(required)]
    pub replaces_key_id: Option<String>,
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When the key was last shown, to the minute; null if never.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_at: Option<DateTime<Utc>>,
    /// The key with which this one was revoked; null for the command line.
    #[schema(required)]
    pub revoked_by_key_id: Option<String>,
    /// Events that the key may send in a second; null as the service says, 0 for no bound.
    #[schema(required)]
    pub events_per_second: Option<i32>,
    /// The same of all other requests.
    #[schema(required)]
    pub requests_per_second: Option<i32>,
}

impl From<KeyRow> for WireKey {
    fn from(row: KeyRow) -> WireKey {
        WireKey {
            key_id: row.key_id.to_string(),
            prefix: format!("ssk_{}", row.prefix),
            name: row.name,
            scopes: row.scopes,
            shop_ids: row.shop_ids,
            creator_ids: row.creator_ids,
            created_at: row.created_at,
            created_by_key_id: row.created_by_key_id.map(|id| id.to_string()),
            replaces_key_id: row.replaces_key_id.map(|id| id.to_string()),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoked_by_key_id: row.revoked_by_key_id.map(|id| id.to_string()),
            events_per_second: row.events_per_second,
            requests_per_second: row.requests_per_second,
        }
    }
}

parameters! {
    /// Which page of keys is wanted.
    pub(crate) struct KeysQuery {
        /// Only keys that are bound to this shop.
        shop_id: Option<Id>,
        /// Only keys that are bound to this creator.
        creator_id: Option<Id>,
        /// Only keys that are good now (true), or only those that are revoked or have expired (false).
        active: Option<bool>,
        /// `next_cursor` of the page before.
        cursor: Cursor<i32>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// Lists keys, newest first, revoked ones too, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    params(KeysQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireKey>), WrongParameter)
)]
pub(crate) async fn list_keys(
    State(state): State<AppState>,
    _: KeyHolder,
    Input(query): Input<KeysQuery>,
) -> Result<Json<Page<WireKey>>, Problem> {
    let limit = query.limit.0;
    let filter = KeyFilter {
        shop_id: query.shop_id,
        creator_id: query.creator_id,
        active: query.active.map(|active| (active, state.context.now())),
        before: query.cursor.after,
        limit: limit as i64 + 1,
    };
    state.last_used.write(&state.context.store).await?;
    let mut connection = state.source.connection().await?;
    let rows = api_key::list(&mut connection, &filter).await?;
    Ok(Json(Page::of(rows, limit, &query.cursor.signer, |row| row.key_id)))
}

parameters! {
    /// Which key is meant.
    pub(crate) struct KeyPath {
        key_id: TextSegment,
    }
}

impl KeyPath {
    pub(super) fn not_found(&self) -> Problem {
        Problem::no_such(Kind::KeyNotFound, "key", &self.key_id.0)
    }

    pub(super) fn number(&self) -> Result<i32, Problem> {
        whole_number(&self.key_id.0).ok_or_else(|| self.not_found())
    }
}

/// One key, without its secret.
#[utoipa::path(
    get,
    path = "/v1/keys/{key_id}",
    tag = "keys",
    params(KeyPath),
    responses((status = 200, description = "The key.", body = WireKey), KeyNotFound)
)]
pub(crate) async fn get_key(
    State(state): State<AppState>,
    _: KeyHolder,
    Input(path): Input<KeyPath>,
) -> Result<Json<WireKey>, Problem> {
    let number = path.number()?;
    state.last_used.write(&state.context.store).await?;
    let mut connection = state.source.connection().await?;
    let row = api_key::get(&mut connection, number).await?.ok_or_else(|| path.not_found())?;
    Ok(Json(row.into()))
}

/// Revokes a key. Every process refuses it within 2 seconds.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key_id}",
    tag = "keys",
    params(KeyPath),
    responses(
        (status = 200, description = "Revoked; a key that was already revoked is left unchanged.", body = WireKey),
        KeyNotFound
    )
)]
pub(crate) async fn delete_key(
    State(state): State<AppState>,
    holder: KeyHolder,
    Input(path): Input<KeyPath>,
) -> Result<Json<WireKey>, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = access::revoke(&mut connection, number, &holder.asking(None, state.context.now())).await?;
    drop(connection);
    // This process, at least, knows at once.
    state.source.freshness.look_if_possible().await;
    row.map(|row| Json(row.into())).ok_or_else(|| path.not_found())
}
