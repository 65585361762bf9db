//! Group commit: requests hand their events in, writers take whatever waits, one transaction serves many requests.
//!
//! A request's events may be written in several transactions; it is answered when all of them are committed. What must
//! be written as a whole waits in a line of its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use super::dispatch::Depth;
use super::dispatch::{Answer, Dispatch, Part, WRITERS};
use super::group::write_group;
use super::moved::Moved;
use super::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::context::Context;
use crate::domain::id::Id;
use crate::storage::stripe::stripe_of;

/// How many bytes of events may wait, all requests together.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an event takes besides its data: ids and bookkeeping.
const EVENT_OVERHEAD_BYTES: usize = 512;
/// Requests that may wait to be written as a whole.
const WHOLES_MAX: usize = 1_024;

/// The longest time in which a writer commits nothing before those who wait are told that the database is unavailable.
const STANDSTILL_MAX: Duration = Duration::from_millis(2_900);

/// The entrance to the writers. Cloning is cheap. The writers end when all clones are gone and all is written.
#[derive(Clone)]
pub struct IngestQueue {
    entrance: Arc<Entrance>,
}

struct Entrance {
    dispatch: Arc<Dispatch>,
    wholes: mpsc::Sender<Part>,
    wholes_committed: Arc<AtomicU64>,
    room: Arc<Semaphore>,
    moved: Moved,
    /// Requests that handed events in, and how long they waited for their commit.
    writes: AtomicU64,
    waited_micros: AtomicU64,
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.dispatch.close();
    }
}

impl IngestQueue {
    /// Starts the writers on `tasks`.
    pub fn start(context: &Context, tasks: &mut JoinSet<()>) -> IngestQueue {
        let dispatch = Arc::new(Dispatch::default());
        for _ in 0..WRITERS {
            tasks.spawn(write_parts(context.clone(), Arc::clone(&dispatch)));
        }
        let (wholes, waiting) = mpsc::channel(WHOLES_MAX);
        let wholes_committed = Arc::new(AtomicU64::new(0));
        tasks.spawn(write_wholes(context.clone(), waiting, Arc::clone(&dispatch), Arc::clone(&wholes_committed)));
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX));
        let (moved, writes, waited_micros) = (Moved::default(), AtomicU64::new(0), AtomicU64::new(0));
        let entrance = Entrance { dispatch, wholes, wholes_committed, room, moved, writes, waited_micros };
        IngestQueue { entrance: Arc::new(entrance) }
    }

    /// How many requests handed events in, and how many seconds they waited in all.
    pub(crate) fn waited(&self) -> (u64, f64) {
        let micros = self.entrance.waited_micros.load(Ordering::Relaxed);
        (self.entrance.writes.load(Ordering::Relaxed), micros as f64 / 1e6)
    }

    /// The shops whose counts move.
    pub(crate) fn moved(&self) -> &Moved {
        &self.entrance.moved
    }

    /// How much is waiting, and how much was written so far.
    pub(crate) fn depth(&self) -> Depth {
        self.entrance.dispatch.depth()
    }

    /// Hands events in and waits until they are committed. The outcomes stand in the order of the events. When any of
    /// them could not be written the whole request is `Unavailable`; sending it again is safe.
    pub async fn write(&self, events: Vec<SentEvent>, atomicity: Atomicity) -> Result<Vec<Outcome>, Unavailable> {
        let bytes: usize = events.iter().map(|sent| sent.event.data.len() + EVENT_OVERHEAD_BYTES).sum();
        let wanted = u32::try_from(bytes).map_err(|_| Unavailable)?;
        let room = Arc::clone(&self.entrance.room).try_acquire_many_owned(wanted).map_err(|_| Unavailable)?;
        let began = Instant::now();
        let moved = &self.entrance.moved;
        let shops: HashSet<Id> = if moved.is_wanted() {
            events.iter().map(|sent| sent.event.aggregate.shop_id.clone()).collect()
        } else {
            HashSet::new()
        };
        let outcomes = match atomicity {
            Atomicity::EachAlone => self.write_each(events, Arc::new(room)).await,
            Atomicity::AllOrNothing => self.write_whole(events, Arc::new(room)).await,
        };
        let waited = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.entrance.writes.fetch_add(1, Ordering::Relaxed);
        self.entrance.waited_micros.fetch_add(waited, Ordering::Relaxed);
        // Even without an answer something may be committed.
        moved.note(shops.iter());
        outcomes
    }

    async fn write_each(
        &self,
        events: Vec<SentEvent>,
        room: Arc<OwnedSemaphorePermit>,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let dispatch = &self.entrance.dispatch;
        let mut outcomes = vec![Outcome::Refused; events.len()];
        // By stripe: the places of its events in the request, and the events.
        let mut stripes: BTreeMap<i16, (Vec<usize>, Vec<SentEvent>)> = BTreeMap::new();
        for (place, sent) in events.into_iter().enumerate() {
            let (places, events) = stripes.entry(stripe_of(&sent.event.aggregate.shop_id)).or_default();
            places.push(place);
            events.push(sent);
        }
        let mut waiting = Vec::with_capacity(stripes.len());
        let part = |(stripe, (places, events))| {
            let (reply, answer) = oneshot::channel();
            waiting.push((stripe, places, answer));
            (stripe, Part { events, reply, _room: Arc::clone(&room) })
        };
        dispatch.push(stripes.into_iter().map(part).collect());
        for (stripe, places, answer) in waiting {
            let results = wait_for_answer(answer, || dispatch.committed(stripe)).await?;
            for (place, result) in places.into_iter().zip(results) {
                outcomes[place] = result?;
            }
        }
        Ok(outcomes)
    }

    async fn write_whole(
        &self,
        events: Vec<SentEvent>,
        room: Arc<OwnedSemaphorePermit>,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.entrance.wholes.try_send(Part { events, reply, _room: room }).map_err(|_| Unavailable)?;
        let committed = || self.entrance.wholes_committed.load(Ordering::Relaxed);
        wait_for_answer(answer, committed).await?.into_iter().collect()
    }
}

