//! How keys are made, replaced and revoked.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::request::{IdempotencyKey, KeyRequest, hash};
use super::{Rates, Scope, Secret};
use crate::domain::audit::{Action, Actor};
use crate::storage::StoreError;
use crate::storage::api_key::{self, KeyRow, NewKey, Repeatable};
use crate::storage::audit::{self, Change};

/// Hours that a replaced key stays good, where it is not said, and at the most.
pub(crate) const GRACE_HOURS_DEFAULT: i64 = 24;
pub(crate) const GRACE_HOURS_MAX: i64 = 720;

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

/// Makes a key with all scopes where there never was any; `None` where there was. Processes that do this at once make one.
pub async fn create_first(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<(Secret, KeyRow)>, IssueError> {
    let mut transaction = connection.begin().await?;
    // Whoever has the turn sees what the one before made.
    api_key::take_turn(&mut transaction).await?;
    if api_key::any(&mut transaction).await? {
        return Ok(None);
    }
    let scopes = Scope::ALL.map(|scope| scope.as_str().to_owned()).to_vec();
    let request = KeyRequest { scopes, name: Some("first key".to_owned()), ..KeyRequest::default() };
    let asking = Asking { by: Actor::CommandLine, idempotency_key: None, now };
    let made = insert(&mut transaction, &request, None, request.hash(), &asking).await?;
    note(&mut transaction, Action::KeyCreated, (None, &made.1), &asking).await?;
    transaction.commit().await?;
    Ok(Some(made))
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
