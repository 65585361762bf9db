//! Answers from published data: made once per publication and kept in memory, sent with a strong ETag, and not sent
//! twice to a client that has them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::AppState;
use super::problem::Problem;
use super::turnover::Turnover;
use crate::storage::StoreError;
use crate::storage::run::{self, RunRow};

/// What all kept answers may take together, in bytes.
const KEPT_BYTES_MAX: u64 = 28 * 1024 * 1024;
/// What an answer takes besides its body: path, headers, bookkeeping.
const ANSWER_OVERHEAD_BYTES: usize = 400;
/// Larger answers are not kept: they would drive out many that are asked for often.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// An answer ready to be sent.
#[derive(Debug)]
pub struct Answer {
    body: Bytes,
    etag: HeaderValue,
    modified: HeaderValue,
}

impl Answer {
    pub fn of<T: Serialize>(body: &T, modified: DateTime<Utc>) -> Result<Answer, Problem> {
        let fault =
            |error: &dyn std::fmt::Display| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error);
        let body = serde_json::to_vec(body).map_err(|error| fault(&error))?;
        let digest: String = Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{digest}\"")).map_err(|error| fault(&error))?;
        let modified = modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let modified = HeaderValue::try_from(modified).map_err(|error| fault(&error))?;
        Ok(Answer { body: body.into(), etag, modified })
    }

    /// The answer for a client: `304` if it has the body. Cache-Control makes clients ask each time, so that a new
    /// revision shows at once.
    pub fn respond(&self, headers: &HeaderMap) -> Response {
        let mut response = match self.is_known(headers) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => {
                let mut response = self.body.clone().into_response();
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
        };
        let named = response.headers_mut();
        named.insert(header::ETAG, self.etag.clone());
        named.insert(header::LAST_MODIFIED, self.modified.clone());
        named.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let etag = self.etag.as_bytes();
        let candidates = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        candidates
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/").as_bytes() == etag)
    }
}

/// The answers that are kept, each with the publication that it belongs to.
#[derive(Clone)]
pub struct AnswerCache {
    answers: moka::sync::Cache<String, (i64, Arc<Answer>)>,
}

impl Default for AnswerCache {
    fn default() -> AnswerCache {
        let weigh = |path: &String, kept: &(i64, Arc<Answer>)| {
            u32::try_from(path.len() + kept.1.body.len() + ANSWER_OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        AnswerCache { answers: moka::sync::Cache::builder().weigher(weigh).max_capacity(KEPT_BYTES_MAX).build() }
    }
}

/// The published runs that answers were last asked of, by date and revision, each with the publication at which it was
/// looked up.
#[derive(Clone)]
pub struct RunCache {
    runs: moka::sync::Cache<(Option<NaiveDate>, Option<i32>), (i64, RunRow)>,
}

/// Dates and revisions that are remembered.
const RUNS_MAX: u64 = 1_000;

impl Default for RunCache {
    fn default() -> RunCache {
        RunCache { runs: moka::sync::Cache::new(RUNS_MAX) }
    }
}

impl RunCache {
    /// The published run that answers for a date (default: the newest) and a revision (default: the newest). The
    /// connection has taken no snapshot yet: one from before the mark is read could not show the newest run.
    pub async fn published(
        &self,
        turnover: &Turnover,
        connection: &mut PgConnection,
        date: Option<NaiveDate>,
        revision: Option<i32>,
    ) -> Result<Option<RunRow>, StoreError> {
        let publication = turnover.publications();
        if let Some((of, row)) = self.runs.get(&(date, revision))
            && publication == Some(of)
        {
            return Ok(Some(row));
        }
        let row = run::published(connection, date, revision).await?;
        if let (Some(publication), Some(row)) = (publication, &row) {
            self.runs.insert((date, revision), (publication, row.clone()));
        }
        Ok(row)
    }
}

/// What a client asks for, and which answers it has.
pub struct Asked {
    uri: Uri,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked, Self::Rejection> {
        Ok(Asked { uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

impl Asked {
    /// Answers from memory, or with what `make` makes. The caller has been found to be one who may see the answer, and
    /// the answer is the same for everybody who may. What makes it is large and seldom needed, so it is set up only then.
    pub async fn answer<F>(&self, state: &AppState, make: impl FnOnce() -> F) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        // The mark is read before anything else is, so that an answer never claims a later publication than it shows.
        let Some(publication) = state.turnover.publications() else {
            return Ok(Box::pin(make()).await?.respond(&self.headers));
        };
        let path = self.uri.path_and_query().map_or_else(|| self.uri.path(), |path| path.as_str());
        if let Some((of, kept)) = state.answers.answers.get(path)
            && of == publication
        {
            return Ok(kept.respond(&self.headers));
        }
        let made = Arc::new(Box::pin(make()).await?);
        if made.body.len() <= ANSWER_BYTES_MAX {
            state.answers.answers.insert(path.to_owned(), (publication, Arc::clone(&made)));
        }
        Ok(made.respond(&self.headers))
    }

    /// Answers with what is made for this request alone.
    pub fn answer_once(&self, answer: &Answer) -> Response {
        answer.respond(&self.headers)
    }
}
