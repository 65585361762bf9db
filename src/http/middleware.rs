//! What surrounds every handler: request ids, logging, decompression, panics, time limits, problem bodies.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::timeout::RequestBodyTimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Level;

use super::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long a sender may be silent in the middle of a body.
const BODY_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Puts the layers around the routes. The first one listed sees a request first.
pub(crate) fn wrap(router: Router) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request| {
            let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
            tracing::debug_span!("request", method = %request.method(), path = request.uri().path(), id)
        })
        .on_response(DefaultOnResponse::new().level(Level::DEBUG))
        .on_failure(());
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(REQUEST_ID, RandomRequestId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(trace)
        .layer(CompressionLayer::new())
        .layer(from_fn(write_problem))
        .layer(CatchPanicLayer::new())
        .layer(RequestBodyTimeoutLayer::new(BODY_SILENCE_MAX))
        .layer(RequestDecompressionLayer::new());
    router.layer(layers)
}

/// Gives every error answer its problem document.
async fn write_problem(request: Request, next: Next) -> Response {
    let (uri, id) = (request.uri().clone(), request.headers().get(REQUEST_ID).cloned());
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
    if let Some(cause) = problem.cause() {
        let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::error!(id, path = uri.path(), %cause, "a request failed");
    }
    let written = serde_json::to_vec(&problem.body(status, uri.path())).unwrap_or_default();
    let mut answer = (status, Body::from(written)).into_response();
    // Allow and Retry-After stay; the headers of the body that is replaced do not.
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    let media_type = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    answer
}

/// 128 random bits in hex, where the client sent no id of its own.
#[derive(Clone, Copy)]
struct RandomRequestId;

impl MakeRequestId for RandomRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = format!("{:032x}", rand::random::<u128>());
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}
