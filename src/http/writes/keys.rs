//! API keys: making, listing and revoking them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{self, KeyRequest};
use crate::http::media::JsonBody;
use crate::http::page::Page;
use crate::http::param_types::{PageQuery, TextSegment};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidBody, KeyNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::storage::api_key::{self, KeyRow};

/// What a key is to be good for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyBody {
    /// One or more of `events:write`, `events:relay`, `scores:read`, `admin`.
    pub scopes: Vec<String>,
    /// Shops that the key sees and writes alone; absent for all.
    pub shop_ids: Option<Vec<String>>,
    #[schema(max_length = 256)]
    pub name: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
pub struct WireKey {
    pub key_id: String,
    /// The public part of the key.
    pub prefix: String,
    #[schema(required)]
    pub name: Option<String>,
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

/// A key that was just made. The key itself is shown this once.
#[derive(Serialize, ToSchema)]
pub struct NewWireKey {
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

/// Makes a key. The answer shows it once; it is kept nowhere.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = KeyBody,
    responses((status = 201, description = "Made. Keep `key`: it is not shown again.", body = NewWireKey), InvalidBody)
)]
pub async fn post_key(
    State(state): State<AppState>,
    _: Input<Nothing>,
    JsonBody(body): JsonBody<KeyBody>,
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

/// Keys, newest first, without their secrets; revoked ones too.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    params(PageQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireKey>), WrongParameter)
)]
pub async fn list_keys(
    State(state): State<AppState>,
    Input(PageQuery { cursor, limit }): Input<PageQuery>,
) -> Result<Json<Page<WireKey>>, Problem> {
    let mut connection = state.source.connection().await?;
    let before = cursor.0.and_then(|key_id| i32::try_from(key_id).ok());
    let rows = api_key::list(&mut connection, before, limit.0 as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit.0, |row| i64::from(row.key_id))))
}

parameters! {
    /// Which key is meant.
    pub struct KeyPath {
        key_id: TextSegment,
    }
}

/// Revokes a key. No process admits it for longer than 2 seconds.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key_id}",
    tag = "keys",
    params(KeyPath),
    responses(
        (status = 200, description = "Revoked; one that was revoked before stays as it was.", body = WireKey),
        KeyNotFound
    )
)]
pub async fn delete_key(
    State(state): State<AppState>,
    Input(KeyPath { key_id }): Input<KeyPath>,
) -> Result<Json<WireKey>, Problem> {
    let not_found = || Problem::no_such(Kind::KeyNotFound, "key", &key_id.0);
    let number = key_id.0.parse().map_err(|_| not_found())?;
    let mut connection = state.source.connection().await?;
    let row = access::revoke(&mut connection, number, state.context.now()).await?.ok_or_else(not_found)?;
    drop(connection);
    // This process, at least, knows at once.
    state.source.freshness.look().await?;
    Ok(Json(row.into()))
}
