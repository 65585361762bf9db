//! API keys: making and replacing them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::keys::{KeyPath, WireKey};
use crate::access::{self, GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX, IssueError, KeyRequest, Rates, Secret};
use crate::domain::calendar::parse_instant;
use crate::domain::fault::{Code, Fault};
use crate::http::auth::{KeyHolder, Repeatable};
use crate::http::json_body::{JsonBody, OptionalJsonBody, RequestBody};
use crate::http::params::{Input, Nothing};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidBody, KeyNotActive, KeyNotFound};
use crate::http::state::AppState;
use crate::http::terms::ScopeTerm;
use crate::storage::api_key::KeyRow;

/// The key to create.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// What the key is good for.
    #[schema(value_type = Vec<ScopeTerm>, min_items = 1)]
    pub scopes: Vec<String>,
    /// The only shops that the key can read and write. Without `shop_ids` and `creator_ids` it can read and write all.
    pub shop_ids: Option<Vec<String>>,
    /// The only creators that the key can read.
    pub creator_ids: Option<Vec<String>>,
    #[schema(max_length = 256)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "instant")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Events that it may send in a second, counted by each process for itself. Without it as the service says; 0 stands for no
    /// bound.
    #[schema(maximum = 1_000_000)]
    pub events_per_second: Option<u32>,
    /// The same of all other requests.
    #[schema(maximum = 1_000_000)]
    pub requests_per_second: Option<u32>,
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

/// For how long the old key stays good.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotationBody {
    /// Hours during which both keys are good, 24 if not said. With 0 the old key stops working at once.
    #[schema(minimum = 0, maximum = 720)]
    pub grace_hours: Option<i64>,
}

impl RequestBody for RotationBody {}

/// A new key. The key itself is shown only here.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewWireKey {
    /// Send it as `Authorization: Bearer <key>`.
    pub key: String,
    #[serde(flatten)]
    pub described: WireKey,
}

/// Answers with a key that was made, or made before by the same request.
fn created(result: Result<(Secret, KeyRow), IssueError>, of: impl Fn() -> Problem) -> Result<Response, Problem> {
    match result {
        Ok((secret, row)) => {
            let answer = NewWireKey { key: secret.text, described: row.into() };
            Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
        }
        Err(IssueError::Store(error)) => Err(error.into()),
        Err(IssueError::NotFound) => Err(of()),
        Err(error @ IssueError::NotActive) => Err(Problem::new(Kind::KeyNotActive, error.to_string())),
        Err(error @ IssueError::Replaced(key_id)) => {
            Err(Problem::new(Kind::KeyReplaced, error.to_string()).with("key_id", key_id.to_string()))
        }
        Err(IssueError::Reused) => {
            let detail =
                "within a day another request was sent with this Idempotency-Key; choose a new one for each key";
            Err(Problem::new(Kind::IdempotencyKeyReused, detail))
        }
    }
}

/// Creates a key. This response is the only place that shows it; only a hash is stored.
///
/// Send an `Idempotency-Key` to be able to repeat the request when its answer is lost: for 24 hours the same request is
/// answered with the same key.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "A random text, such as a UUID, that is sent again with every repetition of the request.", min_length = 16, max_length = 255)),
    request_body = KeyBody,
    responses((status = 201, description = "Created. Store `key`: it is not shown again.", body = NewWireKey), InvalidBody)
)]
pub(crate) async fn post_key(
    State(state): State<AppState>,
    holder: KeyHolder,
    Repeatable(idempotency_key): Repeatable,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<KeyBody>,
) -> Result<Response, Problem> {
    let KeyBody { scopes, shop_ids, creator_ids, name, expires_at, events_per_second, requests_per_second } = body;
    let rates = Rates { events: events_per_second, requests: requests_per_second };
    let request = KeyRequest { scopes, shop_ids, creator_ids, name, expires_at, rates };
    let now = state.context.now();
    let faults = request.faults(now);
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let mut connection = state.context.store.read.acquire().await?;
    let asking = holder.asking(idempotency_key, now);
    created(access::create(&mut connection, &request, &asking).await, || Problem::of_status(StatusCode::NOT_FOUND))
}

/// Replaces a key: makes one with the same scopes, shops, creators, name and expiry, and lets the old one expire.
///
/// Both are good until the grace is over, so that clients can be changed one by one. `last_used_at` of the old key shows
/// whether all of them were.
#[utoipa::path(
    post,
    path = "/v1/keys/{key_id}/rotate",
    tag = "keys",
    params(
        KeyPath,
        ("Idempotency-Key" = Option<String>, Header, description = "A random text, such as a UUID, that is sent again with every repetition of the request.", min_length = 16, max_length = 255)
    ),
    request_body(content = Option<RotationBody>, description = "Optional."),
    responses(
        (status = 201, description = "Created. Store `key`: it is not shown again.", body = NewWireKey),
        KeyNotFound,
        KeyNotActive,
        InvalidBody
    )
)]
pub(crate) async fn rotate_key(
    State(state): State<AppState>,
    holder: KeyHolder,
    Repeatable(idempotency_key): Repeatable,
    Input(path): Input<KeyPath>,
    OptionalJsonBody(body): OptionalJsonBody<RotationBody>,
) -> Result<Response, Problem> {
    let hours = body.unwrap_or_default().grace_hours.unwrap_or(GRACE_HOURS_DEFAULT);
    if !(0..=GRACE_HOURS_MAX).contains(&hours) {
        let detail = format!("grace_hours must be a whole number from 0 to {GRACE_HOURS_MAX}");
        return Err(Problem::invalid_body(vec![Fault::new("/grace_hours", Code::InvalidValue, detail)]));
    }
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let asking = holder.asking(idempotency_key, state.context.now());
    let rotated = access::rotate(&mut connection, number, TimeDelta::hours(hours), &asking).await;
    drop(connection);
    // This process, at least, knows at once.
    state.source.freshness.look_if_possible().await;
    created(rotated, || path.not_found())
}
