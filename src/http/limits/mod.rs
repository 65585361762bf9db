//! What one caller may ask of this process, so that others are served too. All of it is counted in this process alone: behind
//! a balancer over three of them a caller may send three times as much.

pub(crate) mod client;
pub(crate) mod rates;
pub(crate) mod strangers;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::connections::Peer;
use super::problem::{Kind, Problem};
use crate::access::Rates;
use client::Proxies;
use rates::{Buckets, Unit};
use strangers::Strangers;

/// Reads that are under way at a time. Further ones would only wait for the same few connections to the database.
const READS_MAX: usize = 256;

/// Tables that are streamed at a time: each holds a page of cards or of a list, and reads the next when its client took that.
const TABLES_MAX: usize = 8;
static TABLES: Semaphore = Semaphore::const_new(TABLES_MAX);

/// A streamed table's turn, which it has until this is dropped.
pub(crate) fn begin_table() -> Result<SemaphorePermit<'static>, Problem> {
    TABLES.try_acquire().map_err(|_| {
        let detail = format!("{TABLES_MAX} tables are under way; try again after the Retry-After seconds");
        Problem::new(Kind::Unavailable, detail)
    })
}

/// Keys that are looked up in the database at a time: strangers never take its connections from others.
const LOOK_UPS_MAX: usize = 4;

/// Whom a limit is for: a key, or where none is asked for, an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Key(i32),
    Address(IpAddr),
}

#[derive(Debug)]
pub(crate) struct Limits {
    buckets: Buckets,
    strangers: Strangers,
    reads: Arc<Semaphore>,
    look_ups: Arc<Semaphore>,
    proxies: Proxies,
    refused: Refused,
}

/// Requests that were refused, by what was exceeded.
#[derive(Debug, Default)]
struct Refused {
    events: AtomicU64,
    requests: AtomicU64,
    strangers: AtomicU64,
    reads: AtomicU64,
}

impl Limits {
    pub(crate) fn new(general: Rates, proxies: Proxies) -> Limits {
        Limits {
            buckets: Buckets::new(general),
            strangers: Strangers::default(),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            look_ups: Arc::new(Semaphore::new(LOOK_UPS_MAX)),
            proxies,
            refused: Refused::default(),
        }
    }

    /// The address that a request comes from.
    pub(crate) fn client(&self, request: &Request) -> IpAddr {
        let unknown = IpAddr::from([0, 0, 0, 0]);
        let peer = request.extensions().get::<Peer>().map_or(unknown, |Peer(address)| *address);
        self.proxies.client(peer, request.headers())
    }

    /// Counts what a caller sends. The headers tell how much more it may send.
    pub(crate) fn take(&self, who: Who, own: Rates, unit: Unit, count: u32) -> Result<HeaderMap, Problem> {
        self.buckets.take(who, own, unit, count).inspect_err(|_| {
            let refused = match unit {
                Unit::Events => &self.refused.events,
                Unit::Requests => &self.refused.requests,
            };
            refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// The turn to look up a key that is not in memory. An address that showed too many unknown ones is refused, those that wait
    /// for their turn too.
    pub(crate) async fn begin_look_up(&self, address: IpAddr) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        self.admit_stranger(address)?;
        let turn = Arc::clone(&self.look_ups).acquire_owned().await.ok();
        self.admit_stranger(address)?;
        Ok(turn)
    }

    fn admit_stranger(&self, address: IpAddr) -> Result<(), Problem> {
        self.strangers.admit(address).inspect_err(|_| {
            self.refused.strangers.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Notes that an address showed an unknown key.
    pub(crate) fn note_stranger(&self, address: IpAddr) {
        self.strangers.note(address);
    }

    /// A read's turn, which it has until this is dropped.
    pub(crate) fn begin_read(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.reads).try_acquire_owned().map_err(|_| {
            self.refused.reads.fetch_add(1, Ordering::Relaxed);
            let detail = format!("{READS_MAX} reads are under way; try again after the Retry-After seconds");
            Problem::new(Kind::Unavailable, detail)
        })
    }

    /// How many requests were refused, by the limit that they met.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 4] {
        let Refused { events, requests, strangers, reads } = &self.refused;
        [("events", events), ("requests", requests), ("unknown_keys", strangers), ("reads", reads)]
            .map(|(limit, refused)| (limit, refused.load(Ordering::Relaxed)))
    }

    /// Reads that are under way.
    pub(crate) fn reads_under_way(&self) -> usize {
        READS_MAX - self.reads.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, READS_MAX, TABLES_MAX, begin_table};
    use crate::access::Rates;

    #[test]
    fn a_table_more_than_there_may_be_is_told_to_come_back() {
        let turns: Vec<_> = std::iter::from_fn(|| begin_table().ok()).take(TABLES_MAX + 1).collect();
        assert_eq!(turns.len(), TABLES_MAX);
        assert_eq!(begin_table().expect_err("none is left").status().as_u16(), 503);
        drop(turns);
        assert!(begin_table().is_ok());
    }

    #[test]
    fn so_many_reads_are_under_way_and_one_more_is_told_to_come_back() {
        let limits = Limits::new(Rates::default(), Default::default());
        let mut turns: Vec<_> = (0..READS_MAX).map(|_| limits.begin_read().expect("a turn")).collect();
        assert_eq!(limits.begin_read().expect_err("none is left").status().as_u16(), 503);
        assert_eq!((limits.reads_under_way(), limits.refused()[3]), (READS_MAX, ("reads", 1)));
        turns.pop();
        assert!(limits.begin_read().is_ok());
    }
}
