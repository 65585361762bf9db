//! Who sent a request: the gate in front of guarded routes, and what it lets handlers know.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Span;

use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::access::{Bounds, IdempotencyKey, Key, Scope, prefix_of};
use crate::domain::event::Relay;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// Guards a route: only keys with one of its scopes pass.
#[derive(Clone)]
pub(crate) struct Gate {
    pub state: AppState,
    pub scopes: &'static [Scope],
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// `None` where the service asks for no keys.
    key: Option<Arc<Key>>,
}

impl Caller {
    pub(crate) fn key_id(&self) -> Option<i32> {
        self.key.as_ref().map(|key| key.key_id)
    }

    /// Whether the caller may do what a scope allows.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.key.as_ref().is_none_or(|key| key.has(scope))
    }

    /// The subjects that the caller is bound to; `None` for all.
    pub(crate) fn bounds(&self) -> Option<&Bounds> {
        self.key.as_ref().and_then(|key| key.bounds())
    }

    /// The only shop that the caller may write, if there is just one.
    pub(crate) fn only_shop(&self) -> Option<&Id> {
        let shops = self.bounds()?.of(SubjectKind::Shop);
        shops.first().filter(|_| shops.len() == 1)
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bounds().is_some()
    }

    /// Fails where a subject does not exist for the caller.
    pub(crate) fn see(&self, subject: &Subject) -> Result<(), Problem> {
        if self.key.as_ref().is_none_or(|key| key.sees(subject)) {
            Ok(())
        } else {
            Err(Problem::unknown_subject(subject))
        }
    }

    pub(crate) fn may_write(&self, shop_id: &Id) -> bool {
        self.bounds().is_none_or(|bounds| bounds.of(SubjectKind::Shop).contains(shop_id))
    }

    /// Whether the caller may send what buyers and the platform say, and take it back.
    pub(crate) fn relay(&self) -> Relay {
        self.key.as_ref().map_or(Relay::Everything, |key| key.relay())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        // An open route knows no caller.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::new(Kind::Forbidden, "no caller is known"))
    }
}

/// A caller who showed a key. Where none is asked for, anybody could make keys that stay good later.
pub(crate) struct KeyHolder {
    pub key_id: i32,
}

impl<S: Send + Sync> FromRequestParts<S> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<KeyHolder, Problem> {
        match parts.extensions.get::<Caller>().and_then(Caller::key_id) {
            Some(key_id) => Ok(KeyHolder { key_id }),
            None => {
                let detail =
                    "a service without keys (--auth off) does not manage keys; use shopscore key on its machine";
                Err(Problem::new(Kind::Forbidden, detail))
            }
        }
    }
}

/// The Idempotency-Key of a request, if it has one.
pub(crate) struct Repeatable(pub Option<IdempotencyKey>);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Repeatable, Problem> {
        let detail = "Idempotency-Key must be 16 to 255 printable ASCII characters without spaces; choose a random one, such as a UUID";
        let wrong = || Problem::new(Kind::InvalidParameter, detail);
        let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(Repeatable(None)) };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse).ok_or_else(wrong)?;
        Ok(Repeatable(Some(key)))
    }
}

/// Lets a request pass if its caller may do what its route does.
pub(crate) async fn authorize(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match admit(&gate, request.headers()).await {
        Ok(caller) => {
            let span = Span::current();
            span.record("key_id", caller.key_id());
            span.record("shop_id", caller.only_shop().map(Id::as_str));
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            if response.status().is_server_error() {
                // For the log.
                response.extensions_mut().insert(caller);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(gate: &Gate, headers: &HeaderMap) -> Result<Caller, Problem> {
    if !gate.state.auth_required {
        return Ok(Caller { key: None });
    }
    let key = authenticate(&gate.state, headers).await?;
    if gate.scopes.iter().any(|scope| key.has(*scope)) {
        return Ok(Caller { key: Some(key) });
    }
    let scopes: Vec<String> = gate.scopes.iter().map(|scope| format!("`{scope}`")).collect();
    Err(Problem::new(Kind::Forbidden, format!("this key lacks the {} scope", scopes.join(" or "))))
}

async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Arc<Key>, Problem> {
    let refuse = |detail: &str| Problem::new(Kind::Unauthorized, detail);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let text = value.to_str().ok().and_then(bearer).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let unknown = || refuse("the key is unknown or revoked");
    let prefix = prefix_of(text).ok_or_else(unknown)?;
    let key = state.source.freshness.key(prefix).await?.filter(|key| key.is_text(text)).ok_or_else(unknown)?;
    let now = state.context.now();
    if key.has_expired(now) {
        return Err(refuse("the key has expired"));
    }
    state.last_used.note(&key, now);
    Ok(key)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, text) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}
