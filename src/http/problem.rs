//! Errors as clients see them: RFC 9457 problem details, each kind with a stable type. The only place where failures
//! become status codes.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(crate) use super::problem_kind::Kind;
use super::terms::{CodeTerm, Term};
use crate::answers::published::{Missing, ReadError};
use crate::domain::fault::{Code, Fault};
use crate::domain::subject::Subject;
use crate::ingest::Unavailable;
use crate::storage::StoreError;

/// Seconds after which a client should try again while the database is unavailable.
const RETRY_AFTER_SECONDS: &str = "1";

/// One fault of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, or the name of a query parameter or path segment.
    pub pointer: String,
    /// Stable code for the kind of fault.
    pub(crate) code: CodeTerm,
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, code: Code, detail: impl Into<String>) -> FieldError {
        FieldError { pointer: pointer.into(), code: Term(code), detail: detail.into() }
    }
}

impl From<&Fault> for FieldError {
    fn from(fault: &Fault) -> FieldError {
        FieldError::new(fault.pointer.clone(), fault.code, fault.detail.clone())
    }
}

/// Faults whose details are part of a problem's own detail.
const DETAILS_SHOWN: usize = 10;

/// A problem on its way to the client. `instance` is added when the answer leaves.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    extra: Map<String, Value>,
    /// What the answer says beside its body.
    headers: Option<Box<HeaderMap>>,
    /// What went wrong inside; for the log alone.
    cause: Option<String>,
}

/// The body of every error answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    pub type_uri: String,
    pub title: String,
    pub status: u16,
    /// What went wrong and what to do next.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// All faults of the request, where it has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    #[serde(flatten)]
    #[schema(ignore)]
    pub extra: Map<String, Value>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), errors: Vec::new(), extra: Map::new(), headers: None, cause: None }
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.errors = errors;
        self
    }

    pub fn with_headers(mut self, headers: HeaderMap) -> Problem {
        self.headers = Some(Box::new(headers));
        self
    }

    /// Notes what went wrong inside, which the log is told with the id of the request, and the client never.
    pub fn caused_by(mut self, cause: &dyn std::fmt::Display) -> Problem {
        self.cause = Some(cause.to_string());
        self
    }

    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// A further member of the problem document.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    pub fn unknown_subject(subject: &Subject) -> Problem {
        let detail = format!("the {} {} is not registered, and no event names it", subject.kind, subject.id);
        Problem::new(Kind::SubjectNotFound, detail)
    }

    /// A body with faults, which are not none.
    pub fn invalid_body(faults: Vec<Fault>) -> Problem {
        Problem::of_faults(Kind::InvalidBody, &faults)
    }

    /// A problem that is all that several faults say.
    pub fn of_faults(kind: Kind, faults: &[Fault]) -> Problem {
        // A few are enough to read; `errors` has them all.
        let details: Vec<&str> = faults.iter().take(DETAILS_SHOWN).map(|fault| fault.detail.as_str()).collect();
        let errors = faults.iter().map(FieldError::from).collect();
        Problem::new(kind, details.join("; ")).with_errors(errors)
    }

    /// `why` there is no such metric.
    pub fn unknown_metric(why: &str) -> Problem {
        Problem::new(Kind::MetricNotFound, format!("{why}; GET …/metrics lists its metrics"))
    }

    /// Nothing has the id that a path names. `what` is the field's own word for such a thing.
    pub fn no_such(kind: Kind, what: &str, id: &str) -> Problem {
        let shown: String = id.chars().take(64).collect();
        Problem::new(kind, format!("no {what} has the id {shown:?}"))
    }

    /// One wrong query parameter or path segment.
    pub fn parameter(name: &str, code: Code, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem::new(Kind::InvalidParameter, detail.clone()).with_errors(vec![FieldError::new(name, code, detail)])
    }

    /// The URL and the headers are too large.
    pub fn head_too_large() -> Problem {
        let detail = "the URL and the headers have at most 48 KiB together; ask for fewer ids in one request";
        Problem::new(Kind::HeadersTooLarge, detail)
    }

    /// `in_chinese`: whether the client prefers Chinese.
    pub fn body(&self, status: StatusCode, instance: &str, in_chinese: bool) -> ProblemBody {
        let (title, title_zh) = self.kind.titles();
        ProblemBody {
            type_uri: format!("urn:shopscore:problem:{}", self.kind.slug()),
            title: if in_chinese { title_zh } else { title }.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            errors: self.errors.clone(),
            extra: self.extra.clone(),
        }
    }

    /// The problem that stands for a bare status, where a layer below answered without one.
    pub fn of_status(status: StatusCode) -> Problem {
        match status {
            StatusCode::NOT_FOUND => Problem::new(Kind::NotFound, "/docs lists all paths"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Problem::new(Kind::MethodNotAllowed, "/docs lists the methods of this path")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::TooLarge, "send smaller requests"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Problem::new(Kind::UnsupportedMediaType, "send plain, gzip or zstd; /docs lists the media types")
            }
            StatusCode::REQUEST_TIMEOUT => Problem::new(Kind::RequestTimeout, "send the request faster, or in parts"),
            StatusCode::SERVICE_UNAVAILABLE => Problem::from(Unavailable),
            status if status.is_client_error() => {
                Problem::new(Kind::InvalidParameter, "the path or the query cannot be read")
            }
            _ => Problem::new(Kind::Internal, "the service's log shows the cause under this response's x-request-id"),
        }
    }
}

impl IntoResponse for Problem {
    /// The status with the problem beside it; [`super::middleware`] writes the body.
    fn into_response(mut self) -> Response {
        let mut response = self.kind.status().into_response();
        if self.kind == Kind::Unavailable {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().extend(self.headers.take().map(|headers| *headers).unwrap_or_default());
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(_: Unavailable) -> Problem {
        Problem::new(Kind::Unavailable, "try again after the Retry-After seconds; nothing is counted twice")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let problem = if error.is_passing() {
            Problem::from(Unavailable)
        } else {
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        };
        problem.caused_by(&error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Missing(missing) => Problem::from(missing),
            ReadError::Parameter(name, detail) => Problem::parameter(name, Code::InvalidValue, detail),
            ReadError::Store(error) => Problem::from(error),
        }
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Problem {
        let not_published = |detail: &str| Problem::new(Kind::ScoreNotPublished, detail);
        match missing {
            Missing::Subject(subject) => Problem::unknown_subject(&subject),
            Missing::Run => not_published(
                "no run is published for this date and revision; the history (…/scores) lists the dates that are",
            ),
            Missing::CursorRun => not_published("the cursor's run no longer exists; start again with the first page"),
            Missing::AnyRun => not_published("no run is published yet"),
            Missing::EarlierRun => not_published("no earlier date is published; there is nothing to compare with"),
            Missing::Card => not_published("the subject was unknown when this run was computed"),
            Missing::FullCard => not_published(
                "the full card of this date has been removed (--card-days); its score is still in GET /v1/{kind}/{id}/scores",
            ),
            Missing::Default(kind, date) => {
                let detail = format!("no rule set for {kind}s is the default on {date}; name one with rule_set");
                Problem::new(Kind::InvalidParameter, detail)
            }
            Missing::RuleSet => not_published("this rule set was not in force when this run was computed"),
            Missing::Metric(rule_set, _) => {
                Problem::unknown_metric(&format!("the rule set {rule_set} does not have this metric"))
            }
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        Problem::from(StoreError::from(error))
    }
}

pub(crate) async fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

pub(crate) async fn no_method() -> Problem {
    Problem::of_status(StatusCode::METHOD_NOT_ALLOWED)
}
