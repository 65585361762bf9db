//! The records behind a count: the orders, cases and sessions that a published revision knew, each with its amount.
//!
//! The candidates are folded again with the law's one fold, from the events and exclusions that the run knew; the
//! amounts of all records of a count sum exactly to it, whatever arrived since.

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::published::{Published, ReadError, Wanted};
use super::recount::{Count, Reader, instants};
use super::source::Source;
use crate::domain::event::EventType;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::Metric;
use crate::domain::rules::NamedWindow;
use crate::domain::window::DaySpan;
use crate::storage::StoreError;
use crate::storage::record::{CandidateQuery, candidates};
use crate::storage::run::{self, Knowledge};

pub(crate) use super::recount::{Record, RecordPlace, Side};

/// Candidates that are folded at a time.
const CHUNK: usize = 300;
/// A page of records of one count, newest first.
pub struct RecordPage {
    /// The count; the amounts of all its records sum to it.
    pub total: i64,
    pub window: NamedWindow,
    pub records: Vec<Record>,
    /// Where the next page begins.
    pub next: Option<RecordPlace>,
}

/// Which records of a published card are wanted. A list that was begun goes on in its own run.
#[derive(Clone, Debug)]
pub struct WantedRecords {
    pub card: Wanted,
    pub metric: Metric,
    pub side: Side,
    pub filter: RecordFilter,
    /// The run of the page before, and where that ended.
    pub after: Option<(i64, RecordPlace)>,
    pub limit: usize,
}

/// Which of a count's records.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Only those of this business day.
    pub day: Option<NaiveDate>,
    /// Only orders of this product, and their cases.
    pub product_id: Option<Id>,
}

impl Source {
    pub async fn records(&self, wanted: &WantedRecords) -> Result<(Published, RecordPage), ReadError> {
        let mut connection = self.connection().await?;
        let Wanted { subject, rule_set, .. } = &wanted.card;
        let (published, after) = match &wanted.after {
            None => (self.find(&mut connection, &wanted.card).await?, None),
            Some((run_id, ended)) => {
                let run = self.begun_run(&mut connection, *run_id).await?;
                (self.find_in(&mut connection, run, subject, rule_set.as_deref()).await?, Some(ended.clone()))
            }
        };
        let of = (wanted.metric, wanted.side);
        let page = self.records_of(&mut connection, &published, of, &wanted.filter, (after, wanted.limit)).await?;
        Ok((published, page))
    }

    /// A page of the records behind one of a metric's counts.
    pub(super) async fn records_of(
        &self,
        connection: &mut PgConnection,
        published: &Published,
        (metric, side): (Metric, Side),
        filter: &RecordFilter,
        (after, limit): (Option<RecordPlace>, usize),
    ) -> Result<RecordPage, ReadError> {
        let count = Count::of(published, metric, side)?;
        let knowledge = run::knowledge(connection, published.run.run_id).await?;
        let (records, next) = page(connection, &knowledge, &count, filter, (after, limit)).await?;
        Ok(RecordPage { total: count.total(), window: count.rule.window.clone(), records, next })
    }
}

async fn page(
    connection: &mut PgConnection,
    knowledge: &Knowledge,
    count: &Count<'_>,
    RecordFilter { day, product_id }: &RecordFilter,
    (after, limit): (Option<RecordPlace>, usize),
) -> Result<(Vec<Record>, Option<RecordPlace>), StoreError> {
    let whole = match day {
        None => count.span(),
        Some(day) => DaySpan { from: *day, to: *day },
    };
    // Amounts are above 0, so nothing stands behind a count of 0.
    if count.total() == 0 || !count.span().contains(whole.from) {
        return Ok((Vec::new(), None));
    }
    let mut reader = Reader::new(connection, knowledge, count);
    let measures = count.measures();
    let (cohort, faults) = needed(&measures);
    let is_wanted = |record: &Record| product_id.is_none() || record.product_id == *product_id;
    let first = if product_id.is_some() { whole.from } else { newest_days(count, limit, whole) };
    let mut span = DaySpan { from: first, to: whole.to };
    if let Some(ended) = &after {
        span.from = span.from.min(knowledge.calendar.day(ended.place.at)).max(whole.from);
    }
    let mut records: Vec<(RecordPlace, Record)> = Vec::new();
    // The record after which the page begins may have companions of the same instant that were not given yet.
    if let Some(ended) = &after {
        let all = reader.records_at(std::slice::from_ref(&ended.place), &measures).await?;
        records.extend(all.into_iter().filter(|(other, record)| other.given > ended.given && is_wanted(record)));
    }
    let mut place = after.map(|ended| ended.place);
    loop {
        let (from, until) = instants(&knowledge.calendar, span);
        let query = CandidateQuery {
            subject: count.subject,
            cohort: &cohort,
            faults: &faults,
            from,
            until,
            after: place.as_ref(),
            product_id: product_id.as_ref(),
            limit: CHUNK,
        };
        let places = candidates(reader.connection, &query, &knowledge.heads).await?;
        let here = reader.records_at(&places, &measures).await?;
        records.extend(here.into_iter().filter(|(_, record)| is_wanted(record)));
        if records.len() > limit {
            let next = records.get(limit - 1).map(|(ended, _)| ended.clone());
            records.truncate(limit);
            return Ok((records.into_iter().map(|(_, record)| record).collect(), next));
        }
        if places.len() == CHUNK {
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
fn newest_days(count: &Count<'_>, limit: usize, whole: DaySpan) -> NaiveDate {
    let days = (whole.to - whole.from).num_days() + 1;
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(days);
    // Looking at a few days more costs less than looking again.
    let enough = (wanted / count.records().max(1)).saturating_add(4).min(days);
    whole.to - Days::new(enough.unsigned_abs() - 1)
}

/// The types of event that the measures go by, and those of which one must be a fault.
pub(super) fn needed(measures: &[Measure]) -> (Vec<EventType>, Vec<EventType>) {
    let mut cohort: Vec<EventType> =
        measures.iter().flat_map(|measure| measure.cohort().event_types()).copied().collect();
    cohort.dedup();
    let all_faulty = measures.iter().all(|measure| !measure.faults().is_empty());
    let faults = measures.iter().flat_map(|measure| measure.faults()).copied();
    (cohort, if all_faulty { faults.collect() } else { Vec::new() })
}
