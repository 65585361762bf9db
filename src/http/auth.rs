//! Who sent a request: the gate in front of guarded routes, and what it lets handlers know.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Span;

use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::access::{Key, Scope, prefix_of};
use crate::domain::event::Relay;
use crate::domain::id::Id;
use crate::domain::subject::Subject;

/// Guards a route: only keys of its scope pass.
#[derive(Clone)]
pub(crate) struct Gate {
    pub state: AppState,
    pub scope: Scope,
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

    /// The shops that the caller is bound to; `None` for all.
    pub(crate) fn shops(&self) -> Option<&BTreeSet<Id>> {
        self.key.as_ref().and_then(|key| key.shops())
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
        self.shops().is_none_or(|shops| shops.contains(shop_id))
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
pub(crate) struct KeyHolder;

impl<S: Send + Sync> FromRequestParts<S> for KeyHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<KeyHolder, Problem> {
        if parts.extensions.get::<Caller>().is_some_and(|caller| caller.key.is_some()) {
            Ok(KeyHolder)
        } else {
            let detail = "a service without keys (--auth off) does not manage keys; use shopscore key on its machine";
            Err(Problem::new(Kind::Forbidden, detail))
        }
    }
}

/// Lets a request pass if its caller may do what its route does.
pub(crate) async fn authorize(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match admit(&gate, request.headers()).await {
        Ok(caller) => {
            if let Some(key_id) = caller.key_id() {
                Span::current().record("key_id", key_id);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(gate: &Gate, headers: &HeaderMap) -> Result<Caller, Problem> {
    if !gate.state.auth_required {
        return Ok(Caller { key: None });
    }
    let key = authenticate(&gate.state, headers).await?;
    if key.has(gate.scope) {
        Ok(Caller { key: Some(key) })
    } else {
        Err(Problem::new(Kind::Forbidden, format!("this key lacks the `{}` scope", gate.scope)))
    }
}

async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Arc<Key>, Problem> {
    let refuse = |detail: &str| Problem::new(Kind::Unauthorized, detail);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let text = value.to_str().ok().and_then(bearer).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let unknown = || refuse("the key is unknown or revoked");
    let prefix = prefix_of(text).ok_or_else(unknown)?;
    let key = state.source.freshness.key(prefix).await?.filter(|key| key.is_text(text)).ok_or_else(unknown)?;
    if key.has_expired(state.context.now()) { Err(refuse("the key has expired")) } else { Ok(key) }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, text) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}
