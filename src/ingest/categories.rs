//! Which shops have a category. A shop without one is compared with the whole market, which its senders should know.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::domain::id::Id;
use crate::storage::{Store, StoreError, registry};

/// How long it is remembered that a shop has a category, and that it has none. Registrations by this process are known at
/// once.
const WITH_FOR: Duration = Duration::from_secs(600);
const WITHOUT_FOR: Duration = Duration::from_secs(60);
/// How long an answer waits for what the database says, once its events are stored.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// The most shops that one answer tells of.
const LACKING_MAX: usize = 20;
/// Shops that are remembered of either kind.
const SHOPS_MAX: u64 = 100_000;

/// Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Categories {
    with: Cache<Id, ()>,
    without: Cache<Id, ()>,
    /// Rises with every registration by this process.
    changes: Arc<AtomicU64>,
}

impl Default for Categories {
    fn default() -> Categories {
        let cache = |kept_for| Cache::builder().max_capacity(SHOPS_MAX).time_to_live(kept_for).build();
        Categories { with: cache(WITH_FOR), without: cache(WITHOUT_FOR), changes: Arc::default() }
    }
}

/// Those of some shops that have no category.
pub(crate) enum Lacking {
    Known(HashSet<Id>),
    /// The database is asked about some.
    Asked(JoinHandle<HashSet<Id>>),
}

impl Lacking {
    /// The shops. Where the database does not say so soon, those that are known already are none.
    pub(crate) async fn known(self) -> HashSet<Id> {
        match self {
            Lacking::Known(shops) => shops,
            Lacking::Asked(asking) => timeout(WAIT_MAX, asking).await.ok().and_then(Result::ok).unwrap_or_default(),
        }
    }
}

impl Categories {
    /// Those of some shops that have no category, whether they are registered or not: a few of them, where they are many. It is
    /// asked for while their events are being stored, which does not depend on it.
    pub(crate) fn lacking(&self, shops: HashSet<&Id>, store: &Store) -> Lacking {
        let (mut known, mut unknown) = (HashSet::new(), Vec::new());
        for id in shops {
            if self.with.contains_key(id) {
                continue;
            }
            if !self.without.contains_key(id) {
                unknown.push(id.clone());
            } else if known.len() < LACKING_MAX {
                known.insert(id.clone());
            }
        }
        if unknown.is_empty() || known.len() >= LACKING_MAX {
            return Lacking::Known(known);
        }
        let (categories, store) = (self.clone(), store.clone());
        Lacking::Asked(tokio::spawn(async move {
            match categories.ask(&unknown, &store).await {
                Ok(lacking) => known.into_iter().chain(lacking).take(LACKING_MAX).collect(),
                Err(_) => known,
            }
        }))
    }

    async fn ask(&self, shops: &[Id], store: &Store) -> Result<Vec<Id>, StoreError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let mut connection = store.read.acquire().await?;
        let having = registry::with_category(&mut connection, shops).await?;
        let (with, without): (Vec<&Id>, Vec<&Id>) = shops.iter().partition(|id| having.contains(id.as_str()));
        // What changed meanwhile must not be remembered as it was.
        if self.changes.load(Ordering::SeqCst) == changes {
            with.into_iter().for_each(|id| self.with.insert(id.clone(), ()));
            without.iter().for_each(|id| self.without.insert((*id).clone(), ()));
        }
        Ok(without.into_iter().cloned().collect())
    }

    /// Forgets what is remembered of shops whose registration changed.
    pub(crate) fn forget<'a>(&self, shops: impl Iterator<Item = &'a Id>) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for id in shops {
            self.with.invalidate(id);
            self.without.invalidate(id);
        }
    }
}
