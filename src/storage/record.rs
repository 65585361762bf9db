//! Finding the orders, cases and sessions behind a count, at the knowledge of a run: never by reading a whole shop.
//!
//! Every amount goes by the instant of one event of its aggregate (payment, pick-up, sign-off …). Aggregates are found by
//! their shop and the days within which they have events, or by the creators that they name; where an amount needs a fault
//! (a bad review, a complaint …), only the few that have one. Their events in the window are the candidates. They come from the
//! events alone: what is derived may have moved on since.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::aggregate::aggregate_of_row;
use super::new_aggregate::{DAY_MARKS, DayMark, LATE_LONG, LONG_DAYS, fault_bit};
use super::packed_event::{PackedEvent, unpack};
use super::stripe::Heads;
use crate::domain::event::{Aggregate, AggregateKind, EventType, Fact};
use crate::domain::id::Id;
use crate::domain::measure::is_always_fault;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::window::DaySpan;

/// Where in a list of records a candidate stands: newest first, then by shop and aggregate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub at: DateTime<Utc>,
    pub aggregate: Aggregate,
}

/// Which candidates to find.
#[derive(Clone, Debug)]
pub struct CandidateQuery<'a> {
    pub subject: &'a Subject,
    /// The types whose instants the amounts go by, all of one cohort.
    pub cohort: &'a [EventType],
    /// The types of which an aggregate must have a fault; empty for none.
    pub faults: &'a [EventType],
    /// Instants from which on and before which.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub after: Option<&'a Place>,
    /// Only orders whose payment names this product.
    pub product_id: Option<&'a Id>,
    pub limit: usize,
}

/// Those that ever named a creator.
pub(crate) const OF_CREATOR: &str = "creator_ids @> array[$1 collate \"C\"]";

/// Candidates in their order, each aggregate once for every instant. `heads` are those that the run knew.
pub async fn candidates(
    connection: &mut PgConnection,
    query: &CandidateQuery<'_>,
    heads: &Heads,
) -> Result<Vec<Place>, StoreError> {
    // What is newer than the place after which the page begins was given.
    let end = query.after.map_or(query.until, |after| query.until.min(after.at + TimeDelta::microseconds(1)));
    let (from, until) = (query.from.date_naive(), end.date_naive());
    let has_all = |mark: &DayMark| query.cohort.iter().all(|event_type| mark.types.contains(event_type));
    let Some(mark) = DAY_MARKS.into_iter().find(has_all) else {
        return Err(StoreError::Corrupt(format!("the cohort {:?}", query.cohort)));
    };
    let mut statement =
        sqlx::query(AssertSqlSafe(statement(query, &mark))).bind(query.subject.id.as_str()).bind(from).bind(until);
    let span = DaySpan { from: from - Days::new(mark.usual_days), to: until };
    let product_id = query.product_id.map(|id| id.as_str().as_bytes());
    statement = statement.bind(span.days().collect::<Vec<NaiveDate>>()).bind(product_id);
    let mut rows = statement.fetch(connection);
    let mut places = BTreeSet::new();
    while let Some(row) = rows.try_next().await? {
        let mut events = unpack(row.try_get(3)?)?;
        let head = heads.of(&Id::stored(row.try_get(0)?));
        events.retain(|one| one.seq <= head);
        for at in instants(&events, query)? {
            let oldest = places.first().filter(|_| places.len() >= query.limit);
            if oldest.is_some_and(|oldest: &Place| at < oldest.at) {
                continue;
            }
            let place = Place { at, aggregate: aggregate_of_row(&row)? };
            if query.after.is_none_or(|after| place < *after) {
                places.insert(place);
            }
            if places.len() > query.limit {
                places.pop_first();
            }
        }
    }
    Ok(places.into_iter().rev().collect())
}

/// The instants in the window that events of the cohort stand for; none where another product is wanted.
fn instants(events: &[PackedEvent<'_>], query: &CandidateQuery<'_>) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let (mut instants, mut is_of_product) = (Vec::new(), query.product_id.is_none());
    for packed in events {
        let is_of_cohort = query.cohort.iter().any(|event_type| event_type.code() == packed.type_code);
        // A payment or a description names the product; which of them counts is seen in the fold. A promise does not count
        // when it was made.
        let fact = match EventType::from_code(packed.type_code) {
            Some(EventType::OrderPaid | EventType::OrderDescribed) if !is_of_product => Some(packed.fact()?),
            Some(EventType::OrderPromised) if is_of_cohort => Some(packed.fact()?),
            _ => None,
        };
        let at = fact.as_ref().map_or(packed.time, |fact| fact.counts_at(packed.time));
        if let Some(Fact::OrderPaid { product_id, .. } | Fact::OrderDescribed { product_id, .. }) = &fact {
            is_of_product |= product_id.as_ref() == query.product_id;
        }
        if is_of_cohort && at >= query.from && at < query.until {
            instants.push(at);
        }
    }
    Ok(if is_of_product { instants } else { Vec::new() })
}

/// The aggregates of the subject that may have an event of the cohort within the days from `$2` to `$3`; some twice.
fn statement(query: &CandidateQuery<'_>, mark: &DayMark) -> String {
    let DayMark { column, late, .. } = mark;
    let bits = |types: &[EventType]| types.iter().fold(0, |bits, event_type| bits | fault_bit(event_type.code()));
    // Cases are faults themselves.
    let are_faults = query.cohort.iter().all(|event_type| is_always_fault(*event_type));
    let faults = if are_faults && query.faults.is_empty() { bits(query.cohort) } else { bits(query.faults) };
    let of_subject = match query.subject.kind {
        SubjectKind::Creator => format!("select * from aggregate where {OF_CREATOR} and $4::date[] is not null"),
        // The few that have a fault.
        SubjectKind::Shop if faults != 0 => format!(
            "select * from aggregate where shop_id = $1 collate \"C\" and faults is not null and faults & {faults} <> 0
                 and (late & {LATE_LONG} <> 0 or first_day >= ($4::date[])[1] - {LONG_DAYS})"
        ),
        // Those that began on one of the days `$4`, looked up day by day, and the few that these do not tell.
        SubjectKind::Shop => format!(
            "select kept.* from unnest($4::date[]) as day cross join lateral (
                 select * from aggregate where first_day = day and shop_id = $1 collate \"C\" offset 0) as kept
             union all
             select * from aggregate where shop_id = $1 collate \"C\" and late <> 0 and late & {} <> 0",
            late | LATE_LONG
        ),
    };
    let kind = mark.types[0].aggregate_kind().map_or(0, AggregateKind::code);
    let with_fault = if faults == 0 { String::new() } else { format!("and faults & {faults} <> 0") };
    // Events that have neither the bytes of the product's id nor anything that JSON escapes do not name it.
    format!(
        "select shop_id, aggregate_kind, aggregate_id, events from ({of_subject}) as of_subject
         where aggregate_kind = {kind} and first_day <= $3 and (last_at at time zone 'UTC')::date >= $2 {with_fault}
           and (late & {LATE_LONG} <> 0
                or ({column} >> greatest($2 - first_day, 0))
                   & ((1::bigint << least($3 - greatest(first_day, $2) + 1, 62)) - 1) <> 0)
           and ($5::bytea is null or position($5 in events) > 0 or position('\\x5c'::bytea in events) > 0)"
    )
}
