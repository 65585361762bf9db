//! A read of published data on its way to its answer: from memory, or computed.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::answer::Answer;
use super::problem::Problem;
use super::state::AppState;

/// What a client asks for, and which answers it has.
pub(crate) struct Asked {
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
    /// the answer is the same for everybody who may. What makes it is large and seldom needed, so it is set up only
    /// then.
    pub(crate) async fn answer<F>(&self, state: &AppState, make: impl FnOnce() -> F) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Answer, Problem>>,
    {
        // The publication is noted before anything else is read, so that an answer never claims a later publication
        // than it shows.
        let Some(publication) = state.source.freshness.publication() else {
            return Ok(Box::pin(make()).await?.respond(&self.headers));
        };
        let path = self.uri.path_and_query().map_or_else(|| self.uri.path(), |path| path.as_str());
        if let Some(kept) = state.answers.get(path, publication) {
            return Ok(kept.respond(&self.headers));
        }
        let made = Arc::new(Box::pin(make()).await?);
        state.answers.keep(path, publication, &made);
        Ok(made.respond(&self.headers))
    }

    /// Answers with what is made for this request alone.
    pub(crate) fn answer_once(&self, answer: &Answer) -> Response {
        answer.respond(&self.headers)
    }
}
