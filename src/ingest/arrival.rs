//! What arrives for an order, session or product beside what is stored of it, and what becomes of each event.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::PgConnection;

use super::apply::Touched;
use super::bounds::Room;
use super::recent::Recent;
use super::{Outcome, SentEvent};
use crate::domain::content::{same_content, same_members};
use crate::domain::event::{Aggregate, Event, EventType, Fact, Relay};
use crate::domain::fault::{Code, Fault};
use crate::domain::fold::retracted;
use crate::domain::id::Id;
use crate::domain::members::UnknownMembers;
use crate::domain::plausible::unlikely;
use crate::storage::event::StoredEvent;
use crate::storage::stripe::{HeldStripes, stripe_of};
use crate::storage::{StoreError, event};

/// The numbers under which earlier attempts at the same group stored. Where the reply to a commit was lost, the next
/// attempt finds the group's own events, and they are accepted ones, not duplicates.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    numbers: HashSet<(i16, i64)>,
}

impl Attempts {
    pub(super) fn note(&mut self, held: &HeldStripes) {
        self.numbers.extend(held.iter().map(|(stripe, held)| (*stripe, held.head)));
    }

    fn stored(&self, aggregate: &Aggregate, stored: &StoredEvent) -> bool {
        self.numbers.contains(&(stripe_of(&aggregate.shop_id), stored.seq))
    }
}

/// What arrives for one aggregate, beside what is stored of it.
pub(super) struct Arrival<'a> {
    pub aggregate: &'a Aggregate,
    stored: Vec<StoredEvent>,
    /// Places of its events in the group, as they came.
    places: Vec<usize>,
    /// Of these, the places of the events that are to be stored.
    pub new: Vec<usize>,
}

/// The aggregates of a group's events in key order, each with what is stored of it.
pub(super) async fn arrivals<'a>(
    connection: &mut PgConnection,
    events: &[&'a SentEvent],
    recent: &mut Recent,
) -> Result<Vec<Arrival<'a>>, StoreError> {
    let mut places: BTreeMap<&Aggregate, Vec<usize>> = BTreeMap::new();
    for (place, sent) in events.iter().enumerate() {
        places.entry(&sent.event.aggregate).or_default().push(place);
    }
    let remembered: Vec<Option<Vec<StoredEvent>>> = places.keys().map(|aggregate| recent.take(aggregate)).collect();
    let unknown = places.keys().zip(&remembered).filter(|(_, remembered)| remembered.is_none());
    let unknown: Vec<&Aggregate> = unknown.map(|(aggregate, _)| *aggregate).collect();
    let mut loaded = event::stored(connection, &unknown).await?.into_iter();
    let arrival = |((aggregate, places), remembered): ((&'a Aggregate, Vec<usize>), Option<Vec<StoredEvent>>)| {
        // What is not remembered was loaded, in the same order.
        let stored = remembered.or_else(|| loaded.next()).unwrap_or_default();
        Arrival { aggregate, stored, places, new: Vec::new() }
    };
    Ok(places.into_iter().zip(remembered).map(arrival).collect())
}

