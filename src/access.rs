//! API keys: what they are good for, which shops they are bound to, and how they are made and revoked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use subtle::ConstantTimeEq;

use crate::domain::event::Relay;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::words::{Word, words};
use crate::storage::StoreError;
use crate::storage::api_key::{self, KeyRow, NewKey};

words! {
    /// What a key may be good for.
    pub enum Scope {
        EventsWrite = "events:write",
        /// Beside `events:write`: a key bound to shops may send what buyers and the platform say.
        EventsRelay = "events:relay",
        ScoresRead = "scores:read",
        Admin = "admin",
    }
}

/// An active key: neither revoked nor unknown. It may have expired.
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

impl Key {
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The shops that the key is bound to; `None` for all.
    pub fn shops(&self) -> Option<&BTreeSet<Id>> {
        self.shop_ids.as_ref()
    }

    /// Whether a subject exists for the holder of the key: another's shop does not, nor do creators, for one that is
    /// bound to shops.
    pub fn sees(&self, subject: &Subject) -> bool {
        self.shop_ids.as_ref().is_none_or(|shops| subject.kind == SubjectKind::Shop && shops.contains(&subject.id))
    }

    /// Whether the holder may send what buyers and the platform say, and take it back.
    pub fn relay(&self) -> Relay {
        if self.shop_ids.is_some() && !self.has(Scope::EventsRelay) { Relay::MerchantOnly } else { Relay::Everything }
    }

    /// Whether a text is the key's own. Takes as long for a wrong one as for a right one.
    pub fn is_text(&self, text: &str) -> bool {
        Sha256::digest(text.as_bytes()).as_slice().ct_eq(&self.hash).into()
    }

    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
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
pub fn prefix_of(text: &str) -> Option<&str> {
    let (prefix, random) = text.strip_prefix("ssk_")?.split_once('_')?;
    (prefix.len() == PREFIX_LENGTH && random.len() == RANDOM_LENGTH).then_some(prefix)
}

/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;
/// Shops that one key may be bound to.
const SHOPS_MAX: usize = 1_000;

/// What a key is to be good for, as somebody asks for it.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    pub scopes: Vec<String>,
    /// Shops that the key sees and writes alone; `None` for all.
    pub shop_ids: Option<Vec<String>>,
    pub name: Option<String>,
    pub expires_at: Option<DateTime<Utc>>,
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
                fault(format!("/scopes/{index}"), format!("a scope is one of {}", Scope::list()));
            }
        }
        if let Some(shop_ids) = &self.shop_ids {
            if shop_ids.is_empty() || shop_ids.len() > SHOPS_MAX {
                let detail = format!("shop_ids must name 1 to {SHOPS_MAX} shops; leave it out for all");
                fault("/shop_ids".to_owned(), detail);
            }
            if self.scopes.iter().any(|word| word == Scope::Admin.as_str()) {
                let detail = "admin is a scope for all shops; leave the shops out, or leave admin out";
                fault("/scopes".to_owned(), detail.to_owned());
            }
            for (index, id) in shop_ids.iter().enumerate() {
                if let Err(invalid) = Id::parse(id) {
                    fault(format!("/shop_ids/{index}"), invalid.to_string());
                }
            }
        }
        if self.name.as_ref().is_some_and(|name| name.chars().count() > NAME_LENGTH_MAX || name.contains('\0')) {
            fault("/name".to_owned(), format!("name has at most {NAME_LENGTH_MAX} characters and no U+0000"));
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            fault("/expires_at".to_owned(), "expires_at must lie in the future".to_owned());
        }
        faults
    }

    /// The key's row, with the hash of its secret.
    fn row(self, secret: &Secret) -> NewKey {
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

/// Makes a key as asked for, which was checked. The secret is kept nowhere.
pub async fn create(
    connection: &mut PgConnection,
    request: KeyRequest,
    now: DateTime<Utc>,
) -> Result<(Secret, KeyRow), StoreError> {
    let secret = Secret::random();
    let mut transaction = connection.begin().await?;
    let row = api_key::insert(&mut transaction, &request.row(&secret), now).await?;
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

#[cfg(test)]
mod tests {
    use super::{Secret, prefix_of};

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
}
