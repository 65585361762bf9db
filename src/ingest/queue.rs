//! Group commit: requests hand their events in, writers take whatever waits, one transaction serves many requests.
//!
//! Each lane has one writer and its own share of the stripes, so that writers of one process never wait for each
//! other's locks. A request's events may spread over lanes; it is answered when all of its parts are committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::group::write_group;
use super::writer::Atomicity;
use super::{Outcome, SentEvent, Unavailable, WriteContext};
use crate::storage::stripe::stripe_of;

/// Writers of one process.
pub const LANES: usize = 2;
/// How many bytes of events may wait, all requests together.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an event takes besides its data: ids and bookkeeping.
const EVENT_OVERHEAD_BYTES: usize = 512;
/// Events that one transaction takes before it is closed, unless a single request brings more.
const GROUP_EVENTS: usize = 4_000;
/// Requests that may wait in one lane.
const LANE_REQUESTS_MAX: usize = 4_096;

/// The longest time in which a writer commits nothing before those who wait are told that the store is away.
const STANDSTILL_MAX: Duration = Duration::from_millis(2_900);

/// What became of the events of a job, in their order.
type Answer = Vec<Result<Outcome, Unavailable>>;

/// A part of a request that one lane writes.
struct Job {
    events: Vec<SentEvent>,
    atomicity: Atomicity,
    reply: oneshot::Sender<Answer>,
    /// Room in the queue, given back when the job is done.
    _room: Arc<OwnedSemaphorePermit>,
}

/// One writer's queue, and how many groups it has committed so far.
#[derive(Clone)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    committed: Arc<AtomicU64>,
}

/// The entrance to the writers. Cloning is cheap. The writers end when all clones are gone and all jobs are done.
#[derive(Clone)]
pub struct IngestQueue {
    lanes: Vec<Lane>,
    room: Arc<Semaphore>,
}

impl IngestQueue {
    /// Starts the writers on `tasks`.
    pub fn start(pool: &PgPool, context: &WriteContext, tasks: &mut JoinSet<()>) -> IngestQueue {
        let lane = |_| {
            let (sender, jobs) = mpsc::channel(LANE_REQUESTS_MAX);
            let committed = Arc::new(AtomicU64::new(0));
            tasks.spawn(run_lane(pool.clone(), context.clone(), jobs, Arc::clone(&committed)));
            Lane { jobs: sender, committed }
        };
        IngestQueue { lanes: (0..LANES).map(lane).collect(), room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)) }
    }

    /// Hands events in and waits until they are committed. The outcomes stand in the order of the events. When any of
    /// them could not be written the whole request is `Unavailable`; sending it again is safe.
    pub async fn write(&self, events: Vec<SentEvent>, atomicity: Atomicity) -> Result<Vec<Outcome>, Unavailable> {
        let total = events.len();
        let bytes: usize = events.iter().map(|sent| sent.event.data.len() + EVENT_OVERHEAD_BYTES).sum();
        let wanted = u32::try_from(bytes).map_err(|_| Unavailable)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(wanted).map_err(|_| Unavailable)?;
        let room = Arc::new(room);
        // A place in every lane that is needed, or in none: a request is not begun where it cannot be finished.
        let mut placed = Vec::with_capacity(LANES);
        for (lane, (places, events)) in self.lanes.iter().zip(self.split(events, atomicity)) {
            if !events.is_empty() {
                placed.push((lane, lane.jobs.try_reserve().map_err(|_| Unavailable)?, places, events));
            }
        }
        let mut waiting = Vec::with_capacity(LANES);
        for (lane, place, places, events) in placed {
            let (reply, answer) = oneshot::channel();
            place.send(Job { events, atomicity, reply, _room: Arc::clone(&room) });
            waiting.push((places, answer, lane));
        }
        let mut outcomes = vec![Outcome::Refused; total];
        for (places, answer, lane) in waiting {
            let results = lane.wait(answer).await?;
            for (place, result) in places.into_iter().zip(results) {
                outcomes[place] = result?;
            }
        }
        Ok(outcomes)
    }

    /// Events by lane, with their places in the request. What must be written as a whole goes through one lane.
    fn split(&self, events: Vec<SentEvent>, atomicity: Atomicity) -> Vec<(Vec<usize>, Vec<SentEvent>)> {
        let mut lanes: Vec<(Vec<usize>, Vec<SentEvent>)> = self.lanes.iter().map(|_| Default::default()).collect();
        for (place, sent) in events.into_iter().enumerate() {
            let lane = match atomicity {
                Atomicity::AllOrNothing => 0,
                Atomicity::EachAlone => stripe_of(&sent.event.aggregate.shop_id) as usize % lanes.len(),
            };
            lanes[lane].0.push(place);
            lanes[lane].1.push(sent);
        }
        lanes
    }
}

impl Lane {
    /// Waits for an answer as long as the writer commits something every now and then. A writer that stands still means
    /// that the store is away, and whoever waits is told so.
    async fn wait(&self, mut answer: oneshot::Receiver<Answer>) -> Result<Answer, Unavailable> {
        loop {
            let before = self.committed.load(Ordering::Relaxed);
            match timeout(STANDSTILL_MAX, &mut answer).await {
                Ok(results) => return results.map_err(|_| Unavailable),
                Err(_) if self.committed.load(Ordering::Relaxed) == before => return Err(Unavailable),
                Err(_) => {}
            }
        }
    }
}

async fn run_lane(pool: PgPool, context: WriteContext, mut jobs: mpsc::Receiver<Job>, committed: Arc<AtomicU64>) {
    let mut left_over: Option<Job> = None;
    loop {
        let first = match left_over.take() {
            Some(job) => job,
            None => match jobs.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let mut group = vec![first];
        let mut size = group[0].events.len();
        while group[0].atomicity == Atomicity::EachAlone && size < GROUP_EVENTS {
            match jobs.try_recv() {
                Ok(job) if job.atomicity == Atomicity::EachAlone => {
                    size += job.events.len();
                    group.push(job);
                }
                Ok(job) => {
                    left_over = Some(job);
                    break;
                }
                Err(_) => break,
            }
        }
        // Whoever stopped waiting sends again; writing for them now would only keep the others waiting.
        group.retain(|job| !job.reply.is_closed());
        write_jobs(&pool, &context, group, &committed).await;
    }
}

async fn write_jobs(pool: &PgPool, context: &WriteContext, group: Vec<Job>, committed: &AtomicU64) {
    let Some(first) = group.first() else { return };
    let events: Vec<&SentEvent> = group.iter().flat_map(|job| &job.events).collect();
    let results = write_group(pool, &events, first.atomicity, context).await;
    if results.iter().any(Result::is_ok) {
        committed.fetch_add(1, Ordering::Relaxed);
    }
    let mut results = results.into_iter();
    for job in group {
        let answer = results.by_ref().take(job.events.len()).collect();
        // Nobody may be waiting any more; what was written stays written.
        let _ = job.reply.send(answer);
    }
}
