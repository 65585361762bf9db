//! Which writer takes what: events wait by stripe, and a free writer takes from stripes that no writer holds.
//!
//! So the writers of one process never wait for each other's locks, and none is idle while another has a backlog: each
//! takes a share of what waits, the oldest first, and leaves the rest to the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::recent::{Aggregates, BYTES_MAX, KnownSubjects, Recent, StripeMemory};
use super::{Outcome, SentEvent, Unavailable};
use crate::storage::stripe::STRIPES;

/// Writers of one process.
pub(crate) const WRITERS: usize = 2;
/// A transaction takes a quarter of all events that are there, so that both writers have one at hand and one to go on
/// with; but no fewer than make a transaction worth while, and no more than these, unless a single request brings more.
const GROUP_EVENTS_MIN: usize = 500;
const GROUP_EVENTS_MAX: usize = 4_000;

/// What became of the events of a part, in their order.
pub(crate) type Answer = Vec<Result<Outcome, Unavailable>>;

/// The events of one request that are written together.
pub(crate) struct Part {
    pub events: Vec<SentEvent>,
    pub reply: oneshot::Sender<Answer>,
    /// Room in the queue, given back when the part is done.
    pub _room: Arc<OwnedSemaphorePermit>,
}

/// What waits, by stripe.
pub(crate) struct Dispatch {
    /// The number that its writers leave in the stripes that they hold; every process draws its own.
    writer: i64,
    known: KnownSubjects,
    state: Mutex<State>,
    /// There may be something to take.
    available: Notify,
    /// How many groups were committed so far, by stripe.
    committed: Vec<AtomicU64>,
    groups: AtomicU64,
    group_events: AtomicU64,
}

/// How much is waiting, and how much was written so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth {
    pub waiting: usize,
    pub unfinished: usize,
    pub groups: u64,
    pub group_events: u64,
}

#[derive(Default)]
struct State {
    lines: Vec<Line>,
    /// Requests that ever arrived.
    arrivals: u64,
    waiting_events: usize,
    /// With those that are being written.
    unfinished_events: usize,
    is_closed: bool,
}

/// What waits in one stripe.
struct Line {
    /// With the number of each part's arrival.
    parts: VecDeque<(u64, Part)>,
    events: usize,
    /// What is remembered of the stripe; a writer has it for as long as it writes the stripe.
    memory: Option<StripeMemory>,
}

impl Default for Dispatch {
    fn default() -> Dispatch {
        let line = |_| Line { parts: VecDeque::new(), events: 0, memory: Some(StripeMemory::default()) };
        Dispatch {
            writer: rand::random(),
            known: KnownSubjects::default(),
            state: Mutex::new(State { lines: (0..STRIPES).map(line).collect(), ..State::default() }),
            available: Notify::new(),
            committed: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            groups: AtomicU64::new(0),
            group_events: AtomicU64::new(0),
        }
    }
}

impl Dispatch {
    fn state(&self) -> MutexGuard<'_, State> {
        // No step that can fail leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the parts of a request wait, each in its stripe.
    pub(crate) fn push(&self, parts: Vec<(i16, Part)>) {
        let mut state = self.state();
        state.arrivals += 1;
        let arrival = state.arrivals;
        for (stripe, part) in parts {
            let events = part.events.len();
            state.waiting_events += events;
            state.unfinished_events += events;
            let line = &mut state.lines[stripe as usize];
            line.events += events;
            line.parts.push_back((arrival, part));
        }
        drop(state);
        self.available.notify_one();
    }

    /// Nothing comes any more: writers end when all is written.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.available.notify_one();
    }

    /// Waits for something to write. `None`: there is nothing left, and nothing comes.
    pub(crate) async fn take(self: &Arc<Dispatch>) -> Option<Group> {
        loop {
            let (taken, is_over) = {
                let mut state = self.state();
                (state.take(), state.is_closed && state.waiting_events == 0)
            };
            if taken.is_some() || is_over {
                // The others look, too.
                self.available.notify_one();
                let group = |Taken { parts, stripes, events }| {
                    let recent = Recent { writer: Some(self.writer), known: self.known.clone(), stripes };
                    Group { parts, events, recent, dispatch: Arc::clone(self) }
                };
                return taken.map(group);
            }
            self.available.notified().await;
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        let state = self.state();
        Depth {
            waiting: state.waiting_events,
            unfinished: state.unfinished_events,
            groups: self.groups.load(Ordering::Relaxed),
            group_events: self.group_events.load(Ordering::Relaxed),
        }
    }

    /// What a writer remembers that writes whatever stripes there are.
    pub(crate) fn memory_of_no_stripe(&self) -> Recent {
        Recent { known: self.known.clone(), ..Recent::default() }
    }

    /// How many groups with this stripe were committed so far.
    pub(crate) fn committed(&self, stripe: i16) -> u64 {
        self.committed[stripe as usize].load(Ordering::Relaxed)
    }
}

