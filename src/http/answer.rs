//! Answers from published data: made once per publication and kept in memory, sent with a strong ETag, and not sent
//! twice to a client that has them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;

use crate::domain::hex::hex;

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
    /// `None` of what is not published.
    modified: Option<HeaderValue>,
}

impl Answer {
    pub fn of<T: Serialize>(body: &T, published_at: DateTime<Utc>) -> Result<Answer, Problem> {
        let modified = published_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let modified = HeaderValue::try_from(modified).map_err(|error| fault(&error))?;
        Ok(Answer { modified: Some(modified), ..Answer::undated(body)? })
    }

    /// An answer that says nothing of when it last changed.
    pub fn undated<T: Serialize>(body: &T) -> Result<Answer, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| fault(&error))?;
        let digest = hex(&Sha256::digest(&body)[..16]);
        let etag = HeaderValue::try_from(format!("\"{digest}\"")).map_err(|error| fault(&error))?;
        Ok(Answer { body: body.into(), etag, modified: None })
    }

    /// The answer for a client: `304` if it has the body. Cache-Control makes clients ask each time, so that a new
    /// revision shows at once.
    pub fn respond(&self, headers: &HeaderMap) -> Response {
        let known = self.known_tag(headers);
        let mut response = if known.is_some() {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = self.body.clone().into_response();
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        };
        let named = response.headers_mut();
        named.insert(header::ETAG, known.unwrap_or_else(|| self.etag.clone()));
        if let Some(modified) = &self.modified {
            named.insert(header::LAST_MODIFIED, modified.clone());
        }
        named.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }

    /// The tag under which a client has the body, compressed or not, if it has it.
    fn known_tag(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let compressed = compressed_tag(&self.etag);
        let candidates = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        candidates.flat_map(|value| value.split(',')).map(str::trim).find_map(|candidate| {
            let tag = candidate.trim_start_matches("W/").as_bytes();
            let matching = |known: &&HeaderValue| known.as_bytes() == tag;
            if candidate == "*" {
                Some(self.etag.clone())
            } else {
                [Some(&self.etag), compressed.as_ref()].into_iter().flatten().find(matching).cloned()
            }
        })
    }
}

fn fault(error: &dyn std::fmt::Display) -> Problem {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).caused_by(error)
}

/// The tag of an answer after compression: its bytes are others than those that the tag was made for (RFC 9110, section
/// 8.8.3.3).
pub(crate) fn compressed_tag(etag: &HeaderValue) -> Option<HeaderValue> {
    let plain = etag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{plain}-gzip\"")).ok()
}

/// The answers that are kept, each with the publication that it belongs to.
#[derive(Clone)]
pub struct AnswerCache {
    answers: moka::sync::Cache<String, (i64, Arc<Answer>)>,
    /// How often an answer was there, and how often not.
    asked: Arc<[AtomicU64; 2]>,
}

impl Default for AnswerCache {
    fn default() -> AnswerCache {
        let weigh = |path: &String, kept: &(i64, Arc<Answer>)| {
            u32::try_from(path.len() + kept.1.body.len() + ANSWER_OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        let answers = moka::sync::Cache::builder().weigher(weigh).max_capacity(KEPT_BYTES_MAX).build();
        AnswerCache { answers, asked: Arc::default() }
    }
}

impl AnswerCache {
    /// The answer that is kept for a path, if it belongs to a publication.
    pub fn get(&self, path: &str, publication: i64) -> Option<Arc<Answer>> {
        let kept = self.answers.get(path).filter(|(of, _)| *of == publication).map(|(_, kept)| kept);
        self.asked[usize::from(kept.is_none())].fetch_add(1, Ordering::Relaxed);
        kept
    }

    /// How often answers were asked for, by whether they were kept.
    pub(crate) fn asked(&self) -> [(&'static str, u64); 2] {
        let [hits, misses] = self.asked.each_ref().map(|count| count.load(Ordering::Relaxed));
        [("hit", hits), ("miss", misses)]
    }

    /// Keeps an answer, unless it is too large.
    pub fn keep(&self, path: &str, publication: i64, answer: &Arc<Answer>) {
        if answer.body.len() <= ANSWER_BYTES_MAX {
            self.answers.insert(path.to_owned(), (publication, Arc::clone(answer)));
        }
    }
}
