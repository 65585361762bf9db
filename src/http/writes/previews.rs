//! Draft rule sets replayed over the fleet: asking for a preview.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;

use crate::domain::content::without_mark;
use crate::domain::fault::{Code, Fault};
use crate::domain::rules::{RuleSet, file};
use crate::http::auth::Caller;
use crate::http::bodies::BodyLimit;
use crate::http::media::check_toml;
use crate::http::param_types::RuleSetId;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::previews::WirePreview;
use crate::http::state::AppState;
use crate::scoring::preview::{self, Asked};

/// The most bytes of a rule file.
const BYTES_MAX: usize = 256 * 1024;

/// A rule file, valid.
pub(crate) struct Draft(RuleSet);

impl FromRequest<AppState> for Draft {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Draft, Problem> {
        check_toml(request.headers())?;
        let key_id = request.extensions().get::<Caller>().and_then(Caller::key_id);
        let limit = BodyLimit { bytes: BYTES_MAX, weight: 2, key_id };
        let (bytes, _room) = state.bodies.read(request.into_body(), limit).await?;
        let text = std::str::from_utf8(without_mark(&bytes));
        let text = text.map_err(|_| Problem::new(Kind::UnreadableBody, "the body is not UTF-8"))?;
        let fault = |fault: file::RuleFault| {
            let detail = fault.to_string();
            Fault::new(format!("/line/{}", fault.line), Code::InvalidValue, detail)
        };
        let parsed = file::parse(text);
        parsed.map(Draft).map_err(|faults| Problem::invalid_body(faults.into_iter().map(fault).collect()))
    }
}

parameters! {
    /// Against what a draft is held.
    pub(crate) struct PreviewQuery {
        /// Score date, not after today; default the newest published one. The counts are those of the moment.
        date: Option<NaiveDate>,
        /// The rule set that the draft is held against; default the one in force for its kind on the date.
        against: RuleSetId,
    }
}

/// Replays a draft rule set over all subjects of its kind. Nothing is published. Previews wait for each other and for runs.
#[utoipa::path(
    post,
    path = "/v1/previews",
    tag = "previews",
    params(PreviewQuery),
    request_body(content = String, content_type = "application/toml", description = "The draft: a rule file."),
    responses(
        (status = 202, description = "Queued.", body = WirePreview),
        (status = 400, description = "A parameter is wrong or unknown, or the body is not text.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`too-many-previews`: too many wait already.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The draft has faults; the pointer of each names its line, such as `/line/12`.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn post_preview(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<PreviewQuery>,
    Draft(draft): Draft,
) -> Result<Response, Problem> {
    let against = query.against.0.as_deref();
    let row = match preview::ask(&state.context, &draft, query.date, against, caller.actor()).await? {
        Asked::Queued(row) => row,
        Asked::NoDate => {
            let detail = "nothing is published yet; name a date";
            return Err(Problem::parameter("date", Code::InvalidValue, detail));
        }
        Asked::Future => {
            return Err(Problem::parameter("date", Code::InvalidValue, "date must not be after today"));
        }
        Asked::UnknownRules(known) => {
            let detail = format!("against must be a rule set for {}s: {}", draft.kind, known.join(", "));
            return Err(Problem::parameter("against", Code::InvalidValue, detail));
        }
        Asked::TooMany(most) => {
            let detail = format!("{most} previews wait or are computed; wait for one to end");
            return Err(Problem::new(Kind::TooManyPreviews, detail));
        }
    };
    state.preview.notify_one();
    let located = [(header::LOCATION, format!("/v1/previews/{}", row.preview_id))];
    Ok((StatusCode::ACCEPTED, located, Json(WirePreview::of(*row)?)).into_response())
}
