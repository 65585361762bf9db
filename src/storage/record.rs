//! Finding the orders, cases and sessions behind a count, at the knowledge of a run: never by reading a whole shop.
//!
//! Every amount goes by the instant of one event of its aggregate (payment, pick-up, sign-off …), so the events of those
//! types in the window are the candidates; where an amount needs a fault (a bad review, a complaint …), only the few
//! aggregates that have one are. Candidates come from the events alone: what is derived may have moved on since.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::stripe::stripe_of;
use crate::domain::event::{Aggregate, AggregateKind, EventType};
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
    /// The types whose instants the amounts go by.
    pub cohort: &'a [EventType],
    /// The types of which an aggregate must have a fault; empty for none.
    pub faults: &'a [EventType],
    /// Whether to begin with the faults and look up their instants, which costs less where the window has many instants
    /// for few faults.
    pub begin_with_faults: bool,
    /// Instants from which on and before which.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub after: Option<&'a Place>,
    /// Only orders of this product.
    pub product_id: Option<&'a Id>,
    pub limit: i64,
}

fn codes(types: &[EventType]) -> String {
    types.iter().map(|event_type| event_type.code().to_string()).collect::<Vec<_>>().join(", ")
}

/// What tells the events of a type that can be a fault, as the index `event_fault` says it.
fn fault(event_type: EventType) -> String {
    match event_type {
        EventType::ReviewPosted => "(type = 7 and ((data ->> 'product_stars') not in ('4', '5') \
             or (data ->> 'service_stars') not in ('4', '5')))"
            .to_owned(),
        EventType::SessionRated => "(type = 18 and (data ->> 'stars') not in ('4', '5'))".to_owned(),
        other => format!("type = {}", other.code()),
    }
}

/// Candidates in their order, each aggregate once for every instant. `heads` are the stripes' heads that the run knew.
pub async fn candidates(
    connection: &mut PgConnection,
    query: &CandidateQuery<'_>,
    heads: &[i64],
) -> Result<Vec<Place>, StoreError> {
    let sql = match query.subject.kind {
        SubjectKind::Shop if query.begin_with_faults && !query.faults.is_empty() => of_faults(query),
        SubjectKind::Shop => of_shop(query),
        SubjectKind::Creator => of_creator(query),
    };
    // Numbers of stripes differ: a creator's aggregates are looked at one by one further down.
    let head = match query.subject.kind {
        SubjectKind::Shop => head_of(heads, &query.subject.id),
        SubjectKind::Creator => i64::MAX,
    };
    let after = query.after;
    let span = DaySpan { from: query.from.date_naive(), to: query.until.date_naive() };
    let days: Vec<NaiveDate> = span.days().collect();
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(query.subject.id.as_str())
        .bind(head)
        .bind(query.from)
        .bind(query.until)
        .bind(days)
        .bind(after.map(|place| place.at))
        .bind(after.map(|place| place.aggregate.shop_id.as_str()))
        .bind(after.map(|place| place.aggregate.kind.code()))
        .bind(after.map(|place| place.aggregate.id.as_str()))
        .bind(query.product_id.map(Id::as_str))
        .bind(query.limit)
        .fetch_all(connection)
        .await?;
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let (shop_id, kind, id): (&str, i16, &str) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let kind = AggregateKind::from_code(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("aggregate kind {kind} of shop {shop_id}")))?;
        let aggregate = Aggregate { shop_id: Id::stored(shop_id), kind, id: Id::stored(id) };
        places.push(Place { at: row.try_get(0)?, aggregate });
    }
    Ok(places)
}

/// The head that a run knew of a shop's stripe.
pub fn head_of(heads: &[i64], shop_id: &Id) -> i64 {
    heads.get(stripe_of(shop_id) as usize).copied().unwrap_or_default()
}

const ORDER: &str = "order by 1 desc, 2 desc, 3 desc, 4 desc limit $11";
const AFTER: &str = "($6::timestamptz is null
    or (event.time, event.shop_id, event.aggregate_kind, event.aggregate_id) < ($6, $7, $8, $9))";
const OF_PRODUCT: &str = "($10::text is null or event.data ->> 'product_id' = $10)";

fn of_shop(query: &CandidateQuery<'_>) -> String {
    let has_fault = match query.faults.is_empty() {
        true => String::new(),
        false => format!(
            "and (event.aggregate_kind, event.aggregate_id) in (
                 select aggregate_kind, aggregate_id from event where shop_id = $1 and ({}))",
            faults(query)
        ),
    };
    format!(
        "select distinct event.time, event.shop_id, event.aggregate_kind, event.aggregate_id from event
         where event.shop_id = $1 collate \"C\" and event.type in ({cohort}) and event.seq <= $2
           and (event.time at time zone 'UTC')::date = any($5)
           and event.time >= $3 and event.time < $4
           and {AFTER} and {OF_PRODUCT} {has_fault}
         {ORDER}",
        cohort = codes(query.cohort),
    )
}

/// What tells the faults that a query asks for.
fn faults(query: &CandidateQuery<'_>) -> String {
    query.faults.iter().map(|event_type| fault(*event_type)).collect::<Vec<_>>().join(" or ")
}

/// The aggregates of the shop that have a fault, and of these the instants in the window.
fn of_faults(query: &CandidateQuery<'_>) -> String {
    let faulty = format!(
        "select distinct shop_id, aggregate_kind, aggregate_id from event
         where shop_id = $1 collate \"C\" and ({})",
        faults(query)
    );
    of_aggregates(query, &faulty)
}

/// All orders and sessions that ever named the creator, and of these the instants in the window.
fn of_creator(query: &CandidateQuery<'_>) -> String {
    let named = "select distinct shop_id, aggregate_kind, aggregate_id from event
                 where type in (1, 16) and (data ->> 'creator_id') collate \"C\" = $1";
    of_aggregates(query, named)
}

/// The instants in the window of some aggregates, read by key.
fn of_aggregates(query: &CandidateQuery<'_>, aggregates: &str) -> String {
    format!(
        "with named as materialized ({aggregates})
         select distinct event.time, event.shop_id, event.aggregate_kind, event.aggregate_id
         from named cross join lateral (
             select time, shop_id, aggregate_kind, aggregate_id, data from event
             where event.shop_id = named.shop_id and event.aggregate_kind = named.aggregate_kind
               and event.aggregate_id = named.aggregate_id and event.type in ({cohort}) and event.seq <= $2
               and event.time >= $3 and event.time < $4 and $5::date[] is not null
             offset 0
         ) event
         where {AFTER} and {OF_PRODUCT}
         {ORDER}",
        cohort = codes(query.cohort),
    )
}
