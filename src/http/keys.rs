//! API keys: making, listing and revoking them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::media;
use super::page::Page;
use super::params::Params;
use super::problem::{Kind, Problem, ProblemBody};
use super::state::AppState;
use crate::access::{self, KeyRequest};
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
    responses(
        (status = 201, description = "Made. Keep `key`: it is not shown again.", body = NewWireKey),
        (status = 422, description = "The body is not valid.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post_key(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    params.finish()?;
    let KeyBody { scopes, shop_ids, name, expires_at } = media::json(&headers, body).await?;
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
    params(super::docs::PageQuery),
    responses(
        (status = 200, description = "A page, newest first.", body = Page<WireKey>),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list_keys(State(state): State<AppState>, mut params: Params) -> Result<Json<Page<WireKey>>, Problem> {
    let limit = params.limit();
    let before = params.cursor(|key| key.parse().ok());
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let page = Page::of(api_key::list(&mut connection, before, limit + 1).await?, limit, |row| row.key_id);
    Ok(Json(Page { items: page.items.into_iter().map(WireKey::from).collect(), next_cursor: page.next_cursor }))
}

/// Revokes a key. No process admits it for longer than 2 seconds.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key_id}",
    tag = "keys",
    params(("key_id" = String, Path)),
    responses(
        (status = 200, description = "Revoked; one that was revoked before stays as it was.", body = WireKey),
        (status = 404, description = "`key-not-found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn delete_key(
    State(state): State<AppState>,
    Path(path): Path<String>,
    params: Params,
) -> Result<Json<WireKey>, Problem> {
    params.finish()?;
    let not_found = || {
        let shown: String = path.chars().take(64).collect();
        Problem::new(Kind::KeyNotFound, format!("no key has the id {shown:?}"))
    };
    let key_id = path.parse().map_err(|_| not_found())?;
    let mut connection = state.context.store.read.acquire().await?;
    let row = access::revoke(&mut connection, key_id, state.context.now()).await?.ok_or_else(not_found)?;
    drop(connection);
    // This process, at least, knows at once.
    state.turnover.look().await?;
    Ok(Json(row.into()))
}
