//! What arrives for an aggregate, with what its row is found by.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::packed_event::NewEvent;
use crate::domain::event::{Aggregate, Event, EventType};
use crate::domain::id::Id;
use crate::domain::measure::is_fault;

/// What arrived for one aggregate, with what it is found by.
#[derive(Debug)]
pub(crate) struct NewAggregate<'a> {
    pub aggregate: &'a Aggregate,
    /// In the order of arrival.
    pub events: Vec<NewEvent<'a>>,
    /// The first day (UTC) on which any of the events happened or counts, and the last moment.
    pub first_day: NaiveDate,
    pub last_at: DateTime<Utc>,
    /// Of the newest event.
    pub seq: i64,
    pub received_at: DateTime<Utc>,
    /// A bit for each day on which an event of the types of [`DAY_MARKS`] counts, bit 0 for the first day.
    pub days: [i64; DAY_MARKS.len()],
    /// A bit for each type of those that can be a fault, by its code.
    pub faults: i64,
    pub creator_ids: Vec<&'a str>,
}

impl<'a> NewAggregate<'a> {
    fn of(new: NewEvent<'a>) -> NewAggregate<'a> {
        let time = new.event.time;
        let mut aggregate = NewAggregate {
            aggregate: &new.event.aggregate,
            events: Vec::with_capacity(1),
            first_day: time.date_naive(),
            last_at: time,
            seq: new.seq,
            received_at: new.received_at,
            days: [0; DAY_MARKS.len()],
            faults: 0,
            creator_ids: Vec::new(),
        };
        aggregate.push(new);
        aggregate
    }

    fn push(&mut self, new: NewEvent<'a>) {
        let Event { time, fact, .. } = new.event;
        let counts_at = fact.counts_at(*time);
        for at in [*time, counts_at] {
            self.begin_by(at.date_naive());
            self.last_at = self.last_at.max(at);
        }
        for (days, mark) in self.days.iter_mut().zip(DAY_MARKS) {
            if mark.types.contains(&fact.event_type()) {
                *days |= day_bit(counts_at.date_naive() - self.first_day);
            }
        }
        self.seq = self.seq.max(new.seq);
        self.received_at = self.received_at.max(new.received_at);
        if is_fault(fact) {
            self.faults |= fault_bit(fact.event_type().code());
        }
        if let Some(creator_id) = fact.creator_id().map(Id::as_str)
            && !self.creator_ids.contains(&creator_id)
        {
            self.creator_ids.push(creator_id);
        }
        self.events.push(new);
    }

    /// Lets it begin on a day at the latest.
    fn begin_by(&mut self, day: NaiveDate) {
        let earlier = (self.first_day - day).num_days();
        if earlier > 0 {
            self.first_day = day;
            self.days = self.days.map(|days| days.checked_shl(earlier.unsigned_abs() as u32).unwrap_or_default());
        }
    }
}

/// A column that tells on which days events of some types count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayMark {
    pub column: &'static str,
    pub types: &'static [EventType],
    /// The most days after the first on which they count in most aggregates.
    pub usual_days: u64,
    /// The bit of the column `late` of the others.
    pub late: i16,
}

/// The bit of the column `late` of aggregates that go on for more than [`LONG_DAYS`].
pub(crate) const LATE_LONG: i16 = 1;
pub(crate) const LONG_DAYS: u64 = 45;

pub(crate) const DAY_MARKS: [DayMark; 5] = [
    DayMark { column: "paid_days", types: &[EventType::OrderPaid], usual_days: 0, late: 2 },
    DayMark { column: "pickup_days", types: &[EventType::OrderPickedUp], usual_days: 7, late: 4 },
    DayMark {
        column: "delivery_days",
        types: &[EventType::OrderSigned, EventType::OrderConfirmed, EventType::OrderPromised],
        usual_days: 20,
        late: 8,
    },
    DayMark {
        column: "case_days",
        types: &[EventType::AftersaleOpened, EventType::AftersaleCompleted],
        usual_days: LONG_DAYS,
        late: 0,
    },
    DayMark {
        column: "session_days",
        types: &[EventType::SessionStarted, EventType::SessionHandedOver],
        usual_days: 0,
        late: 16,
    },
];

/// The bit of a day; none for one so late that its aggregate is long.
fn day_bit(after_first: TimeDelta) -> i64 {
    u32::try_from(after_first.num_days()).ok().and_then(|days| 1_i64.checked_shl(days)).unwrap_or_default()
}

