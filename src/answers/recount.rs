//! Counting again what single aggregates counted for, as a published run knew them.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sqlx::PgConnection;

use super::published::{Missing, Published};
use crate::domain::calendar::Calendar;
use crate::domain::event::Aggregate;
use crate::domain::fold::{Explained, explain};
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tally::Folded;
use crate::domain::window::DaySpan;
use crate::domain::words::words;
use crate::storage::record::Place;
use crate::storage::run::Knowledge;
use crate::storage::{StoreError, event, excluded};

words! {
    /// Which of a metric's two counts.
    pub enum Side {
        Numerator = "numerator",
        Denominator = "denominator",
    }
}

/// A count whose records are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count<'a> {
    pub(super) subject: &'a Subject,
    pub(super) rule_set: &'a RuleSet,
    pub(super) rule: &'a MetricRule,
    pub(super) side: Side,
    pub(super) score_date: NaiveDate,
    /// The metric's counts in that run.
    pub(super) counts: MetricCount,
}

impl<'a> Count<'a> {
    /// A count of a published card. Fails where its rules do not measure the metric.
    pub(super) fn of(published: &'a Published, metric: Metric, side: Side) -> Result<Count<'a>, Missing> {
        let rule_set = &published.scored.rule_set;
        let not_measured = || Missing::Metric(rule_set.id.clone(), metric);
        let (rule, card) = published.scored.metric(metric).ok_or_else(not_measured)?;
        let (subject, score_date, counts) = (&published.subject, published.run.date, card.count);
        Ok(Count { subject, rule_set, rule, side, score_date, counts })
    }
}

impl Count<'_> {
    pub(super) fn measures(&self) -> Vec<Measure> {
        let definition = self.rule.metric.definition();
        match self.side {
            Side::Numerator => vec![definition.numerator(self.rule_set.bad_stars_max)],
            Side::Denominator => definition.denominator.to_vec(),
        }
    }

    pub(super) fn scale(&self) -> i64 {
        match self.side {
            Side::Numerator => 1,
            Side::Denominator => self.rule.metric.definition().denominator_scale,
        }
    }

    pub(super) fn span(&self) -> DaySpan {
        self.rule.window.window.days(self.score_date)
    }

    /// The whole count, as the metric's card says it.
    pub(super) fn total(&self) -> i64 {
        match self.side {
            Side::Numerator => self.counts.numerator,
            Side::Denominator => self.counts.denominator(self.rule.metric),
        }
    }

    /// About how many records there are.
    pub(super) fn records(&self) -> i64 {
        if self.measures().iter().all(|measure| measure.faults().is_empty()) {
            self.counts.volume
        } else {
            self.counts.numerator
        }
    }
}

/// One record: what it counts, and why.
#[derive(Clone, Debug)]
pub struct Record {
    pub aggregate: Aggregate,
    pub creator_id: Option<Id>,
    pub product_id: Option<Id>,
    pub explained: Explained,
    /// The business day on which it counts, in the time zone of the run.
    pub day: NaiveDate,
    /// The amount in the count's own scale.
    pub amount: i64,
}

/// Where a page of records ends: the candidate, and how many of its records were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    pub place: Place,
    pub given: usize,
}

/// From the first instant of a span on, and before which.
pub(super) fn instants(calendar: &Calendar, span: DaySpan) -> (DateTime<Utc>, DateTime<Utc>) {
    (calendar.instant(span.from, NaiveTime::MIN), calendar.instant(span.to + Days::new(1), NaiveTime::MIN))
}

/// Folds aggregates as a published run knew them.
pub(super) struct Reader<'c, 'a> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) knowledge: &'a Knowledge,
    pub(super) count: &'a Count<'a>,
    /// Whether a product qualifies in this run.
    pub(super) qualifying: HashMap<(Id, Id), bool>,
}

