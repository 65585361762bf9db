//! Places for connections: so many in all, and of these at most half for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::activity::Activity;
use crate::http::limits::client::{Proxies, network};

/// Open files that are not connections of clients: those to the database, logs, libraries.
const FILES_RESERVED: usize = 128;
/// The part of all places that one address may hold: one in so many.
const ADDRESS_SHARE: usize = 2;
/// How long a connection must have waited to be ended in favour of a new one.
const SPARED_FOR: Duration = Duration::from_secs(1);
/// How often it is looked for one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    free: Arc<Semaphore>,
    proxies: Proxies,
    taken: Mutex<Taken>,
    /// Connections that were turned away, or ended to make room.
    turned_away: AtomicU64,
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Taken {
    number: u64,
    connections: HashMap<u64, Connection>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Connection {
    activity: Arc<Activity>,
    task: Option<AbortHandle>,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub open: usize,
    /// Those on which no request is being answered.
    pub waiting: usize,
    pub turned_away: u64,
    pub ended: u64,
}

impl Places {
    /// As many places as wanted, or as the limit of open files allows.
    pub(crate) fn new(wanted: usize, proxies: Proxies) -> Places {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        let most = wanted.min(files.saturating_sub(FILES_RESERVED)).max(1);
        if most < wanted {
            tracing::warn!(wanted, most, "the limit of open files allows fewer connections");
        }
        Places(Arc::new(Shared {
            most,
            free: Arc::new(Semaphore::new(most)),
            proxies,
            taken: Mutex::default(),
            turned_away: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }))
    }

    /// Takes a place, waiting until there is one; `None` where the address has its share. Where all are taken, the connection
    /// ends that waited longest for its next request, so that those who hold places without using them keep nobody out.
    pub(super) async fn enter(&self, peer: IpAddr) -> Option<Place> {
        let address = network(peer);
        if !self.0.proxies.trusts(peer) && self.taken().of(address) >= (self.0.most / ADDRESS_SHARE).max(1) {
            self.0.turned_away.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.0.free).try_acquire_owned() {
                break permit;
            }
            self.end_longest_waiting();
            if let Ok(Ok(permit)) = timeout(LOOK_EVERY, Arc::clone(&self.0.free).acquire_owned()).await {
                break permit;
            }
        };
        let activity = Arc::new(Activity::new());
        let mut taken = self.taken();
        taken.number += 1;
        let number = taken.number;
        taken.connections.insert(number, Connection { activity: Arc::clone(&activity), task: None });
        *taken.by_address.entry(address).or_default() += 1;
        drop(taken);
        Some(Place { holder: Holder { places: self.clone(), number }, address, activity, _permit: permit })
    }

    fn end_longest_waiting(&self) {
        let taken = self.taken();
        let waited = |connection: &Connection| connection.activity.waited().filter(|waited| *waited >= SPARED_FOR);
        let longest = taken.connections.values().filter_map(|one| Some((waited(one)?, one.task.as_ref()?)));
        let longest = longest.filter(|(_, task)| !task.is_finished()).max_by_key(|(waited, _)| *waited);
        if let Some((_, task)) = longest {
            self.0.ended.fetch_add(1, Ordering::Relaxed);
            task.abort();
        }
    }

    pub(crate) fn held(&self) -> Held {
        let taken = self.taken();
        Held {
            open: taken.connections.len(),
            waiting: taken.connections.values().filter(|connection| connection.activity.is_idle()).count(),
            turned_away: self.0.turned_away.load(Ordering::Relaxed),
            ended: self.0.ended.load(Ordering::Relaxed),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn of(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or_default()
    }
}

/// The place of a connection until it ends.
#[derive(Debug)]
pub(super) struct Place {
    holder: Holder,
    address: IpAddr,
    activity: Arc<Activity>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    pub(super) fn holder(&self) -> Holder {
        self.holder.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.holder.places.taken();
        taken.connections.remove(&self.holder.number);
        let left = taken.of(self.address).saturating_sub(1);
        if left == 0 {
            taken.by_address.remove(&self.address);
        } else {
            taken.by_address.insert(self.address, left);
        }
    }
}

/// Which connection holds a place.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    places: Places,
    number: u64,
}

impl Holder {
    /// Says which task the connection is, so that it can be ended.
    pub(super) fn run_as(&self, task: AbortHandle) {
        if let Some(connection) = self.places.taken().connections.get_mut(&self.number) {
            connection.task = Some(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::super::activity::Activity;
    use super::{Place, Places};
    use crate::config::ProxyHeader;
    use crate::http::limits::client::Proxies;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    async fn enter(places: &Places, last: u8) -> Option<Place> {
        places.enter(address(last)).await
    }

    #[tokio::test]
    async fn an_address_holds_half_of_the_places_and_a_trusted_proxy_all_of_them() {
        let proxies = Proxies::new(vec!["10.0.0.9/32".parse().expect("a network")], ProxyHeader::default());
        let places = Places::new(4, proxies);
        let held = [enter(&places, 1).await.expect("a place"), enter(&places, 1).await.expect("a place")];
        assert!(enter(&places, 1).await.is_none(), "it has its share");
        assert_eq!(places.held().turned_away, 1);
        let other = enter(&places, 2).await.expect("another's place");
        assert_eq!((places.held().open, places.held().waiting), (3, 3));
        drop((held, other));
        assert_eq!(places.held().open, 0);
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(enter(&places, 9).await.expect("a place for the proxy"));
        }
        assert_eq!(places.held().open, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_longest_makes_room_and_who_is_answered_stays() {
        let places = Places::new(2, Proxies::default());
        let busy = enter(&places, 1).await.expect("a place");
        let _request = Activity::begin(busy.activity());
        let idle = enter(&places, 2).await.expect("a place");
        let (holder, began) = (idle.holder(), Instant::now());
        let task = tokio::spawn(async move {
            let _held = idle;
            std::future::pending::<()>().await;
        });
        holder.run_as(task.abort_handle());
        let _newcomer = enter(&places, 3).await.expect("the place of the idle one");
        assert!(began.elapsed() >= Duration::from_secs(1), "it is spared for a moment");
        assert!(task.await.expect_err("ended").is_cancelled());
        assert_eq!((places.held().open, places.held().ended), (2, 1));
        // Nobody else waits: a further one stays outside until a place is given back.
        let mut further = std::pin::pin!(enter(&places, 4));
        tokio::select! {
            _ = &mut further => panic!("there is no place"),
            () = sleep(Duration::from_secs(5)) => {}
        }
        drop(busy);
        assert!(further.await.is_some());
    }
}
