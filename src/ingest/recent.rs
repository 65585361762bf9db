//! What was stored or loaded lately: the next event of an order comes soon, and its aggregate need not be loaded again.
//!
//! What is remembered must be all that the database has. Every transaction that stores in a stripe advances its head
//! and leaves its writer's number. A writer that finds its own number and the head that it left knows that no other
//! stored in between; otherwise it forgets the stripe. An aggregate is taken out while it is written and comes back
//! with the commit, so that after any failure it is loaded again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex};

use crate::domain::event::{Aggregate, Event};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::event::StoredEvent;
use crate::storage::stripe::{HeldStripes, stripe_of};

/// How many bytes of stored events are remembered, all stripes together. Once half of them are of what was touched
/// since, all that was not touched goes.
pub(crate) const BYTES_MAX: usize = 24 * 1024 * 1024;
/// What an allocator adds to a text, and a map to an entry.
const OVERHEAD_BYTES: usize = 24;

/// What is remembered of the stripes of one group.
#[derive(Default)]
pub(crate) struct Recent {
    /// The number that the writers that share this memory leave in the stripes; `None` for a writer that remembers
    /// none.
    pub writer: Option<i64>,
    pub known: KnownSubjects,
    pub stripes: BTreeMap<i16, StripeMemory>,
}

impl Recent {
    /// The transaction has taken its stripes. Until [`Recent::commit`] it is not known what becomes of it.
    pub(crate) fn begin(&mut self, held: &HeldStripes) {
        for (stripe, held) in held {
            let Some(memory) = self.stripes.get_mut(stripe) else { continue };
            let left = memory.left.take();
            if held.last_writer.is_none() || held.last_writer != self.writer || left != Some(held.head - 1) {
                *memory = StripeMemory::default();
            }
        }
    }

    /// All stored events of an aggregate in a held stripe, if they are remembered.
    pub(crate) fn take(&mut self, aggregate: &Aggregate) -> Option<Vec<StoredEvent>> {
        self.stripes.get_mut(&stripe_of(&aggregate.shop_id))?.take(aggregate)
    }

    /// The transaction that held these stripes is committed.
    pub(crate) fn commit(&mut self, held: &HeldStripes) {
        for (stripe, held) in held {
            if let Some(memory) = self.stripes.get_mut(stripe) {
                memory.left = Some(held.head);
            }
        }
    }

    /// Remembers all stored events of an aggregate, after the commit of the transaction that held its stripe.
    pub(crate) fn put(&mut self, aggregate: &Aggregate, events: Vec<StoredEvent>) {
        if let Some(memory) = self.stripes.get_mut(&stripe_of(&aggregate.shop_id)) {
            memory.put(aggregate, events);
        }
    }
}

/// Subjects that are registered for certain, which saves asking again. A shop is only erased under its stripe, which counts
/// that: what was known before counts no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownSubjects {
    /// With how many shops of its stripe were erased when a shop was registered.
    subjects: Arc<Mutex<HashMap<Subject, i64>>>,
}

impl KnownSubjects {
    /// About 10 MB; beyond that the set starts empty again.
    const SUBJECTS_MAX: usize = 200_000;

    /// Leaves those that may have to be registered. The stripes of the shops among them are held.
    pub(crate) fn unknown(&self, subjects: impl Iterator<Item = Subject>, held: &HeldStripes) -> BTreeSet<Subject> {
        match self.subjects.lock() {
            Ok(known) => {
                let is_known = |subject: &Subject| known.get(subject) == Some(&erasures(subject, held));
                subjects.filter(|subject| !is_known(subject)).collect()
            }
            Err(_) => subjects.collect(),
        }
    }

    /// Notes subjects whose registration is committed.
    pub(crate) fn note(&self, subjects: BTreeSet<Subject>, held: &HeldStripes) {
        if let Ok(mut known) = self.subjects.lock() {
            if known.len() + subjects.len() > Self::SUBJECTS_MAX {
                known.clear();
            }
            known.extend(subjects.into_iter().map(|subject| (subject.clone(), erasures(&subject, held))));
        }
    }
}

/// How many shops were erased in a shop's stripe. Creators are never erased.
fn erasures(subject: &Subject, held: &HeldStripes) -> i64 {
    match subject.kind {
        SubjectKind::Shop => held.get(&stripe_of(&subject.id)).map_or(0, |stripe| stripe.erasures),
        SubjectKind::Creator => 0,
    }
}

/// Aggregates with all their stored events.
pub(crate) type Aggregates = HashMap<Aggregate, Vec<StoredEvent>>;

/// What is remembered of one stripe.
#[derive(Default)]
pub(crate) struct StripeMemory {
    /// The head that the writers who share this memory left. `None` while they do not know.
    left: Option<i64>,
    touched: Aggregates,
    touched_bytes: usize,
    before: Aggregates,
}

