//! How keys are made, replaced and revoked.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};

use super::{Rates, Scope, Secret};
use crate::domain::audit::{Action, Actor};
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::words::Word;
use crate::storage::StoreError;
use crate::storage::api_key::{self, KeyRow, NewKey, Repeatable};
use crate::storage::audit::{self, Change};

/// Characters of a name.
const NAME_LENGTH_MAX: usize = 256;
/// Subjects of a kind that one key may be bound to.
const SUBJECTS_MAX: usize = 1_000;
/// The most that a key may be allowed to send in a second, short of anything.
const RATE_MAX: u32 = 1_000_000;
/// Characters of an Idempotency-Key: enough that nobody guesses one.
const IDEMPOTENCY_LENGTHS: std::ops::RangeInclusive<usize> = 16..=255;
/// Hours that a replaced key stays good, where it is not said, and at the most.
pub(crate) const GRACE_HOURS_DEFAULT: i64 = 24;
pub(crate) const GRACE_HOURS_MAX: i64 = 720;

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
    fn hash(&self) -> Vec<u8> {
        let KeyRequest { scopes, shop_ids, creator_ids, name, expires_at, rates } = self;
        hash(&json!({"create": [scopes, shop_ids, creator_ids, name, expires_at, rates.events, rates.requests]}))
    }
}

fn hash(asked: &Value) -> Vec<u8> {
    Sha256::digest(asked.to_string().as_bytes()).to_vec()
}

/// What the sender of a request sends again with every repetition of it (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads it, in quotes or without.
    pub fn parse(text: &str) -> Option<IdempotencyKey> {
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_good = IDEMPOTENCY_LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_good.then(|| IdempotencyKey(text.to_owned()))
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

/// Who asks for a key, and when.
#[derive(Clone)]
pub struct Asking {
    pub by: Actor,
    pub idempotency_key: Option<IdempotencyKey>,
    pub now: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no such key")]
    NotFound,
    #[error("a key that is revoked or has expired cannot be replaced; create a key instead")]
    NotActive,
    #[error("key {0} takes its place; rotate that one, or revoke it if nobody knows it")]
    Replaced(i32),
    #[error("another request was sent with this Idempotency-Key")]
    Reused,
}

impl From<sqlx::Error> for IssueError {
    fn from(error: sqlx::Error) -> IssueError {
        IssueError::Store(error.into())
    }
}

/// Makes a key as asked for, which was checked. The secret is kept nowhere; the same request with the same Idempotency-Key
/// is answered with the same key.
pub async fn create(
    connection: &mut PgConnection,
    request: &KeyRequest,
    asking: &Asking,
) -> Result<(Secret, KeyRow), IssueError> {
    let mut transaction = connection.begin().await?;
    api_key::take_turn(&mut transaction).await?;
    let request_hash = request.hash();
    if let Some(made_before) = repetition(&mut transaction, &request_hash, asking).await? {
        return Ok(made_before);
    }
    let made = insert(&mut transaction, request, None, request_hash, asking).await?;
    note(&mut transaction, Action::KeyCreated, (None, &made.1), asking).await?;
    transaction.commit().await?;
    Ok(made)
}

/// Makes a key that is good for the same as another one. That one stays good for a while: until `grace` has passed, unless
/// it expires before.
pub async fn rotate(
    connection: &mut PgConnection,
    key_id: i32,
    grace: TimeDelta,
    asking: &Asking,
) -> Result<(Secret, KeyRow), IssueError> {
    let mut transaction = connection.begin().await?;
    api_key::take_turn(&mut transaction).await?;
    let request_hash = hash(&json!({"rotate": [key_id, grace.num_seconds()]}));
    if let Some(made_before) = repetition(&mut transaction, &request_hash, asking).await? {
        return Ok(made_before);
    }
    let old = api_key::get(&mut transaction, key_id).await?.ok_or(IssueError::NotFound)?;
    if old.revoked_at.is_some() || old.expires_at.is_some_and(|expires_at| expires_at <= asking.now) {
        return Err(IssueError::NotActive);
    }
    if let Some(successor) = api_key::successor(&mut transaction, key_id).await? {
        return Err(IssueError::Replaced(successor));
    }
    let rates = Rates::from(&old);
    let KeyRow { scopes, shop_ids, creator_ids, name, own_expires_at: expires_at, .. } = old.clone();
    let request = KeyRequest { scopes, shop_ids, creator_ids, name, expires_at, rates };
    let made = insert(&mut transaction, &request, Some(key_id), request_hash, asking).await?;
    api_key::set_grace(&mut transaction, key_id, asking.now + grace).await?;
    note(&mut transaction, Action::KeyRotated, (Some(&old), &made.1), asking).await?;
    transaction.commit().await?;
    Ok(made)
}

/// Revokes a key. `None` if there is no such key.
pub async fn revoke(connection: &mut PgConnection, key_id: i32, asking: &Asking) -> Result<Option<KeyRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    api_key::take_turn(&mut transaction).await?;
    let before = api_key::get(&mut transaction, key_id).await?;
    let row = api_key::revoke(&mut transaction, key_id, asking.by.key_id(), asking.now).await?;
    if let (Some(before), Some(row)) = (before.filter(|before| before.revoked_at.is_none()), &row) {
        note(&mut transaction, Action::KeyRevoked, (Some(&before), row), asking).await?;
    }
    transaction.commit().await?;
    Ok(row)
}