/// The bit of `faults` that stands for the code of an event type.
pub(crate) fn fault_bit(code: i16) -> i64 {
    1 << code
}

/// Events by aggregate, which stand in key order: so neighbours share pages of the primary key. Those of one aggregate stay in
/// the order of arrival.
pub(crate) fn by_aggregate<'a>(events: &[NewEvent<'a>]) -> Vec<NewAggregate<'a>> {
    let mut aggregates: BTreeMap<&Aggregate, NewAggregate<'_>> = BTreeMap::new();
    for new in events.iter().copied() {
        let known = aggregates.entry(&new.event.aggregate);
        known.and_modify(|known| known.push(new)).or_insert_with(|| NewAggregate::of(new));
    }
    aggregates.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::{DateTime, NaiveDate, Utc};

    use super::{DAY_MARKS, NewAggregate, fault_bit};
    use crate::domain::event::{Aggregate, AggregateKind, Event, EventType};
    use crate::domain::id::Id;
    use crate::domain::measure::{Cohort, Measure};
    use crate::storage::packed_event::{NewEvent, event_of_row};

    fn event(code: i16, time: &str, data: &str) -> Event {
        let order = Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored("o") };
        let time: DateTime<Utc> = time.parse().expect("a time");
        event_of_row(&order, code, time, "e", (data.to_owned(), false)).expect("an event")
    }

    #[test]
    fn an_aggregate_is_found_by_its_days_its_faults_and_its_creators() {
        let events = [
            event(1, "2026-11-10T23:59:59.999999Z", r#"{"order_id":"o","creator_id":"c-1"}"#),
            event(4, "2026-11-12T00:00:00Z", r#"{"order_id":"o"}"#),
            event(26, "2026-11-11T00:00:00Z", r#"{"order_id":"o","creator_id":"c-2"}"#),
            event(26, "2026-11-11T00:00:00Z", r#"{"order_id":"o","creator_id":"c-1"}"#),
            event(7, "2026-11-12T10:00:00Z", r#"{"order_id":"o","review_id":"r","product_stars":4,"service_stars":3}"#),
            event(7, "2026-11-12T10:00:00Z", r#"{"order_id":"o","review_id":"r","product_stars":4}"#),
            event(14, "2026-11-12T11:00:00Z", r#"{"order_id":"o","complaint_id":"k"}"#),
            event(22, "2026-11-11T00:00:00Z", r#"{"order_id":"o","deliver_by":"2026-11-15T08:00:00+08:00"}"#),
        ];
        let of = |events: &[Event]| {
            let mut news = events.iter().map(|event| NewEvent { event, received_at: event.time, seq: 1, key_id: None });
            let mut new = NewAggregate::of(news.next().expect("an event"));
            news.for_each(|event| new.push(event));
            let creator_ids: Vec<String> = new.creator_ids.iter().map(|id| (*id).to_owned()).collect();
            (new.first_day, new.last_at.date_naive(), new.days, new.faults, creator_ids)
        };
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a day");
        let both = vec!["c-1".to_owned(), "c-2".to_owned()];
        assert_eq!(of(&events), (day(10), day(15), [0b1, 0, 0b10_0100, 0, 0], fault_bit(7) | fault_bit(14), both));
        assert_eq!(of(&events[1..2]), (day(12), day(12), [0, 0, 0b1, 0, 0], 0, vec![]));
        assert_eq!(of(&events[5..6]).3, 0, "four stars are nobody's fault");
        // Whatever comes first, the bits stand for days after the first.
        let reversed: Vec<Event> = events.iter().rev().cloned().collect();
        assert_eq!(of(&reversed).2, of(&events).2);
    }

    #[test]
    fn every_cohort_has_a_column_that_tells_its_days() {
        for cohort in Cohort::ALL {
            let has_all =
                |types: &[EventType]| cohort.event_types().iter().all(|event_type| types.contains(event_type));
            assert_eq!(DAY_MARKS.iter().filter(|mark| has_all(mark.types)).count(), 1, "{cohort:?}");
        }
    }

    #[test]
    fn stored_aggregates_are_marked_with_every_type_that_measures_call_a_fault() {
        let types: BTreeSet<i16> =
            Measure::ALL.iter().flat_map(|measure| measure.faults()).map(|event_type| event_type.code()).collect();
        // A further one needs a migration that marks what is stored.
        assert_eq!(types.into_iter().collect::<Vec<_>>(), [7, 9, 12, 13, 14, 18, 25]);
    }
}
