//! Runs: asking for one, and seeing what became of it.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::calendar::parse_date;
use crate::domain::fault::{Code, Fault};
use crate::domain::run::{InvalidRun, RunRequest, RunState};
use crate::http::json_body::{JsonBody, RequestBody};
use crate::http::page::Page;
use crate::http::param_types::{Cursor, OneOf, PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::problem_responses::{RunNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::{RunStateTerm, Term, TriggerTerm};
use crate::storage::run::{self, Requested, RunFilter, RunRow};

/// Which score date to compute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunBody {
    /// The score date, today at the latest.
    #[schema(value_type = String, format = Date)]
    pub date: String,
    pub reason: Option<String>,
}

impl RequestBody for RunBody {}

/// One computation of every subject's score for one date.
#[derive(Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct WireRun {
    pub run_id: String,
    pub date: NaiveDate,
    /// Null until published.
    #[schema(required)]
    pub revision: Option<i32>,
    pub trigger: TriggerTerm,
    pub state: RunStateTerm,
    /// Published after its slot.
    pub late: bool,
    #[schema(required)]
    pub reason: Option<String>,
    pub subjects_total: i64,
    pub subjects_done: i64,
    pub requested_at: DateTime<Utc>,
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub published_at: Option<DateTime<Utc>>,
    /// Why the run failed.
    #[schema(required)]
    pub error: Option<String>,
}

impl From<RunRow> for WireRun {
    fn from(row: RunRow) -> WireRun {
        WireRun {
            run_id: row.run_id.to_string(),
            date: row.date,
            revision: row.revision,
            trigger: Term(row.trigger),
            state: Term(row.state),
            late: row.late,
            reason: row.reason,
            subjects_total: row.subjects_total,
            subjects_done: row.subjects_done,
            requested_at: row.requested_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            published_at: row.published_at,
            error: row.error,
        }
    }
}

fn invalid(pointer: &str, detail: &str) -> Problem {
    Problem::invalid_body(vec![Fault::new(pointer, Code::InvalidValue, detail)])
}

fn pointer(error: InvalidRun) -> &'static str {
    match error {
        InvalidRun::TooEarly | InvalidRun::AfterToday => "/date",
        InvalidRun::Reason => "/reason",
    }
}

/// Requests a run. A date that is already published gets another revision.
#[utoipa::path(
    post,
    path = "/v1/runs",
    tag = "runs",
    request_body = RunBody,
    responses(
        (status = 202, description = "Queued; `Location` names it.", body = WireRun),
        (status = 409, description = "A run of that date is under way; `run_id` names it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The date is after today, or the body is not valid.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_run(
    State(state): State<AppState>,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<RunBody>,
) -> Result<Response, Problem> {
    let date = parse_date(&body.date).ok_or_else(|| invalid("/date", "date must be a date such as 2026-11-20"))?;
    let now = state.context.now();
    let request = RunRequest::manual(date, body.reason, state.context.today())
        .map_err(|error| invalid(pointer(error), &error.to_string()))?;
    let mut connection = state.context.store.read.acquire().await?;
    match run::request(&mut connection, &request, now).await? {
        Requested::Queued(row) => {
            state.wake.notify_one();
            let located = [(header::LOCATION, format!("/v1/runs/{}", row.run_id))];
            Ok((StatusCode::ACCEPTED, located, Json(WireRun::from(*row))).into_response())
        }
        Requested::UnderWay(run_id) => {
            let detail = format!("run {run_id} of this date is under way; see /v1/runs/{run_id}");
            Err(Problem::new(Kind::RunUnderWay, detail).with("run_id", run_id.to_string()))
        }
    }
}

parameters! {
    /// Which run is meant.
    pub(crate) struct RunPath {
        run_id: TextSegment,
    }
}

/// One run.
#[utoipa::path(
    get,
    path = "/v1/runs/{run_id}",
    tag = "runs",
    params(RunPath),
    responses((status = 200, description = "The run as it stands.", body = WireRun), RunNotFound)
)]
pub(crate) async fn get_run(
    State(state): State<AppState>,
    Input(RunPath { run_id }): Input<RunPath>,
) -> Result<Json<WireRun>, Problem> {
    let not_found = || Problem::no_such(Kind::RunNotFound, "run", &run_id.0);
    let number = whole_number(&run_id.0).ok_or_else(not_found)?;
    let mut connection = state.source.connection().await?;
    let row = run::get(&mut connection, number).await?.ok_or_else(not_found)?;
    drop(connection);
    if row.published_at.is_some() {
        // A client that learns here that the run is published must get its scores from here from now on.
        state.source.freshness.look().await?;
    }
    Ok(Json(row.into()))
}

parameters! {
    /// Which runs are listed.
    pub(crate) struct RunsQuery {
        date: Option<NaiveDate>,
        /// `queued`, `running`, `published` or `failed`.
        state: OneOf<RunState>,
        page: PageQuery,
    }
}

/// Lists runs, newest first.
#[utoipa::path(
    get,
    path = "/v1/runs",
    tag = "runs",
    params(RunsQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireRun>), WrongParameter)
)]
pub(crate) async fn list_runs(
    State(state): State<AppState>,
    Input(query): Input<RunsQuery>,
) -> Result<Json<Page<WireRun>>, Problem> {
    let limit = query.page.limit.0;
    let Cursor { after: before, signer } = query.page.cursor;
    let filter = RunFilter { date: query.date, state: query.state.0, before, limit: limit as i64 + 1 };
    let mut connection = state.source.connection().await?;
    Ok(Json(Page::of(run::list(&mut connection, &filter).await?, limit, &signer, |row| row.run_id)))
}
