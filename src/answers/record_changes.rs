//! Which records made a count differ from what an earlier published revision had.
//!
//! A record differs only where its day came into the window or left it, or where facts or exclusions changed its order or
//! session. So only those are folded, once as each of the two runs knew them. Where products come and go with their shelf, all
//! records are compared.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::changes::Since;
use super::published::{Published, ReadError, Wanted};
use super::records::needed;
use super::recount::{Count, Reader, Record, Side, instants};
use super::source::Source;
use crate::domain::event::Aggregate;
use crate::domain::id::Id;
use crate::domain::metric::{Metric, Population};
use crate::domain::window::DaySpan;
use crate::domain::words::words;
use crate::storage::StoreError;
use crate::storage::record::{CandidateQuery, candidates};
use crate::storage::run::{self, Knowledge};
use crate::storage::touched::touched;

/// Orders and sessions that are looked at, at most.
const COMPARED_MAX: usize = 20_000;
/// How many are folded, or looked for, at a time.
const CHUNK: usize = 500;

words! {
    /// Why a record counts otherwise than before.
    pub enum RecordMove {
        /// Its day came into the window.
        Entered = "entered",
        /// Its day left the window.
        Left = "left",
        /// Facts came or were taken back, or it was excluded, or taken in again.
        Facts = "facts",
    }
}

/// A record that counts otherwise than before.
pub struct RecordChange {
    /// As the later revision knew it; as the earlier one did where it no longer counts.
    pub record: Record,
    pub before: i64,
    pub after: i64,
    pub reason: RecordMove,
}

/// Which changes of records are wanted.
#[derive(Clone, Debug)]
pub struct WantedRecordChanges {
    pub card: Wanted,
    pub since: Since,
    pub metric: Metric,
    pub side: Side,
    /// The runs of the page before, and how many changes were given.
    pub after: Option<RecordChangeCursor>,
    pub limit: usize,
}

/// Where a list of changes goes on: between which runs, and after how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordChangeCursor {
    pub old_run_id: i64,
    pub new_run_id: i64,
    pub given: usize,
}

/// A page of the records that made a count differ, the newest first.
pub struct RecordChanges {
    pub old: Published,
    pub new: Published,
    /// The count then and now: all changes together make the difference.
    pub totals: (i64, i64),
    pub changes: Vec<RecordChange>,
    pub next: Option<RecordChangeCursor>,
}

impl Source {
    pub async fn record_changes(&self, wanted: &WantedRecordChanges) -> Result<RecordChanges, ReadError> {
        let mut connection = self.connection().await?;
        let Wanted { subject, rule_set, .. } = &wanted.card;
        let (old, new) = match wanted.after {
            None => {
                let new = self.find(&mut connection, &wanted.card).await?;
                let earlier = self.earlier_run(&mut connection, &new.run, wanted.since).await?;
                let old = self.find_in(&mut connection, earlier, subject, rule_set.as_deref()).await?;
                (old, new)
            }
            Some(RecordChangeCursor { old_run_id, new_run_id, .. }) => {
                let (old, new) = (
                    self.begun_run(&mut connection, old_run_id).await?,
                    self.begun_run(&mut connection, new_run_id).await?,
                );
                let old = self.find_in(&mut connection, old, subject, rule_set.as_deref()).await?;
                (old, self.find_in(&mut connection, new, subject, rule_set.as_deref()).await?)
            }
        };
        let (before, after) =
            (Count::of(&old, wanted.metric, wanted.side)?, Count::of(&new, wanted.metric, wanted.side)?);
        let totals = (before.total(), after.total());
        let all = differing(&mut connection, (&before, old.run.run_id), (&after, new.run.run_id)).await?;
        let given = wanted.after.map_or(0, |cursor| cursor.given);
        let next = given + wanted.limit;
        let next = (all.len() > next).then_some(RecordChangeCursor {
            old_run_id: old.run.run_id,
            new_run_id: new.run.run_id,
            given: next,
        });
        let changes = all.into_iter().skip(given).take(wanted.limit).collect();
        Ok(RecordChanges { totals, changes, next, old, new })
    }
}

