//! How far a sweep goes, and in which steps.

use super::{STEP_EVENTS, bounds, steps};
use crate::domain::calendar::{Calendar, shanghai};
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::id::Id;
use crate::storage::retention::Expired;

fn calendar() -> Calendar {
    Calendar::new(chrono_tz::Asia::Shanghai)
}

#[test]
fn without_full_cards_a_sweep_stops_before_the_longest_window_of_any_missed_day() {
    let bounds = bounds(&calendar(), shanghai("2028-01-10T08:00:00"), 400, None);
    assert_eq!(bounds.expiry.received_before, shanghai("2026-12-05T08:00:00"), "400 days and a day of grace");
    assert_eq!(bounds.expiry.happened_before, shanghai("2026-12-05T08:00:00"));
}

#[test]
fn a_sweep_stops_before_the_windows_of_the_oldest_full_card() {
    let cards = Some(("2026-11-20".parse().expect("date"), 104));
    let bounds = bounds(&calendar(), shanghai("2028-01-10T08:00:00"), 400, cards);
    assert_eq!(bounds.expiry.received_before, shanghai("2026-11-19T00:00:00"), "known to the run of that date");
    assert_eq!(bounds.expiry.happened_before, shanghai("2026-08-08T00:00:00"));
}

#[test]
fn a_step_has_a_bounded_number_of_events_unless_a_single_order_has_more() {
    let expired = |events: i64| Expired {
        aggregate: Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored("o") },
        events,
    };
    let found = [STEP_EVENTS + 1, 1, STEP_EVENTS - 1, 1].map(expired);
    let sizes: Vec<usize> = steps(&found).iter().map(|step| step.len()).collect();
    assert_eq!(sizes, [1, 2, 1]);
}
