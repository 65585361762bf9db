//! Storing a group of events in one transaction: durable, folded and counted, or nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::apply::{Touched, changes_of_events, exclusions_of};
use super::{Outcome, SentEvent, WriteContext};
use crate::domain::content::same_content;
use crate::domain::event::{AGGREGATE_EVENTS_MAX, Aggregate, Event, Fact, Relay};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::event::{NewEvent, StoredContent};
use crate::storage::stripe::{HeldStripe, HeldStripes, hold, stripe_of};
use crate::storage::{StoreError, count, counting, event, registry};

/// Whether good events are stored beside ones that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    EachAlone,
    AllOrNothing,
}

/// Stores events and counts them. The outcomes stand in the order of the events. With [`Atomicity::AllOrNothing`]
/// nothing is stored if any event conflicts or overfills its aggregate.
pub async fn write(
    connection: &mut PgConnection,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &WriteContext,
    attempts: &mut Attempts,
) -> Result<Vec<Outcome>, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes: BTreeSet<i16> = events.iter().map(|sent| stripe_of(&sent.event.aggregate.shop_id)).collect();
    let held = hold(&mut transaction, &stripes).await?;
    counting::check_time_zone(&mut transaction, context.calendar.zone()).await?;
    let now = context.now();
    let (stored, mut outcomes) = store(&mut transaction, events, &held, attempts, now).await?;
    attempts.note(&held);
    let mut named = BTreeSet::new();
    if !stored.is_empty() {
        let mut touched = touched(&mut transaction, &stored, &held).await?;
        let forbidden = take_forbidden(&mut touched, events);
        take_back(&mut transaction, &forbidden, events, &mut outcomes, Outcome::ForbiddenRetraction).await?;
        let surplus = take_surplus(&mut touched);
        take_back(&mut transaction, &surplus, events, &mut outcomes, Outcome::AggregateFull).await?;
        let exclusions = exclusions_of(&mut transaction, touched.iter().map(|one| one.aggregate), &held).await?;
        let changes = changes_of_events(&touched, &exclusions, &context.calendar);
        named = context.known.unknown(named_subjects(&touched));
        if !named.is_empty() {
            registry::insert_named(&mut transaction, &named, now).await?;
        }
        count::add(&mut transaction, &count::KEPT, changes).await?;
    }
    let harmless = |outcome: &Outcome| matches!(outcome, Outcome::Accepted | Outcome::Duplicate);
    if atomicity == Atomicity::AllOrNothing && !outcomes.iter().all(harmless) {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
        context.known.note(named);
    }
    Ok(outcomes)
}

/// The numbers under which earlier attempts at the same group stored. Where the reply to a commit was lost, the next
/// attempt finds the group's own events, and they are accepted ones, not duplicates.
#[derive(Debug, Default)]
pub struct Attempts {
    numbers: HashSet<(i16, i64)>,
}

impl Attempts {
    fn note(&mut self, held: &HeldStripes) {
        self.numbers.extend(held.iter().map(|(stripe, held)| (*stripe, held.head)));
    }

    fn stored(&self, event: &Event, content: &StoredContent) -> bool {
        self.numbers.contains(&(stripe_of(&event.aggregate.shop_id), content.seq)) && same_as_stored(event, content)
    }
}

type Identity<'a> = (&'a Aggregate, &'a Id);

fn identity(event: &Event) -> Identity<'_> {
    (&event.aggregate, &event.id)
}

fn stripe_held(held: &HeldStripes, event: &Event) -> HeldStripe {
    // Every event's stripe is held; a number of 0 would be older than everything stored.
    held.get(&stripe_of(&event.aggregate.shop_id)).copied().unwrap_or(HeldStripe { head: 0, has_exclusions: true })
}

/// Inserts what is not stored yet. Returns the events that are new, and every event's outcome.
async fn store<'a>(
    connection: &mut PgConnection,
    events: &[&'a SentEvent],
    held: &HeldStripes,
    attempts: &Attempts,
    now: DateTime<Utc>,
) -> Result<(Vec<&'a Event>, Vec<Outcome>), StoreError> {
    let mut firsts: HashMap<Identity<'_>, usize> = HashMap::with_capacity(events.len());
    let mut candidates: Vec<NewEvent<'_>> = Vec::with_capacity(events.len());
    let places: Vec<usize> = events
        .iter()
        .map(|sent| {
            *firsts.entry(identity(&sent.event)).or_insert_with(|| {
                let seq = stripe_held(held, &sent.event).head;
                candidates.push(NewEvent { event: &sent.event, seq, key_id: sent.key_id });
                candidates.len() - 1
            })
        })
        .collect();
    let inserted = event::insert(connection, &candidates, now).await?;
    // What was stored before, where anything was. The number tells what this transaction itself stored.
    let before: Vec<Option<StoredContent>> = match inserted == candidates.len() as u64 {
        true => vec![None; candidates.len()],
        false => {
            let plain: Vec<&Event> = candidates.iter().map(|new| new.event).collect();
            let contents = event::contents(connection, &plain).await?;
            let older = |(content, new): (Option<StoredContent>, &NewEvent<'_>)| {
                content.filter(|content| content.seq < new.seq)
            };
            contents.into_iter().zip(&candidates).map(older).collect()
        }
    };
    let mut taken = vec![false; candidates.len()];
    let outcomes = events.iter().zip(&places).map(|(sent, place)| {
        let first_of_all = !std::mem::replace(&mut taken[*place], true);
        match &before[*place] {
            None if first_of_all => Outcome::Accepted,
            None => repeat_outcome(same_event(&sent.event, candidates[*place].event)),
            Some(content) if first_of_all && attempts.stored(&sent.event, content) => Outcome::Accepted,
            Some(content) => repeat_outcome(same_as_stored(&sent.event, content)),
        }
    });
    let outcomes: Vec<Outcome> = outcomes.collect();
    let new = candidates.iter().zip(&before).filter(|(_, before)| before.is_none());
    Ok((new.map(|(new, _)| new.event).collect(), outcomes))
}