impl<'c, 'a> Reader<'c, 'a> {
    pub(super) fn new(
        connection: &'c mut PgConnection,
        knowledge: &'a Knowledge,
        count: &'a Count<'a>,
    ) -> Reader<'c, 'a> {
        Reader { connection, knowledge, count, qualifying: HashMap::new() }
    }

    /// The records at the given instants of the given aggregates, in that order.
    pub(super) async fn records_at(
        &mut self,
        places: &[Place],
        measures: &[Measure],
    ) -> Result<Vec<(RecordPlace, Record)>, StoreError> {
        let mut records = Vec::new();
        for (place, (folded, explained)) in places.iter().zip(self.explained(places, measures).await?) {
            if !self.is_the_subjects(&folded) || !self.qualifies(&place.aggregate, &folded).await? {
                continue;
            }
            let mut here: Vec<Explained> = explained;
            here.retain(|explained| explained.tally.at == place.at && self.is_in_window(explained.tally.at));
            here.sort_by(|left, right| left.aftersale_id.cmp(&right.aftersale_id));
            for (index, explained) in here.into_iter().enumerate() {
                let ended = RecordPlace { place: place.clone(), given: index + 1 };
                records.push((ended, self.record(&place.aggregate, &folded, explained)));
            }
        }
        Ok(records)
    }

    /// All records of some aggregates in the count's window.
    pub(super) async fn records_of(
        &mut self,
        aggregates: &[Aggregate],
        measures: &[Measure],
    ) -> Result<Vec<Record>, StoreError> {
        let place = |aggregate: &Aggregate| Place { at: DateTime::UNIX_EPOCH, aggregate: aggregate.clone() };
        let places: Vec<Place> = aggregates.iter().map(place).collect();
        let mut records = Vec::new();
        for (aggregate, (folded, explained)) in aggregates.iter().zip(self.explained(&places, measures).await?) {
            if !self.is_the_subjects(&folded) || !self.qualifies(aggregate, &folded).await? {
                continue;
            }
            let in_window = explained.into_iter().filter(|explained| self.is_in_window(explained.tally.at));
            records.extend(in_window.map(|explained| self.record(aggregate, &folded, explained)));
        }
        Ok(records)
    }

    fn record(&self, aggregate: &Aggregate, folded: &Folded, explained: Explained) -> Record {
        Record {
            aggregate: aggregate.clone(),
            creator_id: folded.creator_id.clone(),
            product_id: folded.product_id.clone(),
            day: self.knowledge.calendar.day(explained.tally.at),
            amount: explained.tally.amount * self.count.scale(),
            explained,
        }
    }

    /// The aggregates of places as the run knew them, with the amounts of some measures explained.
    pub(super) async fn explained(
        &mut self,
        places: &[Place],
        measures: &[Measure],
    ) -> Result<Vec<(Folded, Vec<Explained>)>, StoreError> {
        let aggregates: Vec<(&Aggregate, i64)> =
            places.iter().map(|place| (&place.aggregate, self.knowledge.heads.of(&place.aggregate.shop_id))).collect();
        let excluded = excluded::known_at(self.connection, &aggregates).await?;
        let before: Vec<(&Aggregate, i64)> =
            aggregates.iter().map(|(aggregate, head)| (*aggregate, head.saturating_add(1))).collect();
        let events = event::load_before(self.connection, &before).await?;
        let folded = aggregates.iter().zip(&events).map(|((aggregate, _), events)| {
            let excluded = excluded.get(aggregate).map(Vec::as_slice).unwrap_or_default();
            explain(aggregate.kind, events.iter(), excluded, &self.knowledge.calendar, measures)
        });
        Ok(folded.collect())
    }

    pub(super) fn is_in_window(&self, at: DateTime<Utc>) -> bool {
        self.count.span().contains(self.knowledge.calendar.day(at))
    }

    pub(super) fn is_the_subjects(&self, folded: &Folded) -> bool {
        match self.count.subject.kind {
            SubjectKind::Shop => true,
            SubjectKind::Creator => folded.creator_id.as_ref() == Some(&self.count.subject.id),
        }
    }
}