impl StripeMemory {
    /// How many bytes were touched since the last [`StripeMemory::age`].
    pub(crate) fn touched_bytes(&self) -> usize {
        self.touched_bytes
    }

    /// Forgets what was not touched since this was called before. Returns it, since freeing it takes time.
    pub(crate) fn age(&mut self) -> Aggregates {
        self.touched_bytes = 0;
        mem::replace(&mut self.before, mem::take(&mut self.touched))
    }

    fn take(&mut self, aggregate: &Aggregate) -> Option<Vec<StoredEvent>> {
        match self.touched.remove(aggregate) {
            Some(events) => {
                self.touched_bytes -= bytes_of(&events);
                Some(events)
            }
            None => self.before.remove(aggregate),
        }
    }

    fn put(&mut self, aggregate: &Aggregate, events: Vec<StoredEvent>) {
        self.touched_bytes += bytes_of(&events);
        self.touched.insert(aggregate.clone(), events);
    }
}

fn bytes_of(events: &[StoredEvent]) -> usize {
    const EACH: usize = mem::size_of::<StoredEvent>() + mem::size_of::<Event>() + 2 * OVERHEAD_BYTES;
    let of_ids = |event: &Event| {
        let ids = [&event.aggregate.shop_id, &event.aggregate.id, &event.id];
        ids.into_iter()
            .map(Id::heap_bytes)
            .filter(|bytes| *bytes > 0)
            .map(|bytes| bytes + OVERHEAD_BYTES)
            .sum::<usize>()
    };
    let each = |stored: &StoredEvent| EACH + stored.event.data.capacity() + of_ids(&stored.event);
    mem::size_of::<(Aggregate, Vec<StoredEvent>)>() + OVERHEAD_BYTES + events.iter().map(each).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::DateTime;

    use super::{Recent, StripeMemory};
    use crate::domain::event::{Aggregate, AggregateKind};
    use crate::domain::id::Id;
    use crate::storage::event::StoredEvent;
    use crate::storage::packed_event::event_of_row;
    use crate::storage::stripe::{HeldStripe, HeldStripes, stripe_of};

    const WRITER: i64 = 7;

    fn order() -> Aggregate {
        Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored("o") }
    }

    fn held(head: i64, last_writer: Option<i64>) -> HeldStripes {
        let stripe = HeldStripe { head, erasures: 0, has_exclusions: false, settled_day: None, last_writer };
        BTreeMap::from([(stripe_of(&order().shop_id), stripe)])
    }

    /// One that has committed an order under the number 5.
    fn remembering() -> Recent {
        let stripe = stripe_of(&order().shop_id);
        let stripes = BTreeMap::from([(stripe, StripeMemory::default())]);
        let mut recent = Recent { writer: Some(WRITER), stripes, ..Recent::default() };
        recent.begin(&held(5, None));
        recent.commit(&held(5, None));
        let data = r#"{"order_id":"o"}"#.to_owned();
        let event = event_of_row(&order(), 4, DateTime::UNIX_EPOCH, "e", (data, false)).expect("an event");
        recent.put(&order(), vec![StoredEvent { event: event.into(), seq: 5, is_merchants: false }]);
        recent
    }

    #[test]
    fn an_order_is_remembered_only_while_no_other_writer_stored_in_its_stripe() {
        for (head, last_writer, is_remembered) in [
            (6, Some(WRITER), true),
            (6, Some(WRITER + 1), false),
            (6, None, false),
            (7, Some(WRITER), false),
            (5, Some(WRITER), false),
        ] {
            let mut recent = remembering();
            recent.begin(&held(head, last_writer));
            assert_eq!(recent.take(&order()).is_some(), is_remembered, "{head} {last_writer:?}");
            assert!(recent.take(&order()).is_none(), "it is out while it is written");
        }
    }

    #[test]
    fn a_transaction_that_did_not_commit_leaves_nothing_to_rely_on() {
        let mut recent = remembering();
        recent.begin(&held(6, Some(WRITER)));
        // Whatever became of number 6, the next transaction finds one of these.
        recent.begin(&held(6, Some(WRITER)));
        assert!(recent.take(&order()).is_none());
    }

    #[test]
    fn what_is_not_touched_between_two_ageings_is_forgotten() {
        for (is_touched, is_remembered) in [(true, true), (false, false)] {
            let mut recent = remembering();
            let stripe = stripe_of(&order().shop_id);
            let age = |recent: &mut Recent| drop(recent.stripes.get_mut(&stripe).map(StripeMemory::age));
            age(&mut recent);
            if is_touched {
                let events = recent.take(&order()).expect("an order");
                recent.put(&order(), events);
            }
            age(&mut recent);
            assert_eq!(recent.take(&order()).is_some(), is_remembered);
        }
    }
}
