//! Who may do what: API keys, their scopes, the shops that they are bound to, and what each route asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::AppState;
use super::problem::{Kind, Problem};
use crate::domain::event::Relay;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::api_key::KeyRow;

/// What a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    EventsWrite,
    /// Beside `events:write`: a key bound to shops may send what buyers and the platform say.
    EventsRelay,
    ScoresRead,
    Admin,
}

impl Scope {
    pub const TABLE: [(Scope, &'static str); 4] = [
        (Scope::EventsWrite, "events:write"),
        (Scope::EventsRelay, "events:relay"),
        (Scope::ScoresRead, "scores:read"),
        (Scope::Admin, "admin"),
    ];

    pub fn parse(word: &str) -> Option<Scope> {
        Scope::TABLE.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    pub fn as_str(self) -> &'static str {
        Scope::TABLE[self as usize].1
    }
}

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody may ask: nothing about shops is told.
    Open,
    Needs(Scope),
}

/// Every route with what it asks for. A route that is not listed asks for `admin`.
pub const ROUTES: [(&str, &str, Access); 33] = [
    ("POST", "/v1/events", Access::Needs(Scope::EventsWrite)),
    ("GET", "/v1/{kind}/{id}/score", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/metrics", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/metrics/{metric}/records", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/penalties", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/scores", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/score/changes", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/score/projected", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/score/forecast", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/score/advice", Access::Needs(Scope::ScoresRead)),
    ("POST", "/v1/{kind}/{id}/score/what-if", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}/{id}/products", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/scores", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/categories/{category_id}/benchmarks", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/rule-sets", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/rule-sets/{id}", Access::Needs(Scope::ScoresRead)),
    ("GET", "/v1/{kind}", Access::Needs(Scope::Admin)),
    ("GET", "/v1/{kind}/{id}", Access::Needs(Scope::Admin)),
    ("PUT", "/v1/{kind}/{id}", Access::Needs(Scope::Admin)),
    ("POST", "/v1/shops:batch", Access::Needs(Scope::Admin)),
    ("POST", "/v1/creators:batch", Access::Needs(Scope::Admin)),
    ("GET", "/v1/exclusions", Access::Needs(Scope::Admin)),
    ("POST", "/v1/exclusions", Access::Needs(Scope::Admin)),
    ("GET", "/v1/exclusions/{exclusion_id}", Access::Needs(Scope::Admin)),
    ("DELETE", "/v1/exclusions/{exclusion_id}", Access::Needs(Scope::Admin)),
    ("GET", "/v1/runs", Access::Needs(Scope::Admin)),
    ("POST", "/v1/runs", Access::Needs(Scope::Admin)),
    ("GET", "/v1/runs/{run_id}", Access::Needs(Scope::Admin)),
    ("GET", "/v1/keys", Access::Needs(Scope::Admin)),
    ("POST", "/v1/keys", Access::Needs(Scope::Admin)),
    ("DELETE", "/v1/keys/{key_id}", Access::Needs(Scope::Admin)),
    ("GET", "/metrics", Access::Open),
    ("GET", "/openapi.yaml", Access::Open),
];

pub fn access(method: &str, path: &str) -> Access {
    // The body of an answer to HEAD is left out; what it asks for is the same.
    let method = if method == "HEAD" { "GET" } else { method };
    let row = ROUTES.iter().find(|row| row.0 == method && row.1 == path);
    match row {
        Some((_, _, access)) => *access,
        None if matches!(path, "/healthz" | "/readyz") || path.starts_with("/docs") => Access::Open,
        None => Access::Needs(Scope::Admin),
    }
}

/// A key that stands: neither revoked nor unknown. It may have expired.
#[derive(Debug)]
pub struct Key {
    pub key_id: i32,
    hash: Vec<u8>,
    scopes: BTreeSet<Scope>,
    shop_ids: Option<BTreeSet<Id>>,
    expires_at: Option<DateTime<Utc>>,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Key {
        Key {
            key_id: row.key_id,
            hash: row.key_hash,
            scopes: row.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
            shop_ids: row.shop_ids.map(|ids| ids.iter().map(|id| Id::stored(id)).collect()),
            expires_at: row.expires_at,
        }
    }
}

/// A key as its holder knows it: `ssk_`, a public part by which it is found, and 256 random bits.
pub struct Secret {
    pub text: String,
    pub prefix: String,
}

