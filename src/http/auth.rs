//! Who sent a request: the gate in front of guarded routes, and what it lets handlers know.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use super::limits::client::network;
use super::limits::rates::Unit;
use super::limits::{Limits, Who};
use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::access::{Asking, Bounds, IdempotencyKey, Key, Rates, Scope, prefix_of};
use crate::domain::audit::Actor;
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
    /// The address that the request comes from.
    address: IpAddr,
}

impl Caller {
    pub(crate) fn key_id(&self) -> Option<i32> {
        self.key.as_ref().map(|key| key.key_id)
    }

    /// As whom the audit trail names the caller.
    pub(crate) fn actor(&self) -> Actor {
        self.key_id().map_or(Actor::Nobody, Actor::Key)
    }

    /// Counts what the caller sends. The headers tell how much more it may send.
    pub(crate) fn take(&self, limits: &Limits, unit: Unit, count: usize) -> Result<HeaderMap, Problem> {
        let (who, rates) = match &self.key {
            Some(key) => (Who::Key(key.key_id), key.rates()),
            None => (Who::Address(network(self.address)), Rates::default()),
        };
        limits.take(who, rates, unit, u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Whether the caller may do what a scope allows.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.key.as_ref().is_none_or(|key| key.has(scope))
    }

    /// Fails where the caller lacks a scope that its route asks for besides those of the gate.
    pub(crate) fn must_have(&self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) { Ok(()) } else { Err(lacks(&[scope])) }
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

/// Fails unless the key of a request has one of some scopes: for routes that are open to others who prove themselves otherwise.
pub(crate) async fn check(
    state: &AppState,
    scopes: &'static [Scope],
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<(), Problem> {
    let gate = Gate { state: state.clone(), scopes };
    admit(&gate, &Method::POST, headers, address).await.map(|_| ())
}

/// A caller who showed a key. Where none is asked for, anybody could make keys that stay good later.
pub(crate) struct KeyHolder {
    key_id: i32,
}

impl KeyHolder {
    /// Asks for a change of keys.
    pub(crate) fn asking(&self, idempotency_key: Option<IdempotencyKey>, now: DateTime<Utc>) -> Asking {
        Asking { by: Actor::Key(self.key_id), idempotency_key, now }
    }
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
    let address = gate.state.limits.client(&request);
    match admit(&gate, request.method(), request.headers(), address).await {
        Ok(Admitted { caller, left, _turn }) => {
            let span = Span::current();
            span.record("key_id", caller.key_id());
            span.record("shop_id", caller.only_shop().map(Id::as_str));
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            // What a handler says of events knows more.
            for (name, value) in &left {
                response.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
            if response.status().is_server_error() {
                // For the log.
                response.extensions_mut().insert(caller);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// A caller that may go on.
struct Admitted {
    caller: Caller,
    /// What the answer says of the caller's limits.
    left: HeaderMap,
    /// Held as long as a read is under way.
    _turn: Option<OwnedSemaphorePermit>,
}

fn lacks(scopes: &[Scope]) -> Problem {
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
    Problem::new(Kind::Forbidden, format!("this key lacks the {} scope", scopes.join(" or ")))
}

async fn admit(gate: &Gate, method: &Method, headers: &HeaderMap, address: IpAddr) -> Result<Admitted, Problem> {
    let limits = &gate.state.limits;
    let key = if gate.state.auth_required { Some(authenticate(&gate.state, headers, address).await?) } else { None };
    let caller = Caller { key, address };
    if !gate.scopes.iter().any(|scope| caller.has(*scope)) {
        return Err(lacks(gate.scopes));
    }
    // How many events there are is known when they are read.
    let unit = if gate.scopes == [Scope::EventsWrite] { Unit::Events } else { Unit::Requests };
    let left = caller.take(limits, unit, 1)?;
    // A read with a body takes its turn when that is there: nobody holds one by sending slowly.
    let is_read = gate.scopes.contains(&Scope::ScoresRead) && matches!(*method, Method::GET | Method::HEAD);
    let _turn = if is_read { Some(limits.begin_read()?) } else { None };
    Ok(Admitted { caller, left, _turn })
}

/// The key of a request. One that is not kept in memory is looked up, unless its address showed too many unknown ones.
async fn authenticate(state: &AppState, headers: &HeaderMap, address: IpAddr) -> Result<Arc<Key>, Problem> {
    let refuse = |detail: &str| Problem::new(Kind::Unauthorized, detail);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let text = value.to_str().ok().and_then(bearer).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let unknown = || refuse("the key is unknown or revoked");
    let prefix = prefix_of(text).ok_or_else(unknown)?;
    let key = match state.source.freshness.kept_key(prefix) {
        Some(key) => Some(key),
        None => {
            let _turn = state.limits.begin_look_up(address).await?;
            state.source.freshness.find_key(prefix).await?
        }
    };
    let key = key.filter(|key| key.is_text(text)).ok_or_else(|| {
        state.limits.note_stranger(address);
        unknown()
    })?;
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
