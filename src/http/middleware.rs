//! What surrounds every handler: request ids, logging, decompression, panics, time limits, problem bodies.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
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
        .layer(from_fn(accept_some_coding))
        .layer(CompressionLayer::new())
        .layer(from_fn(write_problem))
        .layer(CatchPanicLayer::new())
        .layer(RequestBodyTimeoutLayer::new(BODY_SILENCE_MAX))
        .layer(RequestDecompressionLayer::new());
    router.layer(layers)
}

/// Forgets what codings a client accepts where that is none that we have: it gets the answer unencoded. The compression
/// layer would refuse with 406, after the request was carried out.
async fn accept_some_coding(mut request: Request, next: Next) -> Response {
    if refuses_all_codings(request.headers()) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    next.run(request).await
}

/// Whether a client accepts neither gzip nor an answer without coding (RFC 9110, section 12.5.3).
fn refuses_all_codings(headers: &HeaderMap) -> bool {
    let values = || headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    if !values().any(|value| value.contains(';')) {
        return false;
    }
    let weight_of = |item: &str| {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
        let is_refused = weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0_f32));
        (coding.trim().to_ascii_lowercase(), !is_refused)
    };
    let codings: HashMap<String, bool> = values().flat_map(|value| value.split(',')).map(weight_of).collect();
    let accepts = |coding: &str| codings.get(coding).or_else(|| codings.get("*")).copied();
    let accepts_gzip = accepts("gzip") == Some(true) || accepts("x-gzip") == Some(true);
    accepts("identity") == Some(false) && !accepts_gzip
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

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::refuses_all_codings;

    #[test]
    fn only_a_client_that_names_no_coding_of_ours_refuses_all() {
        let refuses = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            refuses_all_codings(&headers)
        };
        for value in ["br, *;q=0", "identity;q=0", "br;q=1.0, identity; q=0.0", "*;q=0", "gzip;q=0, IDENTITY;Q=0.000"] {
            assert!(refuses(value), "{value}");
        }
        for value in ["", "br", "gzip, *;q=0", "identity;q=0, x-gzip;q=0.1", "*;q=0, identity;q=0.5", "*", "gzip;q=0"] {
            assert!(!refuses(value), "{value}");
        }
        assert!(!refuses_all_codings(&HeaderMap::new()));
    }
}