/// Characters of the public part, and of the random one.
const PREFIX_LENGTH: usize = 16;
const RANDOM_LENGTH: usize = 64;

impl Secret {
    pub fn random() -> Secret {
        let (name, high, low) = (rand::random::<u64>(), rand::random::<u128>(), rand::random::<u128>());
        let prefix = format!("{name:016x}");
        Secret { text: format!("ssk_{prefix}_{high:032x}{low:032x}"), prefix }
    }

    pub fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.text.as_bytes()).to_vec()
    }
}

/// The public part of what claims to be a key; `None` where it has not the form of one.
fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, random) = text.strip_prefix("ssk_")?.split_once('_')?;
    (prefix.len() == PREFIX_LENGTH && random.len() == RANDOM_LENGTH).then_some(prefix)
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None`: nobody asks for keys.
    key: Option<Arc<Key>>,
}

impl Caller {
    pub fn key_id(&self) -> Option<i32> {
        self.key.as_ref().map(|key| key.key_id)
    }

    /// The shops that the caller is bound to; `None` for all.
    pub fn shops(&self) -> Option<&BTreeSet<Id>> {
        self.key.as_ref().and_then(|key| key.shop_ids.as_ref())
    }

    /// Another's shop does not exist for a caller that is bound to some; nor do creators.
    pub fn see(&self, subject: &Subject) -> Result<(), Problem> {
        let seen = self.shops().is_none_or(|shops| subject.kind == SubjectKind::Shop && shops.contains(&subject.id));
        if seen { Ok(()) } else { Err(Problem::unknown_subject(subject)) }
    }

    pub fn may_write(&self, shop_id: &Id) -> bool {
        self.shops().is_none_or(|shops| shops.contains(shop_id))
    }

    /// Whether the caller may send what buyers and the platform say, and take it back.
    pub fn relay(&self) -> Relay {
        match &self.key {
            Some(key) if key.shop_ids.is_some() && !key.scopes.contains(&Scope::EventsRelay) => Relay::MerchantOnly,
            _ => Relay::Everything,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        // An open route, or one that was mounted beside the middleware, knows no caller.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::new(Kind::Forbidden, "no caller is known"))
    }
}

/// Lets a request pass if its caller may do what its route does.
pub async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&state, &parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The caller of a request that may pass; nobody where anybody may ask.
async fn admit(state: &AppState, parts: &Parts) -> Result<Option<Caller>, Problem> {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let Access::Needs(scope) = access(parts.method.as_str(), path) else {
        return Ok(None);
    };
    if !state.auth_required {
        return Ok(Some(Caller { key: None }));
    }
    let key = authenticate(state, &parts.headers).await?;
    if !key.scopes.contains(&scope) {
        let detail = format!("the key has not the scope {}; use one that has it", scope.as_str());
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    Ok(Some(Caller { key: Some(key) }))
}

async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<Arc<Key>, Problem> {
    let refuse = |detail: &str| Problem::new(Kind::Unauthorized, detail);
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let text = value.to_str().ok().and_then(bearer).ok_or_else(|| refuse("send Authorization: Bearer <key>"))?;
    let unknown = || refuse("the key is unknown or revoked");
    let prefix = prefix_of(text).ok_or_else(unknown)?;
    let key = state.turnover.key(prefix).await?.ok_or_else(unknown)?;
    if !bool::from(Sha256::digest(text.as_bytes()).as_slice().ct_eq(&key.hash)) {
        return Err(unknown());
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= state.write.now()) {
        return Err(refuse("the key has expired"));
    }
    Ok(key)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, text) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

#[cfg(test)]
mod tests {
    use super::{Scope, Secret, prefix_of};

    #[test]
    fn a_key_is_found_by_its_public_part_and_no_two_are_the_same() {
        let (one, other) = (Secret::random(), Secret::random());
        assert_eq!(prefix_of(&one.text), Some(one.prefix.as_str()));
        assert_ne!(one.text, other.text);
        assert_ne!(one.hash(), other.hash());
        for wrong in ["", "ssk_", "ssk_0123456789abcdef_", &one.text[1..], &one.text[..one.text.len() - 1]] {
            assert_eq!(prefix_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_scope_stands_in_its_own_row_of_the_table() {
        for (index, (scope, word)) in Scope::TABLE.into_iter().enumerate() {
            assert_eq!((scope as usize, Scope::parse(word), scope.as_str()), (index, Some(scope), word));
        }
    }
}
