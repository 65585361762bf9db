//! When keys were last shown: noted in memory, once a minute for each key, and written a moment later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{MissedTickBehavior, interval};

use super::Key;
use crate::storage::{Store, StoreError, api_key};

/// How often what was noted is written.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Keys whose last minute is remembered; beyond that all are forgotten, and noted once more.
const KEYS_MAX: usize = 200_000;

/// Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct LastUsed(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    /// Still to be written.
    uses: BTreeMap<i32, DateTime<Utc>>,
    /// The minute, since 1970, in which a key was noted last. A key that is not kept in memory is another one each time.
    minutes: HashMap<i32, i64>,
}

impl LastUsed {
    /// Notes that a request showed a key.
    pub(crate) fn note(&self, key: &Key, now: DateTime<Utc>) {
        let minute = now.timestamp().div_euclid(60);
        if !key.is_first_use_of(minute) {
            return;
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.minutes.len() >= KEYS_MAX {
            noted.minutes.clear();
        }
        if noted.minutes.insert(key.key_id, minute) != Some(minute) {
            noted.uses.insert(key.key_id, now);
        }
    }

    /// Writes what is noted, every now and then.
    pub(crate) async fn keep(self, store: Store) {
        let mut ticks = interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.write(&store).await {
                tracing::debug!(%error, "when keys were used could not be noted");
            }
        }
    }

    /// Writes what is noted. What cannot be written is gone: the next use of the key is noted again.
    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let uses = std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).uses);
        if uses.is_empty() {
            return Ok(());
        }
        let mut connection = store.read.acquire().await?;
        api_key::note_uses(&mut connection, &uses).await
    }
}