/// Notes a change of a key.
async fn note(
    connection: &mut PgConnection,
    action: Action,
    (before, after): (Option<&KeyRow>, &KeyRow),
    asking: &Asking,
) -> Result<(), StoreError> {
    let change = Change {
        action,
        subject: None,
        target: Some(after.key_id.to_string()),
        before: before.map(KeyRow::audited),
        after: Some(after.audited()),
    };
    audit::note(connection, asking.by, asking.now, &[change]).await
}

/// The key that the same request made before, if one did.
async fn repetition(
    connection: &mut PgConnection,
    request_hash: &[u8],
    asking: &Asking,
) -> Result<Option<(Secret, KeyRow)>, IssueError> {
    api_key::forget_requests(connection, asking.now - api_key::REPEATABLE_FOR).await?;
    let Some(idempotency_key) = &asking.idempotency_key else { return Ok(None) };
    let Some((row, before)) = api_key::find_request(connection, &idempotency_key.hash()).await? else {
        return Ok(None);
    };
    let secret = Secret::repeatable(row.prefix.clone(), &before.secret_salt, &idempotency_key.0);
    let secret = secret.filter(|_| before.request_hash == request_hash).ok_or(IssueError::Reused)?;
    Ok(Some((secret, row)))
}

async fn insert(
    connection: &mut PgConnection,
    request: &KeyRequest,
    replaces_key_id: Option<i32>,
    request_hash: Vec<u8>,
    asking: &Asking,
) -> Result<(Secret, KeyRow), IssueError> {
    let random = Secret::random();
    let (secret, repeatable) = match &asking.idempotency_key {
        None => (random, None),
        Some(key) => {
            let secret_salt = rand::random::<[u8; 32]>().to_vec();
            let secret = Secret::repeatable(random.prefix, &secret_salt, &key.0);
            let unusable = || StoreError::Corrupt("the salt of a secret".to_owned());
            (secret.ok_or_else(unusable)?, Some(Repeatable { idempotency_hash: key.hash(), request_hash, secret_salt }))
        }
    };
    let once = |words: &[String]| {
        let mut words = words.to_vec();
        words.sort();
        words.dedup();
        words
    };
    let new = NewKey {
        prefix: secret.prefix.clone(),
        key_hash: secret.hash(),
        name: request.name.clone(),
        scopes: once(&request.scopes),
        shop_ids: request.shop_ids.as_deref().map(once),
        creator_ids: request.creator_ids.as_deref().map(once),
        expires_at: request.expires_at,
        events_per_second: request.rates.events.and_then(|rate| i32::try_from(rate).ok()),
        requests_per_second: request.rates.requests.and_then(|rate| i32::try_from(rate).ok()),
        created_by_key_id: asking.by.key_id(),
        replaces_key_id,
        repeatable,
    };
    let row = api_key::insert(connection, &new, asking.now).await?;
    Ok((secret, row))
}
