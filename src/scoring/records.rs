//! The records behind a count: the orders, cases and sessions that a published revision knew, each with its amount.
//!
//! The candidates are folded again with the law's one fold, from the events and exclusions that the run knew; the amounts
//! of all records of a count sum exactly to it, whatever arrived since.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveTime, Utc};
use sqlx::PgConnection;

use crate::domain::calendar::Calendar;
use crate::domain::event::{Aggregate, AggregateKind, EventType};
use crate::domain::fold::{Explained, explain};
use crate::domain::id::Id;
use crate::domain::live::LiveProduct;
use crate::domain::measure::Measure;
use crate::domain::metric::{MetricCount, Population};
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tally::{Folded, Tally};
use crate::domain::window::DaySpan;
use crate::domain::words::words;
use crate::storage::record::{CandidateQuery, Place, candidates, head_of};
use crate::storage::{StoreError, event, exclusion};

/// Candidates that are folded at a time.
const CHUNK: i64 = 300;
/// Candidates that are looked through at a time for a paid order of a product.
const PAID_CHUNK: i64 = 20;

words! {
    /// Which of a metric's two counts.
    pub enum Side {
        Numerator = "numerator",
        Denominator = "denominator",
    }
}

/// What a published run knew.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    pub calendar: &'a Calendar,
    pub heads: &'a [i64],
}

/// A count whose records are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Count<'a> {
    pub subject: &'a Subject,
    pub rule_set: &'a RuleSet,
    pub rule: &'a MetricRule,
    pub side: Side,
    pub score_date: chrono::NaiveDate,
    /// The metric's counts in that run.
    pub counts: MetricCount,
}

impl Count<'_> {
    fn measures(&self) -> Vec<Measure> {
        let definition = self.rule.metric.definition();
        match self.side {
            Side::Numerator => vec![definition.numerator(self.rule_set.bad_stars_max)],
            Side::Denominator => definition.denominator.to_vec(),
        }
    }

    fn scale(&self) -> i64 {
        match self.side {
            Side::Numerator => 1,
            Side::Denominator => self.rule.metric.definition().denominator_scale,
        }
    }

    fn span(&self) -> DaySpan {
        self.rule.window.window.days(self.score_date)
    }

    /// The whole count, as the metric's card says it.
    pub fn total(&self) -> i64 {
        match self.side {
            Side::Numerator => self.counts.numerator,
            Side::Denominator => self.counts.denominator(self.rule.metric),
        }
    }

    /// About how many records there are.
    fn records(&self) -> i64 {
        match self.measures().iter().all(|measure| measure.faults().is_empty()) {
            true => self.counts.volume,
            false => self.counts.numerator,
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
    /// The amount in the count's own scale.
    pub amount: i64,
}

/// Where a page of records ends: the candidate, and how many of its records were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub place: Place,
    pub given: usize,
}

/// A page of records, newest first, and where the next one begins.
pub async fn page(
    connection: &mut PgConnection,
    knowledge: Knowledge<'_>,
    count: &Count<'_>,
    after: Option<Mark>,
    limit: usize,
) -> Result<(Vec<Record>, Option<Mark>), StoreError> {
    // Amounts are above 0, so nothing stands behind a count of 0.
    if count.total() == 0 {
        return Ok((Vec::new(), None));
    }
    let mut reader = Reader { connection, knowledge, count, qualifying: HashMap::new() };
    let measures = count.measures();
    let (cohort, faults) = needed(&measures);
    let whole = count.span();
    let mut span = DaySpan { from: newest_days(count, limit, whole), to: whole.to };
    if let Some(mark) = &after {
        span.from = span.from.min(knowledge.calendar.day(mark.place.at)).max(whole.from);
    }
    let mut records: Vec<(Mark, Record)> = Vec::new();
    // The record after which the page begins may have companions of the same instant that were not given yet.
    if let Some(mark) = &after {
        let all = reader.records_at(std::slice::from_ref(&mark.place), &measures).await?;
        records.extend(all.into_iter().filter(|(other, _)| other.given > mark.given));
    }
    let mut place = after.map(|mark| mark.place);
    loop {
        let (from, until) = instants(knowledge.calendar, span);
        let query = CandidateQuery {
            subject: count.subject,
            cohort: &cohort,
            faults: &faults,
            begin_with_faults: span == whole,
            from,
            until,
            after: place.as_ref(),
            product_id: None,
            limit: CHUNK,
        };
        let places = candidates(reader.connection, &query, knowledge.heads).await?;
        records.extend(reader.records_at(&places, &measures).await?);
        if records.len() > limit {
            let next = records.get(limit - 1).map(|(mark, _)| mark.clone());
            records.truncate(limit);
            return Ok((records.into_iter().map(|(_, record)| record).collect(), next));
        }
        if (places.len() as i64) == CHUNK {
            place = places.into_iter().next_back();
        } else if span.from > whole.from {
            let days = (span.to - span.from).num_days().unsigned_abs() + 1;
            span = DaySpan { from: (span.from - Days::new(days)).max(whole.from), to: span.to };
            place = places.into_iter().next_back().or(place);
        } else {
            return Ok((records.into_iter().map(|(_, record)| record).collect(), None));
        }
    }
}

