//! API keys: what they are good for, which shops and creators they are bound to, and how they are made, replaced and revoked.

pub(crate) mod issue;
pub(crate) mod last_used;
mod request;
mod secret;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::event::Relay;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::words::words;
use crate::storage::api_key::KeyRow;

pub use issue::{Asking, IssueError, create, create_first, revoke, rotate};
pub(crate) use issue::{GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX};
pub use last_used::LastUsed;
pub use request::{IdempotencyKey, KeyRequest};
pub use secret::{Secret, prefix_of};

words! {
    /// What a key may be good for.
    pub enum Scope {
        EventsWrite = "events:write",
        /// Beside `events:write`: a key bound to shops may send what buyers and the platform say.
        EventsRelay = "events:relay",
        ScoresRead = "scores:read",
        /// Subscribe to what happens to the shops that the key is bound to.
        Webhooks = "webhooks",
        Admin = "admin",
    }
}

/// What may be sent in a second: `None` as the service says, 0 without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub events: Option<u32>,
    pub requests: Option<u32>,
}

impl From<&KeyRow> for Rates {
    fn from(row: &KeyRow) -> Rates {
        let rate = |stored: Option<i32>| stored.and_then(|rate| u32::try_from(rate).ok());
        Rates { events: rate(row.events_per_second), requests: rate(row.requests_per_second) }
    }
}

impl Rates {
    /// These, and others where these say nothing.
    pub fn or(self, others: Rates) -> Rates {
        Rates { events: self.events.or(others.events), requests: self.requests.or(others.requests) }
    }
}

/// The only subjects that a key sees and writes.
#[derive(Debug, Default)]
pub struct Bounds {
    shops: BTreeSet<Id>,
    creators: BTreeSet<Id>,
}

impl Bounds {
    pub fn of(&self, kind: SubjectKind) -> &BTreeSet<Id> {
        match kind {
            SubjectKind::Shop => &self.shops,
            SubjectKind::Creator => &self.creators,
        }
    }
}

/// An active key: neither revoked nor unknown. It may have expired.
#[derive(Debug)]
pub struct Key {
    pub key_id: i32,
    hash: Vec<u8>,
    scopes: BTreeSet<Scope>,
    bounds: Option<Bounds>,
    expires_at: Option<DateTime<Utc>>,
    rates: Rates,
    /// The minute, since 1970, in which the key was last shown to this process.
    used_in_minute: AtomicI64,
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Key {
        let ids = |ids: Option<Vec<String>>| ids.unwrap_or_default().iter().map(|id| Id::stored(id)).collect();
        let is_bound = row.shop_ids.is_some() || row.creator_ids.is_some();
        let rates = Rates::from(&row);
        Key {
            key_id: row.key_id,
            hash: row.key_hash,
            scopes: row.scopes.iter().filter_map(|word| Scope::parse(word)).collect(),
            bounds: is_bound.then(|| Bounds { shops: ids(row.shop_ids), creators: ids(row.creator_ids) }),
            expires_at: row.expires_at,
            rates,
            used_in_minute: AtomicI64::new(i64::MIN),
        }
    }
}

impl Key {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The subjects that the key is bound to; `None` for all.
    pub fn bounds(&self) -> Option<&Bounds> {
        self.bounds.as_ref()
    }

    /// Whether a subject exists for the holder of the key: where the key is bound, others do not.
    pub fn sees(&self, subject: &Subject) -> bool {
        self.bounds.as_ref().is_none_or(|bounds| bounds.of(subject.kind).contains(&subject.id))
    }

    /// Whether the holder may send what buyers and the platform say, and take it back.
    pub fn relay(&self) -> Relay {
        if self.bounds.is_some() && !self.has(Scope::EventsRelay) { Relay::MerchantOnly } else { Relay::Everything }
    }

    /// How much its holder may send.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// Whether a text is the key's own. Takes as long for a wrong one as for a right one.
    pub fn is_text(&self, text: &str) -> bool {
        Sha256::digest(text.as_bytes()).as_slice().ct_eq(&self.hash).into()
    }

    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether this is the first time in a minute since 1970 that the key is asked about.
    fn is_first_use_of(&self, minute: i64) -> bool {
        self.used_in_minute.swap(minute, Ordering::Relaxed) != minute
    }
}
