//! What a key is to be good for, as somebody asks for it; and what makes the request repeatable.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Rates, Scope};
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::words::Word;

/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;
/// Subjects of a kind that one key may be bound to.
const SUBJECTS_MAX: usize = 1_000;
/// The most that a key may be allowed to send in a second, short of anything.
const RATE_MAX: u32 = 1_000_000;
/// Characters of an Idempotency-Key: enough that nobody guesses one.
const IDEMPOTENCY_LENGTHS: std::ops::RangeInclusive<usize> = 16..=255;
/// What a key is to be good for, as somebody asks for it.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    pub scopes: Vec<String>,
    /// The only shops that the key sees and writes; with neither shops nor creators it is for all.
    pub shop_ids: Option<Vec<String>>,
    /// The only creators that the key sees.
    pub creator_ids: Option<Vec<String>>,
    pub name: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
    /// What it may send in a second.
    pub rates: Rates,
}

impl KeyRequest {
    /// What is wrong with the request, with pointers into the body that asked.
    pub fn faults(&self, now: DateTime<Utc>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: String| faults.push(Fault::new(pointer, Code::InvalidValue, detail));
        if self.scopes.is_empty() {
            fault("/scopes".to_owned(), format!("scopes must name at least one of {}", Scope::list()));
        }
        for (index, word) in self.scopes.iter().enumerate() {
            if Scope::parse(word).is_none() {
                fault(format!("/scopes/{index}"), format!("{word:?} is no scope; a scope is one of {}", Scope::list()));
            }
        }
        let has = |scope: Scope| self.scopes.iter().any(|word| word == scope.as_str());
        let is_bound = self.shop_ids.is_some() || self.creator_ids.is_some();
        if is_bound && has(Scope::Admin) {
            let detail = "admin is a scope for all shops; leave shops and creators out, or leave admin out";
            fault("/scopes".to_owned(), detail.to_owned());
        }
        if has(Scope::Webhooks) && self.shop_ids.is_none() && !has(Scope::Admin) {
            let detail =
                "webhooks is a scope for the shops of a key; name shops, or ask for admin, which is told of all";
            fault("/scopes".to_owned(), detail.to_owned());
        }
        if is_bound && self.shop_ids.is_none() && (has(Scope::EventsWrite) || has(Scope::EventsRelay)) {
            let detail = "events belong to shops, so a key for creators alone cannot send any; name shops too, or ask for scores:read alone";
            fault("/scopes".to_owned(), detail.to_owned());
        }
        for (member, ids) in [("shop_ids", &self.shop_ids), ("creator_ids", &self.creator_ids)] {
            let Some(ids) = ids else { continue };
            if ids.is_empty() || ids.len() > SUBJECTS_MAX {
                fault(format!("/{member}"), format!("{member} must name 1 to {SUBJECTS_MAX} ids, or be left out"));
            }
            for (index, id) in ids.iter().enumerate() {
                if let Err(invalid) = Id::parse(id) {
                    fault(format!("/{member}/{index}"), invalid.to_string());
                }
            }
        }
        if self.name.as_ref().is_some_and(|name| name.chars().count() > NAME_LENGTH_MAX || name.contains('\0')) {
            fault("/name".to_owned(), format!("name has at most {NAME_LENGTH_MAX} characters and no U+0000"));
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            fault("/expires_at".to_owned(), "expires_at must lie in the future".to_owned());
        }
        for (member, rate) in [("events_per_second", self.rates.events), ("requests_per_second", self.rates.requests)] {
            if rate.is_some_and(|rate| rate > RATE_MAX) {
                fault(format!("/{member}"), format!("{member} is at most {RATE_MAX}; 0 stands for no bound"));
            }
        }
        faults
    }

    /// The hash of what is asked for.
    pub(super) fn hash(&self) -> Vec<u8> {
        let KeyRequest { scopes, shop_ids, creator_ids, name, expires_at, rates } = self;
        hash(&json!({"create": [scopes, shop_ids, creator_ids, name, expires_at, rates.events, rates.requests]}))
    }
}

/// What the sender of a request sends again with every repetition of it (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone)]
pub struct IdempotencyKey(pub(super) String);

impl IdempotencyKey {
    /// Reads it, in quotes or without.
    pub fn parse(text: &str) -> Option<IdempotencyKey> {
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_good = IDEMPOTENCY_LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_good.then(|| IdempotencyKey(text.to_owned()))
    }

    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

pub(super) fn hash(asked: &Value) -> Vec<u8> {
    Sha256::digest(asked.to_string().as_bytes()).to_vec()
}
