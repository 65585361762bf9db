//! One order, session or product: its events, what they fold to, and what counts of it on which day.

use chrono::{DateTime, NaiveDate, Utc};

use super::published::ReadError;
use super::source::Source;
use crate::domain::event::Aggregate;
use crate::domain::fold::{EventState, Explained, explain, retracted, state};
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::Metric;
use crate::domain::rules::RuleSet;
use crate::domain::subject::SubjectKind;
use crate::domain::tally::Folded;
use crate::domain::window::DaySpan;
use crate::storage::event::{self, ReceivedEvent};
use crate::storage::{excluded, snapshot};

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

/// A metric that counts an amount.
pub(crate) struct CountedIn {
    pub metric: Metric,
    pub is_numerator: bool,
    /// The score dates whose window has the day.
    pub dates: DaySpan,
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
        let excluded = excluded::active_of(&mut reading, &[aggregate]).await?.remove(aggregate).unwrap_or_default();
        reading.rollback().await?;
        let calendar = self.context.calendar();
        let events = received.iter().map(|one| &one.event);
        let (folded, explained) = explain(aggregate.kind, events, &excluded, &calendar, &Measure::ALL);
        let rule_set = self.context.rules.default_for(SubjectKind::Shop, calendar.day(self.context.now()));
        let count = |one: Explained| {
            let day = calendar.day(one.tally.at);
            let metrics = rule_set.map(|rule_set| counted_in(rule_set, one.tally.measure, day)).unwrap_or_default();
            let (measure, amount, at) = (one.tally.measure, one.tally.amount, one.tally.at);
            LookedUpCount { measure, amount, at, day, aftersale_id: one.aftersale_id, metrics }
        };
        let counts = explained.into_iter().map(count).collect();
        let taken_back = retracted(received.iter().map(|one| &one.event));
        let states: Vec<EventState> = received.iter().map(|one| state(&one.event, &taken_back, &excluded)).collect();
        let events = received.into_iter().zip(states);
        let events = events.map(|(received, state)| LookedUpEvent { received, state }).collect();
        Ok(Some(LookedUp { as_of: self.context.now(), events, folded, counts }))
    }
}

/// The metrics of a rule set that count an amount of a day.
fn counted_in(rule_set: &RuleSet, measure: Measure, day: NaiveDate) -> Vec<CountedIn> {
    let metrics = rule_set.metrics.iter().filter_map(|rule| {
        let definition = rule.metric.definition();
        let is_numerator = definition.numerator(rule_set.bad_stars_max) == measure;
        (is_numerator || definition.denominator.contains(&measure)).then(|| CountedIn {
            metric: rule.metric,
            is_numerator,
            dates: rule.window.window.score_dates(day),
        })
    });
    metrics.collect()
}
