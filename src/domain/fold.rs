//! Folding one aggregate: the set of its events becomes what it counts for (scoring law §4).
//!
//! The result depends on the set only, never on the order of arrival. The writer folds an aggregate before and after
//! new events with [`fold`] and adds the difference; a rebuild folds everything once; the records behind a count are
//! the same fold at an older knowledge. There is no second way to count.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::calendar::Calendar;
use super::event::{AggregateKind, Event, Fact};
use super::exclusion::{Exclusion, ExclusionTarget};
use super::id::Id;
use super::measure::Measure;
use super::product::OffShelf;
use super::{order, product, session};

/// One amount that an aggregate adds to one measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The cohort instant; its business day is the cohort day.
    pub at: DateTime<Utc>,
    pub measure: Measure,
    pub amount: i64,
}

/// All that one aggregate counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// The creator to whom the tallies count too.
    pub creator_id: Option<Id>,
    /// The product of an order.
    pub product_id: Option<Id>,
    pub tallies: Vec<Tally>,
    /// The days at whose end a product was off the shelf.
    pub off_shelf: Vec<OffShelf>,
}

/// Folds the events of one aggregate under the exclusions that are in force for it.
pub fn fold<'a>(
    kind: AggregateKind,
    events: impl Iterator<Item = &'a Event> + Clone,
    exclusions: &[Exclusion],
    calendar: &Calendar,
) -> Folded {
    let standing = standing_events(events, exclusions);
    match kind {
        AggregateKind::Order => order::fold(&standing),
        AggregateKind::Session => session::fold(&standing, calendar),
        AggregateKind::Product => Folded { off_shelf: product::fold(&standing, calendar), ..Folded::default() },
    }
}

/// The events that count, sorted by (time, id): neither retracted, nor excluded, nor retractions themselves.
fn standing_events<'a>(events: impl Iterator<Item = &'a Event> + Clone, exclusions: &[Exclusion]) -> Vec<&'a Event> {
    let retracted: HashSet<&Id> = events
        .clone()
        .filter_map(|event| match &event.fact {
            Fact::Retracted { event_id } => Some(event_id),
            _ => None,
        })
        .collect();
    let mut standing: Vec<&Event> = events
        .filter(|event| !matches!(event.fact, Fact::Retracted { .. }))
        .filter(|event| retracted.is_empty() || !retracted.contains(&event.id))
        .filter(|event| !exclusions.iter().any(|exclusion| excludes(exclusion, event)))
        .collect();
    standing.sort_by(|left, right| left.precedence().cmp(&right.precedence()));
    standing
}

/// Whether an exclusion, which is one of the event's own aggregate, removes the event.
fn excludes(exclusion: &Exclusion, event: &Event) -> bool {
    let part = match (&event.fact, exclusion.target) {
        (_, ExclusionTarget::Order | ExclusionTarget::Session) => return true,
        (Fact::ReviewPosted { review_id, .. }, ExclusionTarget::Review) => review_id,
        (
            Fact::AftersaleOpened { aftersale_id, .. }
            | Fact::AftersaleAwaitingMerchant { aftersale_id }
            | Fact::AftersaleMerchantResponded { aftersale_id }
            | Fact::AftersaleCompleted { aftersale_id, .. }
            | Fact::ArbitrationDecided { aftersale_id, .. },
            ExclusionTarget::Aftersale,
        ) => aftersale_id,
        (
            Fact::ComplaintFiled { complaint_id } | Fact::ComplaintWithdrawn { complaint_id },
            ExclusionTarget::Complaint,
        ) => complaint_id,
        _ => return false,
    };
    *part == exclusion.id
}

/// Whole seconds from one instant to another, rounded down; 0 if they run backwards (scoring law §4.5).
pub fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_seconds().max(0)
}
