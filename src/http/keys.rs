//! API keys: making, listing and revoking them.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;

use super::AppState;
use super::auth::{Scope, Secret};
use super::media;
use super::page::Page;
use super::params::Params;
use super::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::domain::id::Id;
use crate::storage::StoreError;
use crate::storage::api_key::{self, KeyRow, NewKey};

/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;
/// Shops that one key may be bound to.
const SHOPS_MAX: usize = 1_000;

/// What a key is to be good for.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
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

impl KeyBody {
    /// What is wrong with the wish, with pointers; also used by the command line.
    pub fn check(&self, now: DateTime<Utc>) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: &str| {
            faults.push(FieldError::new(pointer, "invalid_value", detail));
        };
        if self.scopes.is_empty() {
            fault("/scopes".to_owned(), "scopes names at least one of events:write, events:relay, scores:read, admin");
        }
        for (index, word) in self.scopes.iter().enumerate() {
            if Scope::parse(word).is_none() {
                let detail = "a scope is one of events:write, events:relay, scores:read, admin";
                fault(format!("/scopes/{index}"), detail);
            }
        }
        if let Some(shop_ids) = &self.shop_ids {
            if shop_ids.is_empty() || shop_ids.len() > SHOPS_MAX {
                fault("/shop_ids".to_owned(), "shop_ids names 1 to 1000 shops, or is left out for all");
            }
            if self.scopes.iter().any(|word| word == Scope::Admin.as_str()) {
                fault("/scopes".to_owned(), "admin is a scope for all shops; leave the shops out, or admin");
            }
            for (index, id) in shop_ids.iter().enumerate() {
                if let Err(invalid) = Id::parse(id) {
                    fault(format!("/shop_ids/{index}"), &invalid.to_string());
                }
            }
        }
        if self.name.as_ref().is_some_and(|name| name.chars().count() > NAME_LENGTH_MAX || name.contains('\0')) {
            fault("/name".to_owned(), "name has at most 256 characters and no U+0000");
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            fault("/expires_at".to_owned(), "expires_at lies in the future");
        }
        faults
    }

    /// A key as wished, ready to be stored.
    pub fn new_key(self, secret: &Secret) -> NewKey {
        let mut scopes = self.scopes;
        scopes.sort();
        scopes.dedup();
        NewKey {
            prefix: secret.prefix.clone(),
            key_hash: secret.hash(),
            name: self.name,
            scopes,
            shop_ids: self.shop_ids,
            expires_at: self.expires_at,
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
    let wish: KeyBody = media::json(&headers, body).await?;
    let now = state.write.now();
    let faults = wish.check(now);
    if !faults.is_empty() {
        let details: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
        return Err(Problem::new(Kind::InvalidBody, details.join("; ")).with_errors(faults));
    }
    let mut connection = state.run.store.read.acquire().await?;
    let (secret, row) = create(&mut connection, wish, now).await?;
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
    let mut connection = state.run.store.read.acquire().await?;
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
    let mut connection = state.run.store.read.acquire().await?;
    let row = revoke(&mut connection, key_id, state.write.now()).await?.ok_or_else(not_found)?;
    drop(connection);
    // This process, at least, knows at once.
    state.turnover.look().await?;
    Ok(Json(row.into()))
}

/// Stores a key as wished, which was checked.
pub async fn create(
    connection: &mut PgConnection,
    wish: KeyBody,
    now: DateTime<Utc>,
) -> Result<(Secret, KeyRow), StoreError> {
    let secret = Secret::random();
    let mut transaction = connection.begin().await?;
    let row = api_key::insert(&mut transaction, &wish.new_key(&secret), now).await?;
    transaction.commit().await?;
    Ok((secret, row))
}

/// Revokes a key. `None` if there is no such key.
pub async fn revoke(
    connection: &mut PgConnection,
    key_id: i32,
    now: DateTime<Utc>,
) -> Result<Option<KeyRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    let row = api_key::revoke(&mut transaction, key_id, now).await?;
    transaction.commit().await?;
    Ok(row)
}
