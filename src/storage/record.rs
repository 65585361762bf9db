//! Finding the orders, cases and sessions behind a count, at the knowledge of a run: never by reading a whole shop.
//!
//! Every amount goes by the instant of one event of its aggregate (payment, pick-up, sign-off …), so the events of
//! those types in the window are the candidates; where an amount needs a fault (a bad review, a complaint …), only the
//! few aggregates that have one are. Candidates come from the events alone: what is derived may have moved on since.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::stripe::Heads;
use crate::domain::event::{Aggregate, AggregateKind, EventType};
use crate::domain::fields::STARS_MAX;
use crate::domain::id::Id;
use crate::domain::measure::{Cohort, faulty_stars};
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
    /// Whether to begin with the faults and look up their instants, which costs less where the window has many instants
    /// for few faults.
    pub begin_with_faults: bool,
    /// Instants from which on and before which.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub after: Option<&'a Place>,
    /// Only orders whose payment names this product.
    pub product_id: Option<&'a Id>,
    pub limit: i64,
}

fn codes(types: &[EventType]) -> String {
    types.iter().map(|event_type| event_type.code().to_string()).collect::<Vec<_>>().join(", ")
}

/// What tells the events of some types that can be a fault. The index `event_fault` has those of every type that any
/// measure calls one.
pub fn fault_condition(types: &[EventType]) -> String {
    let condition = |event_type: &EventType| {
        let code = event_type.code();
        let Some((fields, bound)) = faulty_stars(*event_type) else { return format!("type = {code}") };
        let good: Vec<String> = (bound + 1..=STARS_MAX).map(|stars| format!("'{stars}'")).collect();
        let few = |field: &&str| format!("(data ->> '{field}') not in ({})", good.join(", "));
        format!("(type = {code} and ({}))", fields.iter().map(few).collect::<Vec<_>>().join(" or "))
    };
    types.iter().map(condition).collect::<Vec<_>>().join(" or ")
}

/// What tells the events that name the creator `$1`, as the index `event_creator` finds them.
pub fn creator_condition() -> String {
    let names_creator =
        |event_type: &EventType| event_type.definition().fields.iter().any(|field| field.name == CREATOR_FIELD);
    let types: Vec<EventType> = EventType::ALL.into_iter().filter(names_creator).collect();
    format!("type in ({}) and (data ->> '{CREATOR_FIELD}') collate \"C\"", codes(&types))
}

/// The field of events' data that credits a creator.
const CREATOR_FIELD: &str = "creator_id";

/// Candidates in their order, each aggregate once for every instant. `heads` are those that the run knew.
pub async fn candidates(
    connection: &mut PgConnection,
    query: &CandidateQuery<'_>,
    heads: &Heads,
) -> Result<Vec<Place>, StoreError> {
    let by_fault = query.begin_with_faults && !query.faults.is_empty();
    let is_by_shop = query.subject.kind == SubjectKind::Shop && !by_fault;
    let sql = if is_by_shop { of_shop(query) } else { of_aggregates(query) };
    // Numbers of stripes differ: a creator's aggregates are looked at one by one further down.
    let head = match query.subject.kind {
        SubjectKind::Shop => heads.of(&query.subject.id),
        SubjectKind::Creator => i64::MAX,
    };
    let after = query.after;
    let mut statement = sqlx::query(AssertSqlSafe(sql))
        .bind(query.subject.id.as_str())
        .bind(head)
        .bind(query.from)
        .bind(query.until)
        .bind(after.map(|place| place.at))
        .bind(after.map(|place| place.aggregate.shop_id.as_str()))
        .bind(after.map(|place| place.aggregate.kind.code()))
        .bind(after.map(|place| place.aggregate.id.as_str()))
        .bind(query.product_id.map(Id::as_str))
        .bind(query.limit);
    if is_by_shop && !goes_by_promise(query) {
        let span = DaySpan { from: query.from.date_naive(), to: query.until.date_naive() };
        statement = statement.bind(span.days().collect::<Vec<NaiveDate>>());
    }
    let rows = statement.fetch_all(connection).await?;
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

/// What leaves the orders of a product, if one is wanted: their payments or descriptions name it.
fn product_condition(query: &CandidateQuery<'_>) -> String {
    if query.product_id.is_none() {
        return "and $9::text is null".to_owned();
    }
    let named_by = |types: &[EventType]| {
        format!(
            "exists (select from event as naming
                 where naming.shop_id = event.shop_id and naming.aggregate_kind = event.aggregate_kind
                   and naming.aggregate_id = event.aggregate_id and naming.type in ({})
                   and naming.data ->> 'product_id' = $9)",
            codes(types)
        )
    };
    if *query.cohort == [EventType::OrderPaid] {
        let described = named_by(&[EventType::OrderDescribed]);
        format!("and (event.data ->> 'product_id' = $9 or event.data ->> 'product_id' is null and {described})")
    } else {
        format!("and {}", named_by(&[EventType::OrderPaid, EventType::OrderDescribed]))
    }
}

/// Whether amounts count on the day of a promise, and not on that of an event.
fn goes_by_promise(query: &CandidateQuery<'_>) -> bool {
    query.cohort.iter().any(|event_type| Cohort::Promise.event_types().contains(event_type))
}

/// The instant that an event of the cohort stands for.
fn instant(query: &CandidateQuery<'_>) -> &'static str {
    if goes_by_promise(query) { "deliver_by(event.data)" } else { "event.time" }
}

fn of_shop(query: &CandidateQuery<'_>) -> String {
    let with_fault = if query.faults.is_empty() {
        String::new()
    } else {
        format!(
            "and (event.aggregate_kind, event.aggregate_id) in (
                 select aggregate_kind, aggregate_id from event where shop_id = $1 and ({}))",
            fault_condition(query.faults)
        )
    };
    let on_days = if goes_by_promise(query) { "" } else { "and (event.time at time zone 'UTC')::date = any($11)" };
    include_str!("sql/records_of_shop.sql")
        .replace("{cohort}", &codes(query.cohort))
        .replace("{at}", instant(query))
        .replace("{on_days}", on_days)
        .replace("{with_fault}", &with_fault)
        .replace("{of_product}", &product_condition(query))
}

/// The aggregates of a shop that have a fault, or all orders and sessions that ever named a creator; and of these the
/// instants in the window.
fn of_aggregates(query: &CandidateQuery<'_>) -> String {
    let condition = match query.subject.kind {
        SubjectKind::Shop => format!("shop_id = $1 collate \"C\" and ({})", fault_condition(query.faults)),
        SubjectKind::Creator => format!("{} = $1", creator_condition()),
    };
    let aggregates = format!("select distinct shop_id, aggregate_kind, aggregate_id from event where {condition}");
    include_str!("sql/records_of_aggregates.sql")
        .replace("{cohort}", &codes(query.cohort))
        .replace("{at}", instant(query))
        .replace("{aggregates}", &aggregates)
        .replace("{of_product}", &product_condition(query))
}
