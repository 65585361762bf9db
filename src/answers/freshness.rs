//! What this process keeps in memory of the database, and how it learns that it is no longer current.
//!
//! Two numbers in the database count up with every publication and every change of keys (`storage::freshness`). A task
//! looks at them when it is notified, and every so often by itself, since notifications do not pass every pooler. Where
//! the last look lies too far back, nothing kept counts as current and requests ask the database: so nobody is answered
//! with old scores, or admitted with a revoked key, for longer than [`CURRENT_FOR`] and the time of one look.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use moka::sync::Cache;
use sqlx::postgres::PgListener;
use tokio::time::{Instant, sleep, timeout};

use crate::access::Key;
use crate::storage::freshness::{self as stored, Versions};
use crate::storage::{Store, StoreError, api_key};

/// How often the numbers are looked at without being told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a look lets what is kept count as current.
const CURRENT_FOR: Duration = Duration::from_millis(1_500);
/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How often it is tried to listen again.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Keys kept in memory; further ones are looked up when they are used.
const KEYS_MAX: i64 = 10_000;
const FURTHER_KEYS_MAX: u64 = 100_000;

/// How long an unknown key is not looked up again, and how many are remembered.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);
const UNKNOWN_MAX: u64 = 10_000;

/// What the last look showed.
#[derive(Clone, Debug)]
struct Seen {
    /// When the look began.
    at: Instant,
    versions: Versions,
    keys: Arc<HashMap<String, Arc<Key>>>,
    /// Those beyond [`KEYS_MAX`] that were looked up since the keys last changed.
    further_keys: Cache<String, Arc<Key>>,
}

#[derive(Clone, Debug)]
pub struct Freshness {
    store: Store,
    seen: Arc<RwLock<Option<Arc<Seen>>>>,
    /// Public parts of keys that were unknown or revoked a moment ago.
    unknown: Cache<String, ()>,
}

impl Freshness {
    pub fn new(store: Store) -> Freshness {
        let unknown = Cache::builder().max_capacity(UNKNOWN_MAX).time_to_live(UNKNOWN_FOR).build();
        Freshness { store, seen: Arc::default(), unknown }
    }

    fn current(&self) -> Option<Arc<Seen>> {
        let seen = self.seen.read().ok()?.clone()?;
        (seen.at.elapsed() < CURRENT_FOR).then_some(seen)
    }

    /// Which publication is the newest; `None` when that is not known for certain.
    pub fn publication(&self) -> Option<i64> {
        self.current().map(|seen| seen.versions.publications)
    }

    /// The active key with a public part, if it is kept in memory.
    pub fn kept_key(&self, prefix: &str) -> Option<Arc<Key>> {
        let seen = self.current()?;
        seen.keys.get(prefix).cloned().or_else(|| seen.further_keys.get(prefix))
    }

    /// The active key with a public part, from the database.
    pub async fn find_key(&self, prefix: &str) -> Result<Option<Arc<Key>>, StoreError> {
        // A key that was made a moment ago is good at once, wherever it was made; nobody can have used it before.
        if self.unknown.contains_key(prefix) {
            return Ok(None);
        }
        // What is found is kept with what was seen before: a key that is revoked meanwhile is forgotten with that.
        let seen = self.current();
        let mut connection = self.store.read.acquire().await?;
        let row = api_key::find(&mut connection, prefix).await?;
        let active = row.filter(|row| row.revoked_at.is_none()).map(|row| Arc::new(Key::from(row)));
        match (&active, seen) {
            (None, _) => self.unknown.insert(prefix.to_owned(), ()),
            (Some(key), Some(seen)) => seen.further_keys.insert(prefix.to_owned(), Arc::clone(key)),
            (Some(_), None) => {}
        }
        Ok(active)
    }

    /// Looks at the numbers now.
    pub async fn look(&self) -> Result<(), StoreError> {
        let at = Instant::now();
        let mut connection = self.store.read.acquire().await?;
        let versions = stored::versions(&mut connection).await?;
        let before = self.seen.read().ok().and_then(|seen| seen.clone());
        let (keys, further_keys) = match before {
            Some(before) if before.versions.keys == versions.keys => {
                (Arc::clone(&before.keys), before.further_keys.clone())
            }
            _ => {
                let rows = api_key::active(&mut connection, KEYS_MAX).await?;
                let keys = rows.into_iter().map(|row| (row.prefix.clone(), Arc::new(Key::from(row)))).collect();
                (Arc::new(keys), Cache::new(FURTHER_KEYS_MAX))
            }
        };
        let looked = Arc::new(Seen { at, versions, keys, further_keys });
        if let Ok(mut seen) = self.seen.write()
            && seen.as_ref().is_none_or(|seen| seen.at <= at)
        {
            *seen = Some(looked);
        }
        Ok(())
    }

    /// Looks at the numbers now, for a change that is committed and stays so whether they can be seen or not.
    pub async fn look_if_possible(&self) {
        if let Err(error) = self.look().await {
            tracing::debug!(%error, "cannot see what changed; it is seen a moment later");
        }
    }

    /// Looks again and again until the task is aborted.
    pub async fn watch(self) {
        let mut listener: Option<PgListener> = None;
        let mut listen_from = Instant::now();
        loop {
            match timeout(LOOK_MAX, self.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "cannot see whether anything was published"),
                Err(_) => tracing::debug!("the database does not say whether anything was published"),
            }
            if listener.is_none() && Instant::now() >= listen_from {
                listen_from = Instant::now() + LISTEN_AGAIN_AFTER;
                let opened = timeout(LOOK_MAX, stored::listen(&self.store.read)).await;
                listener = opened.ok().and_then(Result::ok);
                if listener.is_some() {
                    // Something may have happened between the look and the first moment of listening.
                    continue;
                }
            }
            match &mut listener {
                None => sleep(LOOK_EVERY).await,
                Some(open) => {
                    if let Ok(Err(_)) = timeout(LOOK_EVERY, open.recv()).await {
                        listener = None;
                    }
                }
            }
        }
    }
}