/// The first day of a span, up to the window's end, that should hold a page of records.
fn newest_days(count: &Count<'_>, limit: usize, whole: DaySpan) -> chrono::NaiveDate {
    let days = (whole.to - whole.from).num_days() + 1;
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(days);
    let enough = (wanted / count.records().max(1)).saturating_add(1).min(days);
    whole.to - Days::new(enough.unsigned_abs() - 1)
}

/// The types of event that the measures go by, and those of which one must be a fault.
fn needed(measures: &[Measure]) -> (Vec<EventType>, Vec<EventType>) {
    let mut cohort: Vec<EventType> =
        measures.iter().flat_map(|measure| measure.cohort().event_types()).copied().collect();
    cohort.dedup();
    let all_faulty = measures.iter().all(|measure| !measure.faults().is_empty());
    let faults = measures.iter().flat_map(|measure| measure.faults()).copied();
    (cohort, if all_faulty { faults.collect() } else { Vec::new() })
}

/// From the first instant of a span on, and before which.
fn instants(calendar: &Calendar, span: DaySpan) -> (DateTime<Utc>, DateTime<Utc>) {
    (calendar.instant(span.from, NaiveTime::MIN), calendar.instant(span.to + Days::new(1), NaiveTime::MIN))
}

struct Reader<'c, 'a> {
    connection: &'c mut PgConnection,
    knowledge: Knowledge<'a>,
    count: &'a Count<'a>,
    /// Whether a product qualifies in this run.
    qualifying: HashMap<(Id, Id), bool>,
}

impl Reader<'_, '_> {
    /// The records at the given instants of the given aggregates, in that order.
    async fn records_at(&mut self, places: &[Place], measures: &[Measure]) -> Result<Vec<(Mark, Record)>, StoreError> {
        let mut records = Vec::new();
        for (place, (folded, explained)) in places.iter().zip(self.explained(places, measures).await?) {
            if !self.is_the_subjects(&folded) || !self.qualifies(&place.aggregate, &folded).await? {
                continue;
            }
            let mut here: Vec<Explained> = explained;
            here.retain(|explained| explained.tally.at == place.at && self.is_in_window(explained.tally.at));
            here.sort_by(|left, right| left.aftersale_id.cmp(&right.aftersale_id));
            for (index, explained) in here.into_iter().enumerate() {
                let mark = Mark { place: place.clone(), given: index + 1 };
                let record = Record {
                    aggregate: place.aggregate.clone(),
                    creator_id: folded.creator_id.clone(),
                    product_id: folded.product_id.clone(),
                    amount: explained.tally.amount * self.count.scale(),
                    explained,
                };
                records.push((mark, record));
            }
        }
        Ok(records)
    }

    /// The aggregates of places as the run knew them, with the amounts of some measures explained.
    async fn explained(
        &mut self,
        places: &[Place],
        measures: &[Measure],
    ) -> Result<Vec<(Folded, Vec<Explained>)>, StoreError> {
        let aggregates: Vec<(&Aggregate, i64)> = places
            .iter()
            .map(|place| (&place.aggregate, head_of(self.knowledge.heads, &place.aggregate.shop_id)))
            .collect();
        let excluded = exclusion::known_at(self.connection, &aggregates).await?;
        let before: Vec<(&Aggregate, i64)> =
            aggregates.iter().map(|(aggregate, head)| (*aggregate, head.saturating_add(1))).collect();
        let events = event::load_before(self.connection, &before).await?;
        let folded = aggregates.iter().zip(&events).map(|((aggregate, _), events)| {
            let excluded = excluded.get(aggregate).map(Vec::as_slice).unwrap_or_default();
            explain(aggregate.kind, events.iter(), excluded, self.knowledge.calendar, measures)
        });
        Ok(folded.collect())
    }

