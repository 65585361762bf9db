//! Storing a group of events in one transaction: durable, folded and counted, or nothing.
//!
//! All events of the touched aggregates are loaded first, by key, unless the writer remembers them. They tell
//! duplicates and conflicts, how much room an aggregate has, and what it counted for before. The stripes are held, so
//! nothing can join in between, and what is new is inserted without asking the index again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sqlx::{Connection, PgConnection};

use super::apply::{Touched, changes_of_events, exclusions_of};
use super::bounds::{Room, credited};
use super::recent::Recent;
use super::{Atomicity, Outcome, SentEvent};
use crate::context::Context;
use crate::domain::content::same_content;
use crate::domain::event::{Aggregate, Event, EventType, Fact, Relay};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::event::{NewEvent, StoredEvent};
use crate::storage::late_count::LateStamp;
use crate::storage::stripe::{HeldStripes, hold_as, stripe_of};
use crate::storage::{StoreError, count, counting, event, registry};

/// Stores events and counts them. The outcomes stand in the order of the events. With [`Atomicity::AllOrNothing`]
/// nothing is stored if any event is neither accepted nor a duplicate.
pub(crate) async fn write(
    connection: &mut PgConnection,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &Context,
    attempts: &mut Attempts,
    recent: &mut Recent,
) -> Result<Vec<Outcome>, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes: BTreeSet<i16> = events.iter().map(|sent| stripe_of(&sent.event.aggregate.shop_id)).collect();
    let held = hold_as(&mut transaction, &stripes, recent.writer).await?;
    recent.begin(&held);
    counting::check(&mut transaction, context.calendar().zone()).await?;
    let mut outcomes = vec![Outcome::Refused; events.len()];
    let credited = credited(&mut transaction, events, context, &recent.known).await?;
    let events: Vec<&SentEvent> = credited.iter().map(Cow::as_ref).collect();
    let events = &events[..];
    let mut arrivals = arrivals(&mut transaction, events, recent).await?;
    for arrival in &mut arrivals {
        arrival.decide(events, attempts, &mut outcomes);
    }
    attempts.note(&held);
    let harmless = |outcome: &Outcome| outcome.is_accepted() || *outcome == Outcome::Duplicate;
    if atomicity == Atomicity::AllOrNothing && !outcomes.iter().all(harmless) {
        transaction.rollback().await?;
        return Ok(outcomes);
    }
    let new: Vec<NewEvent<'_>> = arrivals
        .iter()
        .flat_map(|arrival| arrival.new.iter().map(|place| events[*place]))
        .map(|sent| NewEvent { event: &sent.event, seq: head_of(&held, &sent.event), key_id: sent.key_id })
        .collect();
    let mut named = BTreeSet::new();
    if !new.is_empty() {
        event::insert(&mut transaction, &new, context.now()).await?;
        let with_new = arrivals.iter().filter(|arrival| !arrival.new.is_empty());
        let touched: Vec<Touched<'_>> = with_new.map(|arrival| arrival.touched(events)).collect();
        let exclusions = exclusions_of(&mut transaction, touched.iter().map(|one| one.aggregate), &held).await?;
        let changes = changes_of_events(&touched, &exclusions, &context.calendar());
        count::add(&mut transaction, &count::KEPT, changes, LateStamp::of(&held)).await?;
        named = recent.known.unknown(named_subjects(&touched));
        if !named.is_empty() {
            // As late as possible: another writer that names the same creator waits for the commit from here on.
            registry::insert_named(&mut transaction, &named, context.now()).await?;
        }
    }
    transaction.commit().await?;
    recent.known.note(named);
    recent.commit(&held);
    for arrival in arrivals {
        arrival.remember(events, &held, recent);
    }
    Ok(outcomes)
}

fn head_of(held: &HeldStripes, event: &Event) -> i64 {
    // Every event's stripe is held.
    held.get(&stripe_of(&event.aggregate.shop_id)).map_or(0, |stripe| stripe.head)
}

/// The numbers under which earlier attempts at the same group stored. Where the reply to a commit was lost, the next
/// attempt finds the group's own events, and they are accepted ones, not duplicates.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    numbers: HashSet<(i16, i64)>,
}

impl Attempts {
    fn note(&mut self, held: &HeldStripes) {
        self.numbers.extend(held.iter().map(|(stripe, held)| (*stripe, held.head)));
    }

    fn stored(&self, aggregate: &Aggregate, stored: &StoredEvent) -> bool {
        self.numbers.contains(&(stripe_of(&aggregate.shop_id), stored.seq))
    }
}