struct Taken {
    parts: Vec<Part>,
    stripes: BTreeMap<i16, StripeMemory>,
    events: usize,
}

impl State {
    /// The oldest parts of the stripes that one writer may claim.
    fn take(&mut self) -> Option<Taken> {
        let wanted = (self.unfinished_events / (2 * WRITERS)).clamp(GROUP_EVENTS_MIN, GROUP_EVENTS_MAX);
        let mut claimed = self.claim();
        let mut taken = Taken { parts: Vec::new(), stripes: BTreeMap::new(), events: 0 };
        while taken.events < wanted
            && let Some(Reverse((_, stripe))) = claimed.pop()
        {
            let line = &mut self.lines[stripe];
            let Some((_, part)) = line.parts.pop_front() else { continue };
            line.events -= part.events.len();
            taken.events += part.events.len();
            taken.parts.push(part);
            if let Some(memory) = line.memory.take() {
                taken.stripes.insert(stripe as i16, memory);
            }
            claimed.extend(line.parts.front().map(|(arrival, _)| Reverse((*arrival, stripe))));
        }
        self.waiting_events -= taken.events;
        (!taken.parts.is_empty()).then_some(taken)
    }

    /// Stripes that no writer holds, with the arrival of the oldest part of each: those that have waited longest,
    /// until they have a writer's share of all that waits.
    fn claim(&self) -> BinaryHeap<Reverse<(u64, usize)>> {
        let oldest = |(stripe, line): (usize, &Line)| {
            let (arrival, _) = line.parts.front().filter(|_| line.memory.is_some())?;
            Some((*arrival, stripe))
        };
        let mut free: Vec<(u64, usize)> = self.lines.iter().enumerate().filter_map(oldest).collect();
        free.sort_unstable();
        let share = self.waiting_events.div_ceil(WRITERS);
        let mut events = 0;
        let is_within_share = |(_, stripe): &(u64, usize)| {
            let is_within = events < share;
            events += self.lines[*stripe].events;
            is_within
        };
        free.into_iter().take_while(is_within_share).map(Reverse).collect()
    }

    /// Keeps what is remembered within its bounds, but for the stripes that are just being written.
    fn forget(&mut self) -> Vec<Aggregates> {
        let touched = |line: &Line| line.memory.as_ref().map_or(0, StripeMemory::touched_bytes);
        if self.lines.iter().map(touched).sum::<usize>() <= BYTES_MAX / 2 {
            return Vec::new();
        }
        self.lines.iter_mut().filter_map(|line| line.memory.as_mut()).map(StripeMemory::age).collect()
    }
}

/// What one writer took. Its stripes are free again when it is dropped.
pub(crate) struct Group {
    parts: Vec<Part>,
    events: usize,
    recent: Recent,
    dispatch: Arc<Dispatch>,
}

impl Group {
    /// Drops the parts whose client is gone. A client that stopped waiting sends again; writing for them now would
    /// only keep the others waiting.
    pub(crate) fn drop_abandoned(&mut self) {
        self.parts.retain(|part| !part.reply.is_closed());
    }

    /// The events, and what is remembered of their stripes.
    pub(crate) fn work(&mut self) -> (Vec<&SentEvent>, &mut Recent) {
        (self.parts.iter().flat_map(|part| &part.events).collect(), &mut self.recent)
    }

    /// Tells everybody what became of their events, whose results stand in the order of the events.
    pub(crate) fn answer(mut self, results: Answer) {
        if results.iter().any(Result::is_ok) {
            self.dispatch.groups.fetch_add(1, Ordering::Relaxed);
            self.dispatch.group_events.fetch_add(results.len() as u64, Ordering::Relaxed);
            for stripe in self.recent.stripes.keys() {
                self.dispatch.committed[*stripe as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut results = results.into_iter();
        for part in mem::take(&mut self.parts) {
            let answer = results.by_ref().take(part.events.len()).collect();
            // The client may be gone; what was written stays written.
            let _ = part.reply.send(answer);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut state = self.dispatch.state();
        state.unfinished_events -= self.events;
        for (stripe, memory) in mem::take(&mut self.recent.stripes) {
            state.lines[stripe as usize].memory = Some(memory);
        }
        let forgotten = state.forget();
        drop(state);
        self.dispatch.available.notify_one();
        // Freeing them all takes a while.
        drop(forgotten);
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
