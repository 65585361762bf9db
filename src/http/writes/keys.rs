//! API keys: making, listing and revoking them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::access::{self, KeyRequest};
use crate::domain::calendar::parse_instant;
use crate::http::auth::KeyHolder;
use crate::http::json_body::{JsonBody, RequestBody};
use crate::http::page::Page;
use crate::http::param_types::{Cursor, Limit, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidBody, KeyNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::ScopeTerm;
use crate::storage::api_key::{self, KeyRow};

/// The key to create.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// What the key is good for.
    #[schema(value_type = Vec<ScopeTerm>, min_items = 1)]
    pub scopes: Vec<String>,
    /// The only shops that the key can read and write; absent for all.
    pub shop_ids: Option<Vec<String>>,
    #[schema(max_length = 256)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    pub expires_at: Option<DateTime<Utc>>,
}

impl RequestBody for KeyBody {
    /// Room for as many shops as a key can be bound to.
    const BYTES_MAX: usize = 256 * 1024;
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let wrong =
        || D::Error::custom("expires_at must be an RFC 3339 time with offset, such as 2026-11-08T10:00:00+08:00");
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse_instant(&text).ok_or_else(wrong)).transpose()
}

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
    /// Null for all shops.
    #[schema(required)]
    pub shop_ids: Option<Vec<String>>,
    pub created_at: DateTime<Utc>,
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A new key. The key itself is shown only here.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewWireKey {
    /// Send it as `Authorization: Bearer <key>`.
    pub key: String,
    #[serde(flatten)]
    pub described: WireKey,
}

impl From<KeyRow> for WireKey {
    fn from(row: KeyRow) -> WireKey {
        WireKey {
            key_id: row.key_id.to_string(),
            prefix: format!("ssk_{}", row.prefix),
            name: row.name,
            scopes: row.scopes,
            shop_ids: row.shop_ids,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// Creates a key. This response is the only place that shows it; only a hash is stored.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = KeyBody,
    responses((status = 201, description = "Created. Store `key`: it is not shown again.", body = NewWireKey), InvalidBody)
)]
pub(crate) async fn post_key(
    State(state): State<AppState>,
    _: KeyHolder,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<KeyBody>,
) -> Result<Response, Problem> {
    let KeyBody { scopes, shop_ids, name, expires_at } = body;
    let request = KeyRequest { scopes, shop_ids, name, expires_at };
    let now = state.context.now();
    let faults = request.faults(now);
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let mut connection = state.context.store.read.acquire().await?;
    let (secret, row) = access::create(&mut connection, request, now).await?;
    let answer = NewWireKey { key: secret.text, described: row.into() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

parameters! {
    /// Which page of keys is wanted.
    pub(crate) struct KeysQuery {
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
    Input(KeysQuery { cursor, limit }): Input<KeysQuery>,
) -> Result<Json<Page<WireKey>>, Problem> {
    let mut connection = state.source.connection().await?;
    let rows = api_key::list(&mut connection, cursor.after, limit.0 as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit.0, &cursor.signer, |row| row.key_id)))
}

parameters! {
    /// Which key is meant.
    pub(crate) struct KeyPath {
        key_id: TextSegment,
    }
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
    _: KeyHolder,
    Input(KeyPath { key_id }): Input<KeyPath>,
) -> Result<Json<WireKey>, Problem> {
    let not_found = || Problem::no_such(Kind::KeyNotFound, "key", &key_id.0);
    let number = whole_number(&key_id.0).ok_or_else(not_found)?;
    let mut connection = state.source.connection().await?;
    let row = access::revoke(&mut connection, number, state.context.now()).await?.ok_or_else(not_found)?;
    drop(connection);
    // This process, at least, knows at once.
    state.source.freshness.look().await?;
    Ok(Json(row.into()))
}