/// What arrives for one aggregate, beside what is stored of it.
struct Arrival<'a> {
    aggregate: &'a Aggregate,
    stored: Vec<StoredEvent>,
    /// Places of its events in the group, as they came.
    places: Vec<usize>,
    /// Of these, the places of the events that are to be stored.
    new: Vec<usize>,
}

/// The aggregates of a group's events in key order, each with what is stored of it.
async fn arrivals<'a>(
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
    let wanted: Vec<&Id> = unknown.iter().flat_map(|one| &places[one]).map(|place| &events[*place].event.id).collect();
    let mut loaded = event::stored(connection, &unknown, &wanted).await?.into_iter();
    let arrival = |((aggregate, places), remembered): ((&'a Aggregate, Vec<usize>), Option<Vec<StoredEvent>>)| {
        // What is not remembered was loaded, in the same order.
        let stored = remembered.or_else(|| loaded.next()).unwrap_or_default();
        Arrival { aggregate, stored, places, new: Vec::new() }
    };
    Ok(places.into_iter().zip(remembered).map(arrival).collect())
}

impl<'a> Arrival<'a> {
    /// Finds every event's outcome, and which events are to be stored.
    fn decide(&mut self, events: &[&'a SentEvent], attempts: &Attempts, outcomes: &mut [Outcome]) {
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
        let mut room = Room::of(&self.stored);
        self.new.retain(|place| {
            let has_room = room.take(events[*place]);
            if !has_room {
                outcomes[*place] = Outcome::AggregateFull;
            }
            has_room
        });
        refuse(&self.forbidden(events, &repeats), &mut self.new, outcomes);
        for (place, first) in repeats {
            let event = &events[place].event;
            // What the id stands for: what is stored, or else what the first one of the group brought.
            let known = stored.get(&event.id).map_or(&events[first].event, |stored| &stored.event);
            outcomes[place] = match &outcomes[first] {
                Outcome::AggregateFull | Outcome::ForbiddenRetraction => outcomes[first].clone(),
                _ if same_event(event, known) => Outcome::Duplicate,
                _ => Outcome::Conflict,
            };
        }
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

    /// What is to be folded.
    fn touched<'b>(&'b self, events: &[&'b SentEvent]) -> Touched<'b> {
        let new = self.new.iter().map(|place| events[*place].event.as_ref()).collect();
        Touched { aggregate: self.aggregate, stored: &self.stored, new }
    }

    /// Leaves what is stored now for the next group.
    fn remember(mut self, events: &[&SentEvent], held: &HeldStripes, recent: &mut Recent) {
        // Most aggregates rest for long before the next event comes, so they take no more room than they need.
        self.stored.reserve_exact(self.new.len());
        let new = self.new.iter().map(|place| events[*place]);
        self.stored.extend(new.map(|sent| StoredEvent {
            event: Arc::clone(&sent.event),
            seq: head_of(held, &sent.event),
            is_merchants: sent.relay == Relay::MerchantOnly,
            data_bytes: sent.event.data.len(),
            has_data: true,
        }));
        // What is remembered must be all that the database has.
        if self.stored.iter().all(|stored| stored.has_data) {
            recent.put(self.aggregate, self.stored);
        }
    }
}

/// Takes retractions out of what is to be stored.
fn refuse(forbidden: &[usize], new: &mut Vec<usize>, outcomes: &mut [Outcome]) {
    forbidden.iter().for_each(|place| outcomes[*place] = Outcome::ForbiddenRetraction);
    new.retain(|place| !forbidden.contains(place));
}

/// The outcome of an event that is stored.
fn accepted(event: &Event) -> Outcome {
    if event.uncredited { Outcome::AcceptedWithoutCredit } else { Outcome::Accepted }
}

fn same_event(left: &Event, right: &Event) -> bool {
    left.fact.event_type() == right.fact.event_type()
        && left.time == right.time
        && same_content(&left.data, &right.data)
}

/// The shops and creators that new events name, as often as they do.
fn named_subjects(touched: &[Touched<'_>]) -> impl Iterator<Item = Subject> {
    let shops = touched.iter().map(|one| Subject { kind: SubjectKind::Shop, id: one.aggregate.shop_id.clone() });
    let creators = touched.iter().flat_map(|one| &one.new).filter_map(|event| event.fact.creator_id());
    shops.chain(creators.map(|id| Subject { kind: SubjectKind::Creator, id: id.clone() }))
}
