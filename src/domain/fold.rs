//! Folding one aggregate: the set of its events becomes what it counts for (scoring law §4).
//!
//! The result depends on the set only, never on the order of arrival. The writer folds an aggregate before and after
//! new events with [`fold`] and adds the difference; a rebuild folds everything once; the records behind a count are
//! the same fold at an older knowledge. There is no second way to count.

use std::collections::HashSet;

use super::calendar::Calendar;
use super::event::{AggregateKind, Event, Fact, Part};
use super::exclusion::{Exclusion, ExclusionTarget};
use super::id::Id;
use super::measure::Measure;
use super::tally::{Folded, Sink, Tally};
use super::words::words;
use super::{order, product, session};

/// One amount of one aggregate with what it rests on.
#[derive(Clone, Debug)]
pub struct Explained {
    pub tally: Tally,
    /// The after-sale case, where an amount comes from one.
    pub aftersale_id: Option<Id>,
    /// The events that made it count.
    pub facts: Vec<Event>,
}

/// Folds the events of one aggregate under the exclusions that are in force for it.
pub(crate) fn fold<'a>(
    kind: AggregateKind,
    events: impl Iterator<Item = &'a Event> + Clone,
    exclusions: &[Exclusion],
    calendar: &Calendar,
) -> Folded {
    let effective = effective_events(events, exclusions);
    let mut tallies = Vec::with_capacity(8);
    let folded = walk(kind, &effective, calendar, &mut |tally, _, _| tallies.push(tally));
    Folded { tallies, ..folded }
}

/// The same fold, with each amount's reasons. Only the amounts of `wanted` measures are explained.
pub(crate) fn explain<'a>(
    kind: AggregateKind,
    events: impl Iterator<Item = &'a Event> + Clone,
    exclusions: &[Exclusion],
    calendar: &Calendar,
    wanted: &[Measure],
) -> (Folded, Vec<Explained>) {
    let effective = effective_events(events, exclusions);
    let mut explained = Vec::new();
    let mut tallies = Vec::with_capacity(8);
    let folded = walk(kind, &effective, calendar, &mut |tally, aftersale_id, facts| {
        tallies.push(tally);
        if wanted.contains(&tally.measure) {
            let facts = facts().into_iter().cloned().collect();
            explained.push(Explained { tally, aftersale_id: aftersale_id.cloned(), facts });
        }
    });
    (Folded { tallies, ..folded }, explained)
}

/// Folds effective events and hands every tally to `sink`.
fn walk(kind: AggregateKind, effective: &[&Event], calendar: &Calendar, sink: &mut Sink<'_>) -> Folded {
    match kind {
        AggregateKind::Order => order::fold(effective, calendar, sink),
        AggregateKind::Session => session::fold(effective, calendar, sink),
        AggregateKind::Product => Folded { off_shelf: product::fold(effective, calendar), ..Folded::default() },
    }
}

/// The event that stays when the others of an aggregate are removed, so that all later days count as before: the last
/// effective event of a product says where it is from then on. Of orders and sessions nothing need stay.
pub(crate) fn lasting_event<'a>(
    kind: AggregateKind,
    events: impl Iterator<Item = &'a Event> + Clone,
) -> Option<&'a Event> {
    match kind {
        AggregateKind::Order | AggregateKind::Session => None,
        AggregateKind::Product => effective_events(events, &[]).pop(),
    }
}

/// The effective events, those that count, sorted by (time, id): neither retracted, nor excluded, nor retractions
/// themselves.
fn effective_events<'a>(events: impl Iterator<Item = &'a Event> + Clone, exclusions: &[Exclusion]) -> Vec<&'a Event> {
    let retracted = retracted(events.clone());
    let mut effective: Vec<&Event> =
        events.filter(|event| state(event, &retracted, exclusions) == EventState::InForce).collect();
    effective.sort_by(|left, right| left.precedence().cmp(&right.precedence()));
    effective
}

/// The ids that retractions among an aggregate's events take back.
pub(crate) fn retracted<'a>(events: impl Iterator<Item = &'a Event>) -> HashSet<&'a Id> {
    let target = |event: &'a Event| match &event.fact {
        Fact::Retracted { event_id } => Some(event_id),
        _ => None,
    };
    events.filter_map(target).collect()
}

words! {
    /// Whether an event counts (scoring law §4).
    pub(crate) enum EventState {
        InForce = "in_force",
        /// A retraction took it back.
        Retracted = "retracted",
        /// An exclusion took it out of scores.
        Excluded = "excluded",
        /// A retraction itself.
        Retraction = "retraction",
    }
}

/// Whether an event counts, beside the ids that are [`retracted`] and the exclusions of its aggregate.
pub(crate) fn state(event: &Event, retracted: &HashSet<&Id>, exclusions: &[Exclusion]) -> EventState {
    if matches!(event.fact, Fact::Retracted { .. }) {
        EventState::Retraction
    } else if !retracted.is_empty() && retracted.contains(&event.id) {
        EventState::Retracted
    } else if exclusions.iter().any(|exclusion| excludes(exclusion, &event.fact)) {
        EventState::Excluded
    } else {
        EventState::InForce
    }
}

/// Whether an exclusion, which is one of the fact's own aggregate, removes the fact.
pub(crate) fn excludes(exclusion: &Exclusion, fact: &Fact) -> bool {
    let part = match exclusion.target {
        ExclusionTarget::Order | ExclusionTarget::Session => return true,
        ExclusionTarget::Review => Part::Review(&exclusion.id),
        ExclusionTarget::Aftersale => Part::Aftersale(&exclusion.id),
        ExclusionTarget::Complaint => Part::Complaint(&exclusion.id),
    };
    fact.part() == Some(part)
}
