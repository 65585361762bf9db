//! When keys were last shown: noted in memory, once a minute for each key, and written a moment later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{MissedTickBehavior, interval};

use super::Key;
use crate::storage::{Store, StoreError, api_key};

/// How often what was noted is written.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct LastUsed(Arc<Mutex<BTreeMap<i32, DateTime<Utc>>>>);

impl LastUsed {
    /// Notes that a request showed a key.
    pub(crate) fn note(&self, key: &Key, now: DateTime<Utc>) {
        if key.is_first_use_of_minute(now) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.key_id, now);
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
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return Ok(());
        }
        let mut connection = store.read.acquire().await?;
        api_key::note_uses(&mut connection, &noted).await
    }
}
