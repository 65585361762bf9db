//! The records behind a count.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::page::close_cursor;
use super::params::Params;
use super::problem::{Kind, Problem};
use super::reads::{Found, Wanted, begun_run, find_in, find_with};
use super::state::AppState;
use super::wire::{ScoreKey, WireWindow};
use crate::domain::event::{Aggregate, AggregateKind, Event};
use crate::domain::id::Id;
use crate::domain::metric::Metric;
use crate::scoring::records::{Count, Knowledge, Mark, Record, Side, page};
use crate::storage::record::Place;
use crate::storage::run;

/// The records behind one count of a published metric.
#[derive(Serialize, ToSchema)]
pub struct RecordsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub metric: String,
    /// `numerator` or `denominator`.
    pub side: String,
    pub window: WireWindow,
    /// The count; the amounts of all records sum to it.
    pub total: i64,
    pub items: Vec<WireRecord>,
    /// Give this as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An order, an after-sale case or a session, with what it adds to the count.
#[derive(Serialize, ToSchema)]
pub struct WireRecord {
    /// `order`, `aftersale` or `session`.
    pub kind: String,
    pub shop_id: String,
    #[schema(required)]
    pub order_id: Option<String>,
    #[schema(required)]
    pub aftersale_id: Option<String>,
    #[schema(required)]
    pub session_id: Option<String>,
    #[schema(required)]
    pub product_id: Option<String>,
    #[schema(required)]
    pub creator_id: Option<String>,
    /// The instant that the record goes by: payment, pick-up, sign-off, completion or start.
    pub time: DateTime<Utc>,
    /// Its business day, which decides in which windows it is.
    pub day: NaiveDate,
    pub amount: i64,
    /// The events that made it count.
    pub facts: Vec<WireFact>,
}

#[derive(Serialize, ToSchema)]
pub struct WireFact {
    pub event_id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub time: DateTime<Utc>,
    /// As it was sent.
    #[schema(value_type = Object)]
    pub data: Box<serde_json::value::RawValue>,
}

/// The orders, cases or sessions behind a count of a published revision, as that revision knew them, newest first.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/metrics/{metric}/records",
    tag = "scores",
    params(
        super::docs::SubjectPath,
        ("metric" = String, Path, description = "A metric of the rule set."),
        super::docs::ScoreQuery,
        ("side" = Option<String>, Query, description = "`numerator` (default) or `denominator`."),
        super::docs::PageQuery,
    ),
    responses((status = 200, description = "A page of records.", body = RecordsAnswer), ReadProblems)
)]
pub async fn get_records(
    State(state): State<AppState>,
    Path((kind, id, metric)): Path<(String, String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&state, &caller, (&kind, &id), &mut params)?;
    let side = params.word("side").unwrap_or(Side::Numerator);
    let limit = params.limit() as usize;
    let after = params.cursor(read_mark);
    params.finish()?;
    let metric = Metric::parse(&metric).ok_or_else(|| no_metric("no rule set has a metric of this name"))?;
    asked.answer(&state, || records(&state, &wanted, metric, side, after, limit)).await
}

async fn records(
    state: &AppState,
    wanted: &Wanted,
    metric: Metric,
    side: Side,
    after: Option<(i64, Mark)>,
    limit: usize,
) -> Result<Answer, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    let (found, after) = match after {
        None => (find_with(&mut connection, state, wanted).await?, None),
        Some((run_id, mark)) => {
            let row = begun_run(&mut connection, run_id, wanted.date, wanted.revision).await?;
            (find_in(&mut connection, state, row, &wanted.subject, &wanted.rule_set).await?, Some(mark))
        }
    };
    let (records, next) = page_of(&mut connection, state, &found, (metric, side), after, limit).await?;
    let count = count_of(&found, metric, side).ok_or_else(|| not_measured(&found))?;
    let calendar = state.context.calendar();
    let answer = RecordsAnswer {
        key: found.key(),
        metric: metric.id().to_owned(),
        side: side.to_string(),
        window: WireWindow::of(&count.rule.window, found.row.date),
        total: count.total(),
        items: records.into_iter().map(|record| wire_record(record, |at| calendar.day(at))).collect(),
        next_cursor: next.as_ref().map(|mark| close_cursor(&write_mark(found.row.run_id, mark))),
    };
    Answer::of(&answer, found.modified())
}