/// Waits for an answer as long as something is committed every now and then. A standstill means that the database is
/// unavailable, and the client is told so.
async fn wait_for_answer(
    mut answer: oneshot::Receiver<Answer>,
    committed: impl Fn() -> u64,
) -> Result<Answer, Unavailable> {
    loop {
        let before = committed();
        match timeout(STANDSTILL_MAX, &mut answer).await {
            Ok(results) => return results.map_err(|_| Unavailable),
            Err(_) if committed() == before => return Err(Unavailable),
            Err(_) => {}
        }
    }
}

/// One writer.
async fn write_parts(context: Context, dispatch: Arc<Dispatch>) {
    while let Some(mut group) = dispatch.take().await {
        group.drop_abandoned();
        let (events, recent) = group.work();
        if events.is_empty() {
            continue;
        }
        let results = write_group(&events, Atomicity::EachAlone, &context, recent).await;
        group.answer(results);
    }
}

/// The writer of what must be written as a whole. Its stripes are whatever the events lie in, so it may wait for the
/// other writers' locks; like all of them it takes its stripes in ascending order.
async fn write_wholes(
    context: Context,
    mut waiting: mpsc::Receiver<Part>,
    dispatch: Arc<Dispatch>,
    committed: Arc<AtomicU64>,
) {
    while let Some(part) = waiting.recv().await {
        if part.reply.is_closed() {
            continue;
        }
        let events: Vec<&SentEvent> = part.events.iter().collect();
        let mut recent = dispatch.memory_of_no_stripe();
        let results = write_group(&events, Atomicity::AllOrNothing, &context, &mut recent).await;
        if results.iter().any(Result::is_ok) {
            committed.fetch_add(1, Ordering::Relaxed);
        }
        // The client may be gone; what was written stays written.
        let _ = part.reply.send(results);
    }
}
