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

/// Takes in the tallies of one aggregate, one by one: the tally, the case that it comes from, and a way to the events
/// that it rests on, which only those who explain counts go.
pub(super) type Teller<'t> = dyn for<'e> FnMut(Tally, Option<&'e Id>, &dyn Fn() -> Vec<&'e Event>) + 't;

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
pub fn seconds_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_seconds().max(0)
}

/// Tells a tally, unless it is of nothing.
pub(super) fn put<'e>(
    tell: &mut Teller<'_>,
    at: DateTime<Utc>,
    measure: Measure,
    amount: i64,
    aftersale_id: Option<&'e Id>,
    facts: &dyn Fn() -> Vec<&'e Event>,
) {
    if amount != 0 {
        tell(Tally { at, measure, amount }, aftersale_id, facts);
    }
}
