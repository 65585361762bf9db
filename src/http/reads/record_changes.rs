//! Which records made a metric's count differ from an earlier one.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::changes::{ChangeSide, ChangesQuery, change_side};
use super::records::{WireRecord, named_metric, wire_record};
use super::wire::ScoreKey;
use crate::answers::record_changes::{RecordChange, RecordChangeCursor, WantedRecordChanges};
use crate::answers::records::Side;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::cursor::CursorKey;
use crate::http::param_types::{Cursor, Limit, OneOf, TextSegment};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{RecordMoveTerm, SideTerm, Term};

parameters! {
    /// Which changes of records are wanted.
    pub(crate) struct RecordChangesQuery {
        between: ChangesQuery,
        /// A metric of the rule set.
        metric: TextSegment,
        /// `numerator` (default) or `denominator`.
        side: OneOf<Side>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<RecordChangeCursor>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// The records that made a count differ from what an earlier revision had.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordChangesAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub metric: String,
    pub side: SideTerm,
    pub from: ChangeSide,
    pub to: ChangeSide,
    /// The count then.
    pub total_before: i64,
    /// The count now. All differences of amounts sum to the difference of the counts.
    pub total: i64,
    pub items: Vec<WireRecordChange>,
    /// Give this as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A record that counts otherwise than before.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordChange)]
pub(crate) struct WireRecordChange {
    /// `entered`: its day came into the window. `left`: its day left the window. `facts`: facts came or were taken back, or
    /// it was excluded or taken in again.
    pub reason: RecordMoveTerm,
    /// What it added to the count then.
    pub amount_before: i64,
    /// The record as the later revision knew it, with `amount` as it counts there; where it no longer counts, as the earlier one
    /// did, with an amount of 0.
    #[serde(flatten)]
    pub record: WireRecord,
}

/// The orders, after-sale cases or sessions that made a count differ from what an earlier published revision had, newest first.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/metrics/{metric}/records/changes",
    tag = "scores",
    params(RecordChangesQuery),
    responses((status = 200, description = "A page of records.", body = RecordChangesAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn get_record_changes(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<RecordChangesQuery>,
) -> Result<Response, Problem> {
    let metric = named_metric(&query.metric)?;
    let side = query.side.0.unwrap_or(Side::Numerator);
    let Cursor { after, signer } = query.cursor;
    let (card, since) = query.between.wanted();
    let wanted = WantedRecordChanges { card, since, metric, side, after, limit: query.limit.0 };
    let make = || async {
        let found = state.source.record_changes(&wanted).await?;
        let answer = RecordChangesAnswer {
            key: ScoreKey::from(&found.new),
            metric: metric.id().to_owned(),
            side: Term(side),
            from: change_side(&found.old),
            to: change_side(&found.new),
            total_before: found.totals.0,
            total: found.totals.1,
            next_cursor: found.next.as_ref().map(|next| signer.close(next)),
            items: found.changes.into_iter().map(wire_change).collect(),
        };
        Answer::of(&answer, found.new.published_at())
    };
    asked.answer(&state, make).await
}

fn wire_change(RecordChange { record, before, after, reason }: RecordChange) -> WireRecordChange {
    let record = WireRecord { amount: after, ..wire_record(record) };
    WireRecordChange { reason: Term(reason), amount_before: before, record }
}

/// The runs, and how many were given.
impl CursorKey for RecordChangeCursor {
    fn write(&self) -> String {
        format!("{},{},{}", self.old_run_id, self.new_run_id, self.given)
    }

    fn read(text: &str) -> Option<RecordChangeCursor> {
        let parts: Vec<&str> = text.split(',').collect();
        let [old, new, given] = parts[..] else { return None };
        Some(RecordChangeCursor {
            old_run_id: old.parse().ok()?,
            new_run_id: new.parse().ok()?,
            given: given.parse().ok()?,
        })
    }
}
