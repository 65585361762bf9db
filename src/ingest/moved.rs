//! Shops whose counts this process moved since somebody last asked.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::id::Id;

/// The most shops that are remembered; of further ones nothing is known until somebody asks.
const SHOPS_MAX: usize = 500_000;

/// Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Whether anybody asks.
    is_wanted: AtomicBool,
    shops: Mutex<HashSet<Id>>,
}

impl Moved {
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_wanted.load(Ordering::Relaxed)
    }

    /// Says whether anybody will ask.
    pub(crate) fn want(&self, is_wanted: bool) {
        self.0.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// Notes shops of which something was counted.
    pub(crate) fn note<'a>(&self, shops: impl Iterator<Item = &'a Id>) {
        if !self.is_wanted() {
            return;
        }
        let mut moved = self.0.shops.lock().unwrap_or_else(PoisonError::into_inner);
        for shop_id in shops {
            if !moved.contains(shop_id) && moved.len() < SHOPS_MAX {
                moved.insert(shop_id.clone());
            }
        }
    }

    pub(crate) fn take(&self) -> BTreeSet<Id> {
        std::mem::take(&mut *self.0.shops.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
