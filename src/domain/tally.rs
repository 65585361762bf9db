//! Tallies: the amounts that an aggregate counts for, each at an instant of one of its events.

use chrono::{DateTime, Utc};

use super::event::Event;
use super::id::Id;
use super::measure::Measure;
use super::product::OffShelf;

/// One amount that an aggregate adds to one measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The cohort instant; its business day is the cohort day.
    pub at: DateTime<Utc>,
    pub measure: Measure,
    pub amount: i64,
}

/// Receives the tallies of one aggregate, one by one: the tally, its after-sale case if it comes from one, and a
/// function that lists the events it rests on, which is called only where counts are explained.
pub(super) type Sink<'t> = dyn for<'e> FnMut(Tally, Option<&'e Id>, &dyn Fn() -> Vec<&'e Event>) + 't;

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

/// Whole seconds from one instant to another, rounded down; 0 if they run backwards (scoring law §4.5).
pub(crate) fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_seconds().max(0)
}

/// Hands a tally to `sink`, unless its amount is 0.
pub(super) fn put<'e>(
    sink: &mut Sink<'_>,
    at: DateTime<Utc>,
    measure: Measure,
    amount: i64,
    aftersale_id: Option<&'e Id>,
    facts: &dyn Fn() -> Vec<&'e Event>,
) {
    if amount != 0 {
        sink(Tally { at, measure, amount }, aftersale_id, facts);
    }
}