    fn is_in_window(&self, at: DateTime<Utc>) -> bool {
        self.count.span().contains(self.knowledge.calendar.day(at))
    }

    fn is_the_subjects(&self, folded: &Folded) -> bool {
        match self.count.subject.kind {
            SubjectKind::Shop => true,
            SubjectKind::Creator => folded.creator_id.as_ref() == Some(&self.count.subject.id),
        }
    }

    /// Whether an order's product counts in the metric.
    async fn qualifies(&mut self, aggregate: &Aggregate, folded: &Folded) -> Result<bool, StoreError> {
        let population = self.count.rule.metric.definition().population;
        let (Population::QualifyingProducts, Some(product_id)) = (population, &folded.product_id) else {
            return Ok(true);
        };
        let product = (aggregate.shop_id.clone(), product_id.clone());
        if let Some(known) = self.qualifying.get(&product) {
            return Ok(*known);
        }
        let qualifies = self.is_on_shelf(&product).await? && self.is_paid_in_window(&product).await?;
        self.qualifying.insert(product, qualifies);
        Ok(qualifies)
    }

    async fn is_on_shelf(&mut self, (shop_id, product_id): &(Id, Id)) -> Result<bool, StoreError> {
        let aggregate = Aggregate { shop_id: shop_id.clone(), kind: AggregateKind::Product, id: product_id.clone() };
        let place = Place { at: DateTime::UNIX_EPOCH, aggregate };
        let folded = self.explained(&[place], &[]).await?.pop();
        let product = LiveProduct {
            shop_id: shop_id.clone(),
            product_id: product_id.clone(),
            daily: Default::default(),
            off_shelf: folded.map(|(folded, _)| folded.off_shelf).unwrap_or_default(),
        };
        Ok(product.on_shelf(self.count.score_date - Days::new(1)))
    }

    /// Looks at the newest days first: most products were paid for a moment ago.
    async fn is_paid_in_window(&mut self, product: &(Id, Id)) -> Result<bool, StoreError> {
        let whole = self.count.span();
        let mut span = DaySpan { from: whole.to, to: whole.to };
        loop {
            if self.is_paid_in(product, span).await? {
                return Ok(true);
            }
            if span.from <= whole.from {
                return Ok(false);
            }
            let days = (span.to - span.from).num_days().unsigned_abs() + 1;
            let to = span.from - Days::new(1);
            span = DaySpan { from: (to - Days::new(4 * days)).max(whole.from), to };
        }
    }

    async fn is_paid_in(&mut self, (shop_id, product_id): &(Id, Id), span: DaySpan) -> Result<bool, StoreError> {
        let (from, until) = instants(self.knowledge.calendar, span);
        let mut place: Option<Place> = None;
        loop {
            let query = CandidateQuery {
                subject: self.count.subject,
                cohort: &[EventType::OrderPaid],
                faults: &[],
                begin_with_faults: false,
                from,
                until,
                after: place.as_ref(),
                product_id: Some(product_id),
                limit: PAID_CHUNK,
            };
            let places = candidates(self.connection, &query, self.knowledge.heads).await?;
            let folded = self.explained(&places, &[]).await?;
            let counts = |(place, (folded, _)): (&Place, &(Folded, Vec<Explained>))| {
                let paid = |tally: &Tally| tally.measure == Measure::PaidOrders && self.is_in_window(tally.at);
                place.aggregate.shop_id == *shop_id
                    && folded.product_id.as_ref() == Some(product_id)
                    && self.is_the_subjects(folded)
                    && folded.tallies.iter().any(paid)
            };
            if places.iter().zip(&folded).any(counts) {
                return Ok(true);
            }
            if (places.len() as i64) < PAID_CHUNK {
                return Ok(false);
            }
            place = places.into_iter().next_back();
        }
    }
}
