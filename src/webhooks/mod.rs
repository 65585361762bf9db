//! Telling others: what happened to runs and cards, over webhooks (Standard Webhooks 1.0).
//!
//! What happens to a run is one row, written in the transaction that makes it happen. [`fan_out`] turns it into one delivery for
//! each subscriber and subject, [`deliver`] sends these over an [`endpoint`] as a [`message`], in order for each subject.
//! [`alerts`] and [`alert_watch`] look for rules that are crossed, [`rejections`] sums what was rejected; [`subscription`] and
//! [`alert_rules`] are how somebody subscribes.

pub(crate) mod alert_rules;
mod alert_watch;
pub(crate) mod alerts;
mod attempt;
mod deliver;
pub mod endpoint;
mod fan_out;
mod message;
pub(crate) mod rejections;
pub(crate) mod subscription;
pub(crate) mod wish;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::answers::source::Source;
use crate::ingest::moved::Moved;
use crate::storage::{StoreError, delivery_upkeep};
pub(crate) use attempt::message_id;
use endpoint::{Reach, Sender};
use rejections::Rejections;

/// Connections to the database that deliveries use at a time: requests need them, too.
const DATABASE_TURNS: usize = 4;
/// How often it is looked for what waits for nobody, and how much of it goes at a time.
const GIVE_UP_EVERY: Duration = Duration::from_secs(2);
const ORPHANS_EVERY: Duration = Duration::from_secs(60);
const GIVEN_UP_TOGETHER: i64 = 5_000;
/// How often it is looked for something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What all that tells shares. Cloning is cheap.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    reach: Reach,
    sender: Sender,
    /// What senders' events were rejected for.
    rejections: Rejections,
    wake: Notify,
    stopping: Notify,
    is_stopping: AtomicBool,
    database: Semaphore,
    figures: Figures,
}

/// What this process sent, by what became of it.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    disabled: AtomicU64,
}

impl Hub {
    pub fn new(reach: Reach) -> Result<Hub, reqwest::Error> {
        let sender = Sender::new(&reach)?;
        Ok(Hub(Arc::new(Shared {
            reach,
            sender,
            rejections: Rejections::default(),
            wake: Notify::new(),
            stopping: Notify::new(),
            is_stopping: AtomicBool::new(false),
            database: Semaphore::new(DATABASE_TURNS),
            figures: Figures::default(),
        })))
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.0.reach
    }

    pub(crate) fn rejections(&self) -> &Rejections {
        &self.0.rejections
    }

    /// Says that something waits to be sent.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_waiters();
    }

    /// Takes nothing more up; what is on its way ends.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
        self.0.stopping.notify_waiters();
        self.wake();
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    /// Waits until something is said to wait, or for a while.
    async fn wait(&self, most: Duration) {
        let _ = timeout(most, self.0.wake.notified()).await;
    }

    /// Waits for a while, or until told to stop.
    async fn pause(&self, most: Duration) {
        let _ = timeout(most, self.0.stopping.notified()).await;
    }

    /// The turn to use a connection to the database.
    async fn database_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.0.database.acquire().await.ok()
    }

    /// Attempts of this process by what became of them.
    pub(crate) fn attempts(&self) -> [(&'static str, u64); 3] {
        let Figures { delivered, failed, given_up, .. } = &self.0.figures;
        [("delivered", delivered), ("failed", failed), ("given_up", given_up)]
            .map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// Webhooks that this process stopped telling anything.
    pub(crate) fn disabled(&self) -> u64 {
        self.0.figures.disabled.load(Ordering::Relaxed)
    }
}

/// Gives up, in one step, what is on its way to webhooks that are told nothing any more.
async fn give_up(source: &Source) -> Result<u64, StoreError> {
    let mut connection = source.context.store.run.acquire().await?;
    delivery_upkeep::give_up(&mut connection, source.context.now(), GIVEN_UP_TOGETHER).await
}

/// Removes, in one step, what is on its way to webhooks that are gone.
async fn remove_orphans(source: &Source) -> Result<u64, StoreError> {
    let mut connection = source.context.store.run.acquire().await?;
    delivery_upkeep::remove_orphans(&mut connection, GIVEN_UP_TOGETHER).await
}

/// Tells whatever there is to tell until told to stop.
pub(crate) async fn keep_telling(source: Source, hub: Hub, moved: Moved) {
    let fan_out = async {
        while !hub.is_stopping() {
            match fan_out::step(&source).await {
                Ok(true) => {
                    hub.wake();
                    continue;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "what happened to a run is told in a moment"),
            }
            hub.wait(LOOK_EVERY).await;
        }
    };
    let giving_up = async {
        let mut removed_at: Option<Instant> = None;
        while !hub.is_stopping() {
            let gone = if removed_at.is_none_or(|at| at.elapsed() > ORPHANS_EVERY) {
                let removed = remove_orphans(&source).await;
                // What is left goes at once, then nothing for a while.
                removed_at = if matches!(removed, Ok(0)) { Some(Instant::now()) } else { None };
                removed
            } else {
                Ok(0)
            };
            match gone.and(give_up(&source).await) {
                Ok(0) => hub.pause(GIVE_UP_EVERY).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "what waits for nobody is given up in a moment");
                    hub.pause(GIVE_UP_EVERY).await;
                }
            }
        }
    };
    tokio::join!(
        fan_out,
        giving_up,
        deliver::keep_delivering(source.clone(), hub.clone()),
        alert_watch::keep_watching(&source, &hub, &moved),
        rejections::keep_telling(&source, &hub),
    );
}
