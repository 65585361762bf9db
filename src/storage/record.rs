//! Finding the orders, cases and sessions behind a count, at the knowledge of a run: never by reading a whole shop.
//!
//! Every amount goes by the instant of one event of its aggregate (payment, pick-up, sign-off …). Aggregates are found by
//! their shop and the days within which they have events, or by the creators that they name; where an amount needs a fault
//! (a bad review, a complaint …), only the few that have one. Their events in the window are the candidates. They come from the
//! events alone: what is derived may have moved on since.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Utc};
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::aggregate::aggregate_of_row;
use super::new_aggregate::fault_bit;
use super::packed_event::{PackedEvent, unpack};
use super::stripe::Heads;
use crate::domain::event::{Aggregate, EventType, Fact};
use crate::domain::id::Id;
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

/// Those of a shop: with events on the days, named one by one so that the index by day is used, or going on for long.
const OF_SHOP: &str = "shop_id = $1 collate \"C\" and (first_day = any($4) or is_long)";

/// Those that ever named a creator.
pub(crate) const OF_CREATOR: &str = "creator_ids @> array[$1 collate \"C\"]";

/// Whatever is not long began at most so many days before any of its events; the column `is_long` says what is.
const LONG_DAYS: u64 = 45;

/// Candidates in their order, each aggregate once for every instant. `heads` are those that the run knew.
pub async fn candidates(
    connection: &mut PgConnection,
    query: &CandidateQuery<'_>,
    heads: &Heads,
) -> Result<Vec<Place>, StoreError> {
    let (from, until) = (query.from.date_naive(), query.until.date_naive());
    let mut statement =
        sqlx::query(AssertSqlSafe(statement(query))).bind(query.subject.id.as_str()).bind(query.from).bind(until);
    if query.subject.kind == SubjectKind::Shop {
        let span = DaySpan { from: from - Days::new(LONG_DAYS), to: until };
        statement = statement.bind(span.days().collect::<Vec<NaiveDate>>());
    }
    let mut rows = statement.fetch(connection);
    let mut places = BTreeSet::new();
    while let Some(row) = rows.try_next().await? {
        let aggregate = aggregate_of_row(&row)?;
        let mut events = unpack(&aggregate, row.try_get(3)?)?;
        let head = heads.of(&aggregate.shop_id);
        events.retain(|one| one.seq <= head);
        for at in instants(&aggregate, &events, query)? {
            let place = Place { at, aggregate: aggregate.clone() };
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
fn instants(
    aggregate: &Aggregate,
    events: &[PackedEvent<'_>],
    query: &CandidateQuery<'_>,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let (mut instants, mut is_of_product) = (Vec::new(), query.product_id.is_none());
    for packed in events {
        let is_of_cohort = query.cohort.iter().any(|event_type| event_type.code() == packed.type_code);
        // A payment or a description names the product; which of them counts is seen in the fold. A promise counts at the
        // moment that it names.
        let fact = match EventType::from_code(packed.type_code) {
            Some(EventType::OrderPaid | EventType::OrderDescribed) if !is_of_product => {
                Some(packed.event(aggregate)?.fact)
            }
            Some(EventType::OrderPromised) if is_of_cohort => Some(packed.event(aggregate)?.fact),
            _ => None,
        };
        let at = match &fact {
            Some(Fact::OrderPromised { deliver_by }) => *deliver_by,
            _ => packed.time,
        };
        if let Some(Fact::OrderPaid { product_id, .. } | Fact::OrderDescribed { product_id, .. }) = &fact {
            is_of_product |= product_id.as_ref() == query.product_id;
        }
        if is_of_cohort && at >= query.from && at < query.until {
            instants.push(at);
        }
    }
    Ok(if is_of_product { instants } else { Vec::new() })
}

fn statement(query: &CandidateQuery<'_>) -> String {
    let of_subject = match query.subject.kind {
        SubjectKind::Shop => OF_SHOP,
        SubjectKind::Creator => OF_CREATOR,
    };
    let with_fault = if query.faults.is_empty() {
        String::new()
    } else {
        let wanted = query.faults.iter().fold(0, |bits, event_type| bits | fault_bit(event_type.code()));
        format!("and faults is not null and faults & {wanted} <> 0")
    };
    format!(
        "select shop_id, aggregate_kind, aggregate_id, events from aggregate
         where {of_subject} and first_day <= $3 and last_at >= $2 {with_fault}"
    )
}