/// The records of two counts that differ, newest first.
async fn differing(
    connection: &mut PgConnection,
    (before, old_run): (&Count<'_>, i64),
    (after, new_run): (&Count<'_>, i64),
) -> Result<Vec<RecordChange>, ReadError> {
    let (then, now) = (run::knowledge(connection, old_run).await?, run::knowledge(connection, new_run).await?);
    let aggregates = compared(connection, (before, &then), (after, &now)).await?;
    let mut changes: Vec<RecordChange> = Vec::new();
    for chunk in aggregates.chunks(CHUNK) {
        let old = counted(connection, &then, before, chunk).await?;
        let mut new = counted(connection, &now, after, chunk).await?;
        for (key, (was, amount)) in old {
            match new.remove(&key) {
                Some((_, same)) if same == amount => {}
                Some((record, other)) => changes.push(change(record, amount, other, (before, after))),
                None => changes.push(change(was, amount, 0, (before, after))),
            }
        }
        changes.extend(new.into_values().map(|(record, amount)| change(record, 0, amount, (before, after))));
    }
    changes.sort_by(|one, other| {
        let place = |change: &RecordChange| {
            let Record { aggregate, explained, .. } = &change.record;
            (explained.tally.at, aggregate.clone(), explained.aftersale_id.clone())
        };
        place(other).cmp(&place(one))
    });
    Ok(changes)
}

fn change(record: Record, before: i64, after: i64, (old, new): (&Count<'_>, &Count<'_>)) -> RecordChange {
    let reason = match (old.span().contains(record.day), new.span().contains(record.day)) {
        (false, true) => RecordMove::Entered,
        (true, false) => RecordMove::Left,
        _ => RecordMove::Facts,
    };
    RecordChange { record, before, after, reason }
}

/// What is one record in both revisions: a case that is of another kind now counts under another measure, and as before.
type RecordKey = (Aggregate, Option<Id>);

/// The records of aggregates in a count, with their amounts.
async fn counted(
    connection: &mut PgConnection,
    knowledge: &Knowledge,
    count: &Count<'_>,
    aggregates: &[Aggregate],
) -> Result<BTreeMap<RecordKey, (Record, i64)>, StoreError> {
    let mut reader = Reader::new(connection, knowledge, count);
    let mut counted: BTreeMap<RecordKey, (Record, i64)> = BTreeMap::new();
    for record in reader.records_of(aggregates, &count.measures()).await? {
        let explained = &record.explained;
        let key = (record.aggregate.clone(), explained.aftersale_id.clone());
        let amount = record.amount;
        counted.entry(key).and_modify(|(_, sum)| *sum += amount).or_insert((record, amount));
    }
    Ok(counted)
}

/// The orders and sessions that may count otherwise.
async fn compared(
    connection: &mut PgConnection,
    (before, then): (&Count<'_>, &Knowledge),
    (after, now): (&Count<'_>, &Knowledge),
) -> Result<Vec<Aggregate>, ReadError> {
    let (old, new) = (before.span(), after.span());
    let population = after.rule.metric.definition().population;
    let mut compared: BTreeSet<Aggregate> = BTreeSet::new();
    if population == Population::QualifyingProducts || before.measures() != after.measures() {
        find(connection, before, then, old, &mut compared).await?;
        find(connection, after, now, new, &mut compared).await?;
    } else {
        for span in outside(old, new) {
            find(connection, before, then, span, &mut compared).await?;
        }
        for span in outside(new, old) {
            find(connection, after, now, span, &mut compared).await?;
        }
        let heads = (&then.heads, &now.heads);
        compared.extend(touched(connection, after.subject, heads, COMPARED_MAX + 1).await?);
    }
    if compared.len() > COMPARED_MAX {
        return Err(too_many());
    }
    Ok(compared.into_iter().collect())
}

fn too_many() -> ReadError {
    let detail = format!("more than {COMPARED_MAX} orders and sessions changed since then; name a later date");
    ReadError::Parameter("from", detail.into())
}

/// The days of a span that another one lacks.
fn outside(span: DaySpan, other: DaySpan) -> Vec<DaySpan> {
    let mut outside = Vec::new();
    if let Some(before) = other.from.pred_opt().map(|to| to.min(span.to)).filter(|to| *to >= span.from) {
        outside.push(DaySpan { from: span.from, to: before });
    }
    if let Some(after) = other.to.succ_opt().map(|from| from.max(span.from)).filter(|from| *from <= span.to) {
        outside.push(DaySpan { from: after, to: span.to });
    }
    outside
}

/// Adds the aggregates that may have a record of a count on some days.
async fn find(
    connection: &mut PgConnection,
    count: &Count<'_>,
    knowledge: &Knowledge,
    span: DaySpan,
    found: &mut BTreeSet<Aggregate>,
) -> Result<(), ReadError> {
    let (cohort, faults) = needed(&count.measures());
    let (from, until) = instants(&knowledge.calendar, span);
    let mut after = None;
    loop {
        let query = CandidateQuery {
            subject: count.subject,
            cohort: &cohort,
            faults: &faults,
            from,
            until,
            after: after.as_ref(),
            product_id: None,
            limit: CHUNK,
        };
        let places = candidates(connection, &query, &knowledge.heads).await?;
        found.extend(places.iter().map(|place| place.aggregate.clone()));
        if found.len() > COMPARED_MAX {
            return Err(too_many());
        }
        if places.len() < CHUNK {
            return Ok(());
        }
        after = places.into_iter().next_back();
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{DaySpan, outside};

    #[test]
    fn days_that_another_span_lacks_stand_before_it_and_after_it() {
        let span = |from: u32, to: u32| {
            let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a date");
            DaySpan { from: day(from), to: day(to) }
        };
        assert_eq!(outside(span(2, 11), span(1, 10)), [span(11, 11)]);
        assert_eq!(outside(span(1, 10), span(2, 11)), [span(1, 1)]);
        assert_eq!(outside(span(1, 10), span(1, 10)), []);
        assert_eq!(outside(span(1, 5), span(7, 9)), [span(1, 5)]);
        assert_eq!(outside(span(7, 9), span(1, 5)), [span(7, 9)]);
        assert_eq!(outside(span(1, 9), span(3, 4)), [span(1, 2), span(5, 9)]);
    }
}
