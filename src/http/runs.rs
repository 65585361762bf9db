//! Runs: asking for one, and seeing what became of it.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::media;
use super::page::Page;
use super::params::Params;
use super::problem::{FieldError, Kind, Problem, ProblemBody};
use super::state::AppState;
use crate::domain::calendar::parse_date;
use crate::domain::run::{InvalidRun, RunRequest};
use crate::storage::run::{self, Requested, RunFilter, RunRow};

/// Which score date to compute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// The score date, today at the latest.
    #[schema(value_type = String, format = Date)]
    pub date: String,
    pub reason: Option<String>,
}

/// One computation of every subject's score for one date.
#[derive(Serialize, ToSchema)]
pub struct WireRun {
    pub run_id: String,
    pub date: NaiveDate,
    /// Null until published.
    #[schema(required)]
    pub revision: Option<i32>,
    /// `scheduled`, `catch_up`, `backfill` or `manual`.
    pub trigger: String,
    /// `queued`, `running`, `published` or `failed`.
    pub state: String,
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
            trigger: row.trigger.to_string(),
            state: row.state.to_string(),
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
    Problem::new(Kind::InvalidBody, detail).with_errors(vec![FieldError::new(pointer, "invalid_value", detail)])
}

fn pointer(error: InvalidRun) -> &'static str {
    match error {
        InvalidRun::TooEarly | InvalidRun::AfterToday => "/date",
        InvalidRun::Reason => "/reason",
    }
}

/// Asks for a run. A date that was published before gets a further revision.
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
pub async fn post_run(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    params.finish()?;
    let body: RunBody = media::json(&headers, body).await?;
    let date = parse_date(&body.date).ok_or_else(|| invalid("/date", "date is a date such as 2026-11-20"))?;
    let now = state.context.now();
    let request = RunRequest::manual(date, body.reason, state.context.calendar().day(now))
        .map_err(|error| invalid(pointer(error), &error.to_string()))?;
    let mut connection = state.context.store.read.acquire().await?;
    match run::request(&mut connection, &request, now).await? {
        Requested::Queued(row) => {
            state.wake.notify_one();
            let location = HeaderValue::try_from(format!("/v1/runs/{}", row.run_id));
            let mut response = (StatusCode::ACCEPTED, Json(WireRun::from(*row))).into_response();
            if let Ok(location) = location {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        Requested::UnderWay(run_id) => {
            let detail = format!("run {run_id} of this date is under way; see /v1/runs/{run_id}");
            Err(Problem::new(Kind::RunUnderWay, detail).with("run_id", run_id.to_string()))
        }
    }
}

/// One run.
#[utoipa::path(
    get,
    path = "/v1/runs/{run_id}",
    tag = "runs",
    params(("run_id" = String, Path)),
    responses(
        (status = 200, description = "The run as it stands.", body = WireRun),
        (status = 404, description = "`run-not-found`", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn get_run(
    State(state): State<AppState>,
    Path(path): Path<String>,
    params: Params,
) -> Result<Json<WireRun>, Problem> {
    params.finish()?;
    let not_found = || {
        let shown: String = path.chars().take(64).collect();
        Problem::new(Kind::RunNotFound, format!("no run has the id {shown:?}"))
    };
    let run_id = path.parse().map_err(|_| not_found())?;
    let mut connection = state.context.store.read.acquire().await?;
    let row = run::get(&mut connection, run_id).await?.ok_or_else(not_found)?;
    drop(connection);
    if row.published_at.is_some() {
        // Whoever learns here that the run is published reads its scores here from now on.
        state.turnover.look().await?;
    }
    Ok(Json(row.into()))
}

/// Runs, newest first.
#[utoipa::path(
    get,
    path = "/v1/runs",
    tag = "runs",
    params(
        ("date" = Option<NaiveDate>, Query),
        ("state" = Option<String>, Query, description = "`queued`, `running`, `published` or `failed`."),
        super::docs::PageQuery,
    ),
    responses(
        (status = 200, description = "A page, newest first.", body = Page<WireRun>),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list_runs(State(state): State<AppState>, mut params: Params) -> Result<Json<Page<WireRun>>, Problem> {
    let limit = params.limit();
    let filter = RunFilter {
        date: params.date("date"),
        state: params.word("state"),
        before: params.cursor(|key| key.parse().ok()),
        limit: limit + 1,
    };
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let page = Page::of(run::list(&mut connection, &filter).await?, limit, |row| row.run_id);
    Ok(Json(Page { items: page.items.into_iter().map(WireRun::from).collect(), next_cursor: page.next_cursor }))
}
