//! The records behind a count.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::score::CardQuery;
use super::wire::{ScoreKey, WireWindow};
use crate::answers::records::{Record, RecordFilter, RecordPlace, Side, WantedRecords};
use crate::domain::event::{Aggregate, AggregateKind, Event};
use crate::domain::id::Id;
use crate::domain::metric::Metric;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::cursor::CursorKey;
use crate::http::param_types::{Cursor, Limit, OneOf, TextSegment};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{RecordKind, RecordKindTerm, SideTerm, Term};
use crate::storage::record::Place;

parameters! {
    /// Which records are wanted.
    pub(crate) struct RecordsQuery {
        card: CardQuery,
        /// A metric of the rule set.
        metric: TextSegment,
        /// `numerator` (default) or `denominator`.
        side: OneOf<Side>,
        /// Only records of this business day.
        day: Option<NaiveDate>,
        /// Only orders of this product, and their cases.
        product_id: Option<Id>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<(i64, RecordPlace)>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// The records behind one count of a published metric.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordsAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub metric: String,
    pub side: SideTerm,
    pub window: WireWindow,
    /// The whole count; the amounts of all its records sum to it, whatever the filter.
    pub total: i64,
    pub items: Vec<WireRecord>,
    /// Give this as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An order, an after-sale case or a session, with what it adds to the count.
#[derive(Serialize, ToSchema)]
#[schema(as = Record)]
pub(crate) struct WireRecord {
    pub kind: RecordKindTerm,
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
    /// The time that dates the record: payment, pick-up, sign-off, completion or start.
    pub time: DateTime<Utc>,
    /// Its business day, which decides the windows it falls in.
    pub day: NaiveDate,
    pub amount: i64,
    /// The events that made it count.
    pub facts: Vec<WireFact>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Fact)]
pub(crate) struct WireFact {
    pub event_id: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub time: DateTime<Utc>,
    /// The event as sent.
    #[schema(value_type = Object)]
    pub data: Box<serde_json::value::RawValue>,
}

/// The orders, after-sale cases or sessions behind a count of a published revision, newest first, as that revision knew
/// them.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/metrics/{metric}/records",
    tag = "scores",
    params(RecordsQuery),
    responses((status = 200, description = "A page of records.", body = RecordsAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_records(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<RecordsQuery>,
) -> Result<Response, Problem> {
    let metric = named_metric(&query.metric)?;
    let side = query.side.0.unwrap_or(Side::Numerator);
    let Cursor { after, signer } = query.cursor;
    let (card, limit) = (query.card.wanted(), query.limit.0);
    let filter = RecordFilter { day: query.day, product_id: query.product_id };
    let wanted = WantedRecords { card, metric, side, filter, after, limit };
    let make = || async {
        let (published, page) = state.source.records(&wanted).await?;
        let next = page.next.map(|place| signer.close(&(published.run.run_id, place)));
        let answer = RecordsAnswer {
            key: ScoreKey::from(&published),
            metric: metric.id().to_owned(),
            side: Term(side),
            window: WireWindow::of(&page.window, published.run.date),
            total: page.total,
            items: page.records.into_iter().map(wire_record).collect(),
            next_cursor: next,
        };
        Answer::of(&answer, published.published_at())
    };
    asked.answer(&state, make).await
}

/// The metric of a path.
pub(super) fn named_metric(TextSegment(name): &TextSegment) -> Result<Metric, Problem> {
    Metric::parse(name).ok_or_else(|| Problem::unknown_metric("no rule set has a metric of this name"))
}

/// A record on the wire.
pub(super) fn wire_record(record: Record) -> WireRecord {
    let Record { aggregate, creator_id, product_id, explained, day, amount } = record;
    let id = aggregate.id.to_string();
    let (kind, order_id, session_id) = match (aggregate.kind, &explained.aftersale_id) {
        (AggregateKind::Session, _) => (RecordKind::Session, None, Some(id)),
        (_, Some(_)) => (RecordKind::Aftersale, Some(id), None),
        (_, None) => (RecordKind::Order, Some(id), None),
    };
    WireRecord {
        kind: Term(kind),
        shop_id: aggregate.shop_id.to_string(),
        order_id,
        aftersale_id: explained.aftersale_id.map(|id| id.to_string()),
        session_id,
        product_id: product_id.map(|id| id.to_string()),
        creator_id: creator_id.map(|id| id.to_string()),
        time: explained.tally.at,
        day,
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

/// The run in which a list was begun, and a place in it; ids have no commas.
impl CursorKey for (i64, RecordPlace) {
    fn write(&self) -> String {
        let (run_id, RecordPlace { place: Place { at, aggregate }, given }) = self;
        let Aggregate { shop_id, kind, id } = aggregate;
        format!("{run_id},{},{shop_id},{},{id},{given}", at.timestamp_micros(), kind.code())
    }

    fn read(text: &str) -> Option<(i64, RecordPlace)> {
        let parts: Vec<&str> = text.split(',').collect();
        let [run_id, at, shop_id, kind, id, given] = parts[..] else { return None };
        let aggregate = Aggregate {
            shop_id: Id::parse(shop_id).ok()?,
            kind: AggregateKind::from_code(kind.parse().ok()?)?,
            id: Id::parse(id).ok()?,
        };
        let at = DateTime::from_timestamp_micros(at.parse().ok()?)?;
        let place = RecordPlace { place: Place { at, aggregate }, given: given.parse().ok()? };
        Some((run_id.parse().ok()?, place))
    }
}
