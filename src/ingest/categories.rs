//! Which shops have a category. A shop without one is compared with the whole market, which its senders should know.

use std::collections::{BTreeSet, HashSet};
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
/// Shops that are remembered of either kind.
const SHOPS_MAX: u64 = 100_000;

/// Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Categories {
    with: Cache<Id, ()>,
    without: Cache<Id, ()>,
}

impl Default for Categories {
    fn default() -> Categories {
        let cache = |kept_for| Cache::builder().max_capacity(SHOPS_MAX).time_to_live(kept_for).build();
        Categories { with: cache(WITH_FOR), without: cache(WITHOUT_FOR) }
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
    /// Those of some shops that have no category, whether they are registered or not. It is asked for while their events are
    /// being stored, which does not depend on it.
    pub(crate) fn lacking(&self, shops: BTreeSet<&Id>, store: &Store) -> Lacking {
        let unsure = shops.into_iter().filter(|id| !self.with.contains_key(*id));
        let (known, unknown): (Vec<&Id>, Vec<&Id>) = unsure.partition(|id| self.without.contains_key(*id));
        let known: HashSet<Id> = known.into_iter().cloned().collect();
        if unknown.is_empty() {
            return Lacking::Known(known);
        }
        let (categories, store) = (self.clone(), store.clone());
        let unknown: Vec<Id> = unknown.into_iter().cloned().collect();
        Lacking::Asked(tokio::spawn(async move {
            match categories.ask(&unknown, &store).await {
                Ok(lacking) => known.into_iter().chain(lacking).collect(),
                Err(_) => known,
            }
        }))
    }

    async fn ask(&self, shops: &[Id], store: &Store) -> Result<Vec<Id>, StoreError> {
        let mut connection = store.read.acquire().await?;
        let having = registry::with_category(&mut connection, shops).await?;
        let (with, without): (Vec<&Id>, Vec<&Id>) = shops.iter().partition(|id| having.contains(id.as_str()));
        with.into_iter().for_each(|id| self.with.insert(id.clone(), ()));
        without.iter().for_each(|id| self.without.insert((*id).clone(), ()));
        Ok(without.into_iter().cloned().collect())
    }

    /// Forgets what is remembered of shops whose registration changed.
    pub(crate) fn forget<'a>(&self, shops: impl Iterator<Item = &'a Id>) {
        for id in shops {
            self.with.invalidate(id);
            self.without.invalidate(id);
        }
    }
}