fn no_metric(detail: &str) -> Problem {
    Problem::new(Kind::MetricNotFound, format!("{detail}; see GET …/metrics for those that there are"))
}

fn not_measured(found: &Found) -> Problem {
    no_metric(&format!("the rule set {} does not measure it", found.rule_set.id))
}

fn count_of(found: &Found, metric: Metric, side: Side) -> Option<Count<'_>> {
    let index = found.rule_set.place(metric)?;
    Some(Count {
        subject: &found.subject,
        rule_set: &found.rule_set,
        rule: &found.rule_set.metrics[index],
        side,
        score_date: found.row.date,
        counts: found.card.metrics[index].count,
    })
}

/// A page of the records behind a metric's count.
pub(super) async fn page_of(
    connection: &mut PgConnection,
    state: &AppState,
    found: &Found,
    (metric, side): (Metric, Side),
    after: Option<Mark>,
    limit: usize,
) -> Result<(Vec<Record>, Option<Mark>), Problem> {
    let count = count_of(found, metric, side).ok_or_else(|| not_measured(found))?;
    let heads = run::heads(connection, found.row.run_id).await?;
    let knowledge = Knowledge { calendar: &state.context.calendar(), heads: &heads };
    Ok(page(connection, knowledge, &count, after, limit).await?)
}

/// A record on the wire; `day` tells the business day of an instant.
pub(super) fn wire_record(record: Record, day: impl Fn(DateTime<Utc>) -> NaiveDate) -> WireRecord {
    let Record { aggregate, creator_id, product_id, explained, amount } = record;
    let id = aggregate.id.to_string();
    let (kind, order_id, session_id) = match (aggregate.kind, &explained.aftersale_id) {
        (AggregateKind::Session, _) => ("session", None, Some(id)),
        (_, Some(_)) => ("aftersale", Some(id), None),
        (_, None) => ("order", Some(id), None),
    };
    WireRecord {
        kind: kind.to_owned(),
        shop_id: aggregate.shop_id.to_string(),
        order_id,
        aftersale_id: explained.aftersale_id.map(|id| id.to_string()),
        session_id,
        product_id: product_id.map(|id| id.to_string()),
        creator_id: creator_id.map(|id| id.to_string()),
        time: explained.tally.at,
        day: day(explained.tally.at),
        amount,
        facts: explained.facts.into_iter().map(wire_fact).collect(),
    }
}

fn wire_fact(event: Event) -> WireFact {
    WireFact {
        event_id: event.id.to_string(),
        event_type: event.fact.event_type().to_string(),
        time: event.time,
        // It was JSON when it was stored.
        data: serde_json::value::RawValue::from_string(event.data).unwrap_or_default(),
    }
}

/// A mark in the records of a run as a cursor carries it; ids have no commas.
fn write_mark(run_id: i64, mark: &Mark) -> String {
    let Aggregate { shop_id, kind, id } = &mark.place.aggregate;
    format!("{run_id},{},{shop_id},{},{id},{}", mark.place.at.timestamp_micros(), kind.code(), mark.given)
}

fn read_mark(text: &str) -> Option<(i64, Mark)> {
    let parts: Vec<&str> = text.split(',').collect();
    let [run_id, at, shop_id, kind, id, given] = parts[..] else { return None };
    let aggregate = Aggregate {
        shop_id: Id::parse(shop_id).ok()?,
        kind: AggregateKind::from_code(kind.parse().ok()?)?,
        id: Id::parse(id).ok()?,
    };
    let at = DateTime::from_timestamp_micros(at.parse().ok()?)?;
    Some((run_id.parse().ok()?, Mark { place: Place { at, aggregate }, given: given.parse().ok()? }))
}
