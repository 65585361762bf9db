//! From events to counts: fold the touched aggregates before and after, and add the difference.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::domain::calendar::Calendar;
use crate::domain::count::CountChanges;
use crate::domain::event::{Aggregate, Event};
use crate::domain::exclusion::Exclusion;
use crate::domain::fold::fold;
use crate::domain::tally::Folded;
use crate::storage::event::StoredEvent;
use crate::storage::stripe::{HeldStripes, stripe_of};
use crate::storage::{StoreError, excluded};

/// An aggregate with what was stored of it and what came new.
pub(crate) struct Touched<'a> {
    pub aggregate: &'a Aggregate,
    pub stored: &'a [StoredEvent],
    pub new: Vec<&'a Event>,
}

/// The change of counts when new events join the stored ones.
pub(crate) fn changes_of_events(
    touched: &[Touched<'_>],
    exclusions: &HashMap<Aggregate, Vec<Exclusion>>,
    calendar: &Calendar,
) -> CountChanges {
    let mut changes = CountChanges::default();
    for Touched { aggregate, stored, new } in touched {
        let excluded = exclusions.get(aggregate).map(Vec::as_slice).unwrap_or_default();
        let before = if stored.is_empty() {
            Folded::default()
        } else {
            fold(aggregate.kind, stored.iter().map(|stored| stored.event.as_ref()), excluded, calendar)
        };
        let all = stored.iter().map(|stored| stored.event.as_ref()).chain(new.iter().copied());
        let after = fold(aggregate.kind, all, excluded, calendar);
        changes.replace(aggregate, &before, &after, calendar);
    }
    changes
}

/// Adds the change of counts when the exclusions of an aggregate change.
pub(crate) fn add_change_of_exclusions(
    changes: &mut CountChanges,
    aggregate: &Aggregate,
    events: &[Event],
    (before, after): (&[Exclusion], &[Exclusion]),
    calendar: &Calendar,
) {
    let folded = |exclusions: &[Exclusion]| fold(aggregate.kind, events.iter(), exclusions, calendar);
    changes.replace(aggregate, &folded(before), &folded(after), calendar);
}

/// The exclusions in force for these aggregates; no question is asked where a stripe never had any.
pub(crate) async fn exclusions_of<'a>(
    connection: &mut PgConnection,
    aggregates: impl Iterator<Item = &'a Aggregate>,
    held: &HeldStripes,
) -> Result<HashMap<Aggregate, Vec<Exclusion>>, StoreError> {
    let excluding =
        |aggregate: &&Aggregate| held.get(&stripe_of(&aggregate.shop_id)).is_some_and(|stripe| stripe.has_exclusions);
    let aggregates: Vec<&Aggregate> = aggregates.filter(excluding).collect();
    if aggregates.is_empty() { Ok(HashMap::new()) } else { excluded::active_of(connection, &aggregates).await }
}
