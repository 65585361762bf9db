//! One order, session or product: its events, what they fold to, and what counts of it on which day.

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::published::ReadError;
use super::source::Source;
use crate::domain::event::{Aggregate, Event, Fact};
use crate::domain::exclusion::Exclusion;
use crate::domain::fold::{Explained, excludes, explain};
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::Metric;
use crate::domain::rules::RuleSet;
use crate::domain::subject::SubjectKind;
use crate::domain::tally::Folded;
use crate::domain::words::words;
use crate::storage::event::{self, ReceivedEvent};
use crate::storage::{exclusion, snapshot};

words! {
    /// Whether an event counts.
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

/// An event with what became of it.
pub(crate) struct LookedUpEvent {
    pub received: ReceivedEvent,
    pub state: EventState,
}

/// What an order, session or product is at this moment.
pub(crate) struct LookedUp {
    pub as_of: DateTime<Utc>,
    pub events: Vec<LookedUpEvent>,
    pub folded: Folded,
    pub counts: Vec<LookedUpCount>,
}

/// One amount, and where it counts under the default rule set of shops.
pub(crate) struct LookedUpCount {
    pub measure: Measure,
    pub amount: i64,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub aftersale_id: Option<Id>,
    pub metrics: Vec<CountedIn>,
}

/// A metric that counts an amount, and from which score date to which.
pub(crate) struct CountedIn {
    pub metric: Metric,
    pub is_numerator: bool,
    pub first_date: NaiveDate,
    pub last_date: NaiveDate,
}

impl Source {
    /// `None` where no event of it is known.
    pub(crate) async fn look_up(&self, aggregate: &Aggregate) -> Result<Option<LookedUp>, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let received = event::received_of(&mut reading, aggregate).await?;
        if received.is_empty() {
            return Ok(None);
        }
        let excluded = exclusion::active_of(&mut reading, &[aggregate]).await?.remove(aggregate).unwrap_or_default();
        reading.rollback().await?;
        let calendar = self.context.calendar();
        let events = received.iter().map(|one| &one.event);
        let (folded, explained) = explain(aggregate.kind, events, &excluded, &calendar, &Measure::ALL);
        let rule_set = self.context.rules.default_for(SubjectKind::Shop);
        let count = |one: Explained| {
            let day = calendar.day(one.tally.at);
            let metrics = rule_set.map(|rule_set| counted_in(rule_set, one.tally.measure, day)).unwrap_or_default();
            let (measure, amount, at) = (one.tally.measure, one.tally.amount, one.tally.at);
            LookedUpCount { measure, amount, at, day, aftersale_id: one.aftersale_id, metrics }
        };
        let counts = explained.into_iter().map(count).collect();
        let states: Vec<EventState> = received.iter().map(|one| state_of(&one.event, &received, &excluded)).collect();
        let events = received.into_iter().zip(states);
        let events = events.map(|(received, state)| LookedUpEvent { received, state }).collect();
        Ok(Some(LookedUp { as_of: self.context.now(), events, folded, counts }))
    }
}

fn state_of(event: &Event, all: &[ReceivedEvent], excluded: &[Exclusion]) -> EventState {
    let takes_back =
        |other: &ReceivedEvent| matches!(&other.event.fact, Fact::Retracted { event_id } if *event_id == event.id);
    if matches!(event.fact, Fact::Retracted { .. }) {
        EventState::Retraction
    } else if all.iter().any(takes_back) {
        EventState::Retracted
    } else if excluded.iter().any(|exclusion| excludes(exclusion, event)) {
        EventState::Excluded
    } else {
        EventState::InForce
    }
}

/// The metrics of a rule set that count an amount of a day.
fn counted_in(rule_set: &RuleSet, measure: Measure, day: NaiveDate) -> Vec<CountedIn> {
    let metrics = rule_set.metrics.iter().filter_map(|rule| {
        let definition = rule.metric.definition();
        let is_numerator = definition.numerator(rule_set.bad_stars_max) == measure;
        let window = rule.window.window;
        (is_numerator || definition.denominator.contains(&measure)).then(|| CountedIn {
            metric: rule.metric,
            is_numerator,
            first_date: day + Days::new(window.newest().into()),
            last_date: day + Days::new(window.oldest().into()),
        })
    });
    metrics.collect()
}