impl<'a> Arrival<'a> {
    /// Finds every event's outcome, and which events are to be stored.
    pub(super) fn decide(
        &mut self,
        events: &[&'a SentEvent],
        attempts: &Attempts,
        unknown: UnknownMembers,
        outcomes: &mut [Outcome],
    ) {
        let same_event = |left: &Event, right: &Event| same_event(left, right, unknown);
        // Most aggregates have a few events, which are found by comparing faster than by hashing.
        let stored: BTreeMap<&Id, &StoredEvent> = self.stored.iter().map(|stored| (&stored.event.id, stored)).collect();
        // The place of the first event of each id.
        let mut firsts: BTreeMap<&Id, usize> = BTreeMap::new();
        let mut repeats: Vec<(usize, usize)> = Vec::new();
        for place in self.places.iter().copied() {
            let event = &events[place].event;
            if let Some(first) = firsts.get(&event.id) {
                repeats.push((place, *first));
                continue;
            }
            firsts.insert(&event.id, place);
            outcomes[place] = match stored.get(&event.id) {
                Some(stored) if !same_event(event, &stored.event) => Outcome::Conflict,
                // The reply to the commit of an earlier attempt was lost.
                Some(stored) if attempts.stored(self.aggregate, stored) => accepted(&stored.event),
                Some(_) => Outcome::Duplicate,
                None => {
                    self.new.push(place);
                    accepted(event)
                }
            };
        }
        // What is forbidden takes no room; and of what found none nothing can be taken back.
        refuse(&self.forbidden(events, &repeats), &mut self.new, outcomes);
        // What is not stored doubts nobody, and is nobody's to take back: so this goes on until nothing more is taken out.
        loop {
            let dropped = self.dropped(events, &repeats);
            if dropped.is_empty() {
                break;
            }
            self.new.retain(|new| !dropped.iter().any(|(place, _)| place == new));
            dropped.into_iter().for_each(|(place, fault)| outcomes[place] = Outcome::Doubtful(fault));
            refuse(&self.forbidden(events, &repeats), &mut self.new, outcomes);
        }
        let mut room = Room::of(&self.stored);
        self.new.retain(|place| {
            let has_room = room.take(events[*place]);
            if !has_room {
                outcomes[*place] = Outcome::AggregateFull;
            }
            has_room
        });
        refuse(&self.forbidden(events, &repeats), &mut self.new, outcomes);
        for (place, fault) in self.doubts(events) {
            outcomes[place].add_warning(fault);
        }
        for (place, first) in repeats {
            let event = &events[place].event;
            // What the id stands for: what is stored, or else what the first one of the group brought.
            let known = stored.get(&event.id).map_or(&events[first].event, |stored| &stored.event);
            outcomes[place] = match &outcomes[first] {
                Outcome::AggregateFull | Outcome::ForbiddenRetraction | Outcome::Doubtful(_) => outcomes[first].clone(),
                _ if same_event(event, known) => Outcome::Duplicate,
                _ => Outcome::Conflict,
            };
        }
    }

    /// What is doubtful and sent by strict senders alone.
    fn dropped(&self, events: &[&'a SentEvent], repeats: &[(usize, usize)]) -> Vec<(usize, Fault)> {
        let is_strict = |place: usize| {
            let others = repeats.iter().filter(|(_, first)| *first == place).map(|(other, _)| *other);
            others.chain([place]).all(|sender| events[sender].is_strict)
        };
        self.doubts(events).into_iter().filter(|(place, _)| is_strict(*place)).collect()
    }

    /// The places of new events whose times are unlikely beside those of others that are in force, with what is.
    fn doubts(&self, events: &[&'a SentEvent]) -> Vec<(usize, Fault)> {
        if self.new.is_empty() || self.new.len() + self.stored.len() == 1 {
            return Vec::new();
        }
        let new = || self.new.iter().map(|place| events[*place].event.as_ref());
        let all = || self.stored.iter().map(|stored| stored.event.as_ref()).chain(new());
        let retracted = retracted(all());
        let in_force = || all().filter(|event| !retracted.contains(&event.id));
        let doubt = |place: &usize| {
            let event = &events[*place].event;
            let is_in_force = !retracted.contains(&event.id);
            Some((*place, unlikely(event, in_force()).filter(|_| is_in_force)?))
        };
        self.new.iter().filter_map(doubt).collect()
    }

    /// New retractions that only senders of the merchant's own facts sent, and whose targets are somebody else's,
    /// retractions, or not known. An unknown target may turn out to be anything, so that such a sender retracts only
    /// what is there.
    fn forbidden(&self, events: &[&SentEvent], repeats: &[(usize, usize)]) -> Vec<usize> {
        let found = |event_id: &Id| {
            let stored = self.stored.iter().find(|stored| stored.event.id == *event_id);
            let new = || self.new.iter().map(|new| events[*new]).find(|sent| sent.event.id == *event_id);
            match stored {
                Some(stored) => Some((stored.event.fact.event_type(), stored.is_merchants)),
                None => new().map(|sent| (sent.event.fact.event_type(), sent.relay == Relay::MerchantOnly)),
            }
        };
        let may_go = |event_id: &Id| {
            found(event_id).is_some_and(|(known, is_merchants)| {
                is_merchants && known != EventType::Retracted && Relay::MerchantOnly.allows(known)
            })
        };
        let is_bounded = |place: usize| {
            let mut senders =
                repeats.iter().filter(|(_, first)| *first == place).map(|(other, _)| *other).chain([place]);
            senders.all(|sender| events[sender].relay == Relay::MerchantOnly)
        };
        let refused = |place: &usize| match &events[*place].event.fact {
            Fact::Retracted { event_id } => is_bounded(*place) && !may_go(event_id),
            _ => false,
        };
        self.new.iter().copied().filter(refused).collect()
    }

    /// Whether anything of it is stored.
    pub(super) fn is_known(&self) -> bool {
        !self.stored.is_empty()
    }

    /// What is to be folded.
    pub(super) fn touched<'b>(&'b self, events: &[&'b SentEvent]) -> Touched<'b> {
        let new = self.new.iter().map(|place| events[*place].event.as_ref()).collect();
        Touched { aggregate: self.aggregate, stored: &self.stored, new }
    }

    /// Leaves what is stored now for the next group.
    pub(super) fn remember(mut self, events: &[&SentEvent], held: &HeldStripes, recent: &mut Recent) {
        // Most aggregates rest for long before the next event comes, so they take no more room than they need.
        self.stored.reserve_exact(self.new.len());
        let new = self.new.iter().map(|place| events[*place]);
        self.stored.extend(new.map(|sent| StoredEvent {
            event: Arc::clone(&sent.event),
            seq: head_of(held, &sent.event),
            is_merchants: sent.relay == Relay::MerchantOnly,
        }));
        recent.put(self.aggregate, self.stored);
    }
}

/// Takes retractions out of what is to be stored.
fn refuse(forbidden: &[usize], new: &mut Vec<usize>, outcomes: &mut [Outcome]) {
    forbidden.iter().for_each(|place| outcomes[*place] = Outcome::ForbiddenRetraction);
    new.retain(|place| !forbidden.contains(place));
}

/// The outcome of an event that is stored.
fn accepted(event: &Event) -> Outcome {
    let mut outcome = Outcome::Accepted;
    if event.uncredited {
        let detail = "the event is stored, and credits no creator: a key bound to shops, without the scope events:relay, \
                      credits registered creators only where the operator sets --merchants-name-creators";
        outcome.add_warning(Fault::new("/data/creator_id", Code::CreatorNotCredited, detail));
    }
    outcome
}

/// Whether two events are the same content, as far as it is kept.
fn same_event(left: &Event, right: &Event, unknown: UnknownMembers) -> bool {
    let event_type = left.fact.event_type();
    event_type == right.fact.event_type()
        && left.time == right.time
        && match unknown {
            UnknownMembers::Kept => same_content(&left.data, &right.data),
            UnknownMembers::Dropped => same_members(&left.data, &right.data, |name| event_type.knows(name)),
        }
}

/// The number under which an event is stored.
pub(super) fn head_of(held: &HeldStripes, event: &Event) -> i64 {
    // Every event's stripe is held.
    held.get(&stripe_of(&event.aggregate.shop_id)).map_or(0, |stripe| stripe.head)
}