fn repeat_outcome(same: bool) -> Outcome {
    if same { Outcome::Duplicate } else { Outcome::Conflict }
}

fn same_event(left: &Event, right: &Event) -> bool {
    left.fact.event_type() == right.fact.event_type()
        && left.time == right.time
        && same_content(&left.data, &right.data)
}

fn same_as_stored(event: &Event, stored: &StoredContent) -> bool {
    event.fact.event_type().code() == stored.event_type
        && event.time == stored.time
        && same_content(&event.data, &stored.data)
}

/// The aggregates of new events, with what was stored of them before.
async fn touched<'a>(
    connection: &mut PgConnection,
    new: &[&'a Event],
    held: &HeldStripes,
) -> Result<Vec<Touched<'a>>, StoreError> {
    let mut groups: Vec<(&Aggregate, Vec<&Event>)> = event::by_aggregate(new.iter().copied()).into_iter().collect();
    groups.sort_unstable_by_key(|(aggregate, _)| *aggregate);
    let keys: Vec<(&Aggregate, i64)> =
        groups.iter().map(|(aggregate, new)| (*aggregate, stripe_held(held, new[0]).head)).collect();
    let stored = event::load_before(connection, &keys).await?;
    let touch = |((aggregate, new), stored)| Touched { aggregate, stored, new };
    Ok(groups.into_iter().zip(stored).map(touch).collect())
}

/// The newest comers of aggregates that would hold too many events.
fn take_surplus<'a>(touched: &mut [Touched<'a>]) -> Vec<&'a Event> {
    let mut surplus = Vec::new();
    for one in touched {
        let room = AGGREGATE_EVENTS_MAX.saturating_sub(one.stored.len());
        if one.new.len() > room {
            surplus.extend(one.new.drain(room..));
        }
    }
    surplus
}

/// Retractions whose senders may send the merchant's facts alone, and whose targets are somebody else's or not known. An
/// unknown target may turn out to be anything, so that such a sender retracts only what is there.
fn take_forbidden<'a>(touched: &mut [Touched<'a>], events: &[&SentEvent]) -> Vec<&'a Event> {
    let bounded = events.iter().filter(|sent| sent.relay == Relay::MerchantOnly);
    let bounded = bounded.filter(|sent| matches!(sent.event.fact, Fact::Retracted { .. }));
    let bounded: HashSet<Identity<'_>> = bounded.map(|sent| identity(&sent.event)).collect();
    let mut forbidden = Vec::new();
    if bounded.is_empty() {
        return forbidden;
    }
    for one in touched {
        let Touched { stored, new, .. } = one;
        let target_type = |event_id: &Id| {
            let known = stored.iter().chain(new.iter().copied());
            known.filter(|event| event.id == *event_id).map(|event| event.fact.event_type()).next()
        };
        let refused = |event: &Event| match &event.fact {
            Fact::Retracted { event_id } if bounded.contains(&identity(event)) => {
                !target_type(event_id).is_some_and(|event_type| Relay::MerchantOnly.allows(event_type))
            }
            _ => false,
        };
        let (refused, kept): (Vec<&'a Event>, Vec<&'a Event>) = new.iter().copied().partition(|event| refused(event));
        forbidden.extend(refused);
        *new = kept;
    }
    forbidden
}

/// Takes events back that this transaction stored, with an outcome that says why.
async fn take_back(
    connection: &mut PgConnection,
    unwanted: &[&Event],
    events: &[&SentEvent],
    outcomes: &mut [Outcome],
    outcome: Outcome,
) -> Result<(), StoreError> {
    if unwanted.is_empty() {
        return Ok(());
    }
    event::delete(connection, unwanted).await?;
    let unwanted: HashSet<Identity<'_>> = unwanted.iter().map(|event| identity(event)).collect();
    for (sent, became) in events.iter().zip(outcomes) {
        if unwanted.contains(&identity(&sent.event)) {
            *became = outcome.clone();
        }
    }
    Ok(())
}

/// The shops and creators that new events name.
fn named_subjects(touched: &[Touched<'_>]) -> BTreeSet<Subject> {
    let mut subjects = BTreeSet::new();
    for event in touched.iter().flat_map(|one| &one.new) {
        subjects.insert(Subject { kind: SubjectKind::Shop, id: event.aggregate.shop_id.clone() });
        let creator_id = match &event.fact {
            Fact::OrderPaid(attributes) => attributes.creator_id.as_ref(),
            Fact::SessionStarted { creator_id, .. } => creator_id.as_ref(),
            _ => None,
        };
        subjects.extend(creator_id.map(|id| Subject { kind: SubjectKind::Creator, id: id.clone() }));
    }
    subjects
}
