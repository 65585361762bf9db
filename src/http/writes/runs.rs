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
use crate::domain::run::{DATES_MAX, InvalidRun, RunRequest, RunState, dates};
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, RequestBody};
use crate::http::page::Page;
use crate::http::param_types::{Cursor, OneOf, PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::problem_responses::{RunNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::{RunStateTerm, Term, TriggerTerm};
use crate::storage::run::{self, Requested, RunFilter, RunRow};

/// Which score dates to compute: `date` alone, or `from` and `to`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunBody {
    /// The score date, today at the latest.
    #[schema(value_type = Option<String>, format = Date)]
    pub date: Option<String>,
    /// The first of a range of score dates.
    #[schema(value_type = Option<String>, format = Date)]
    pub from: Option<String>,
    /// The last of a range of score dates, today at the latest and at most 399 days after `from`.
    #[schema(value_type = Option<String>, format = Date)]
    pub to: Option<String>,
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
    /// The key with which it was asked for; null for the daily slot, the command line, and where no keys are asked for.
    #[schema(required)]
    pub key_id: Option<String>,
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
            key_id: row.key_id.map(|id| id.to_string()),
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

/// A date whose run was under way already.
#[derive(Serialize, ToSchema)]
pub(crate) struct DateUnderWay {
    pub date: NaiveDate,
    pub run_id: String,
}

/// What became of a request for the runs of a range of dates.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunsAnswer {
    /// Queued, one for each date, from the first on.
    pub runs: Vec<WireRun>,
    /// Dates that are computed already.
    pub under_way: Vec<DateUnderWay>,
}

/// One run, or the runs of a range of dates.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum RequestedRuns {
    One(WireRun),
    Range(RunsAnswer),
}

/// The runs that a body asks for.
fn wanted(body: RunBody, key_id: Option<i32>, today: NaiveDate) -> Result<Vec<RunRequest>, Problem> {
    let invalid = |pointer: &str, code: Code, detail: &str| {
        Problem::invalid_body(vec![Fault::new(pointer, code, detail.to_owned())])
    };
    let read = |pointer: &str, text: &str| {
        let detail = format!("{} must be a date such as 2026-11-20", &pointer[1..]);
        parse_date(text).ok_or_else(|| invalid(pointer, Code::InvalidValue, &detail))
    };
    let (every, last) = match (&body.date, &body.from, &body.to) {
        (Some(date), None, None) => (vec![read("/date", date)?], "/date"),
        (None, Some(from), Some(to)) => {
            let detail = format!("to must be from or later, and at most {} days after it", DATES_MAX - 1);
            let wrong = || invalid("/to", Code::InvalidValue, &detail);
            (dates(read("/from", from)?, read("/to", to)?).ok_or_else(wrong)?, "/to")
        }
        (None, None, None) => return Err(invalid("/date", Code::MissingField, "date is required, or from and to")),
        (Some(_), _, _) => return Err(invalid("/date", Code::Contradiction, "give either date, or from and to")),
        (None, None, Some(_)) => return Err(invalid("/from", Code::MissingField, "from is required with to")),
        (None, Some(_), None) => return Err(invalid("/to", Code::MissingField, "to is required with from")),
    };
    let request = |date: NaiveDate| {
        let request = RunRequest::manual(date, body.reason.clone(), today)?;
        Ok(RunRequest { key_id, ..request })
    };
    let requests: Result<Vec<RunRequest>, InvalidRun> = every.into_iter().map(request).collect();
    requests.map_err(|error| {
        let pointer = match error {
            InvalidRun::TooEarly if last == "/to" => "/from",
            InvalidRun::TooEarly | InvalidRun::AfterToday => last,
            InvalidRun::Reason => "/reason",
        };
        invalid(pointer, Code::InvalidValue, &error.to_string())
    })
}

/// Requests a run, or the runs of a range of dates. A date that is already published gets another revision.
#[utoipa::path(
    post,
    path = "/v1/runs",
    tag = "runs",
    request_body = RunBody,
    responses(
        (status = 202, description = "Queued: the run, which `Location` names, or of a range of dates all runs.", body = RequestedRuns),
        (status = 409, description = "A run of that date is under way; `run_id` names it.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The date is after today, or the body is not valid.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_run(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<RunBody>,
) -> Result<Response, Problem> {
    let is_range = body.date.is_none();
    let requests = wanted(body, caller.key_id(), state.context.today())?;
    let now = state.context.now();
    let mut connection = state.context.store.read.acquire().await?;
    let requested = run::request_all(&mut connection, &requests, caller.actor(), now).await?;
    let mut answer = RunsAnswer { runs: Vec::new(), under_way: Vec::new() };
    for (request, requested) in requests.iter().zip(requested) {
        match requested {
            Requested::Queued(row) => answer.runs.push((*row).into()),
            Requested::UnderWay(run_id) => {
                answer.under_way.push(DateUnderWay { date: request.date, run_id: run_id.to_string() });
            }
        }
    }
    state.wake.notify_one();
    if is_range {
        return Ok((StatusCode::ACCEPTED, Json(RequestedRuns::Range(answer))).into_response());
    }
    match (answer.runs.pop(), answer.under_way.pop()) {
        (Some(run), _) => {
            let located = [(header::LOCATION, format!("/v1/runs/{}", run.run_id))];
            Ok((StatusCode::ACCEPTED, located, Json(RequestedRuns::One(run))).into_response())
        }
        (None, Some(DateUnderWay { run_id, .. })) => {
            let detail = format!("run {run_id} of this date is under way; see /v1/runs/{run_id}");
            Err(Problem::new(Kind::RunUnderWay, detail).with("run_id", run_id))
        }
        (None, None) => Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
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
