//! What surrounds every handler: request ids, logging, decompression, panics, time limits, problem bodies.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::trace::{DefaultOnResponse, OnResponse, TraceLayer};
use tracing::field::Empty;
use tracing::{Instrument, Level, Span};

use super::addressee::check_addressee;
use super::answer::compressed_tag;
use super::auth::Caller;
use super::decoding::decode;
use super::preferences::{prefers_chinese, refuses_all_codings};
use super::problem::Problem;
use super::state::AppState;
use crate::domain::id::Id;
use crate::ingest::Unavailable;
use crate::otel::SPANS;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the layers around the routes. The first one listed sees a request first.
pub(crate) fn wrap(router: Router, state: &AppState) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request| {
            let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
            let (method, path) = (request.method(), request.uri().path());
            let span = tracing::span!(
                SPANS, "request", %method, path, id, key_id = Empty, shop_id = Empty, otel.name = Empty, otel.kind = Empty
            );
            #[cfg(feature = "otel")]
            crate::otel::continue_trace(&span, request);
            span
        })
        .on_response(|response: &Response, took: Duration, span: &Span| {
            #[cfg(feature = "otel")]
            crate::otel::note_status(span, response.status().as_u16());
            DefaultOnResponse::new().level(Level::DEBUG).on_response(response, took, span);
        })
        .on_failure(());
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), measure))
        .layer(SetRequestIdLayer::new(REQUEST_ID, RandomRequestId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(trace)
        .layer(from_fn(negotiate_coding))
        .layer(CompressionLayer::new())
        .layer(from_fn(write_problem))
        .layer(from_fn(protect))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(bound_work))
        .layer(from_fn(bound_head))
        .layer(from_fn_with_state(state.clone(), check_addressee))
        .layer(from_fn(decode));
    router.layer(layers).layer(map_request(keep_plain_id))
}

/// Counts requests by their route, with how long they took.
async fn measure(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (began, method) = (Instant::now(), request.method().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    state.telemetry.count_request(route, &method, response.status(), began.elapsed());
    response
}

/// The most characters of a request id that a client chooses.
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// Drops an id that is too long, or that does not print: it is copied into logs and answers.
async fn keep_plain_id(mut request: Request) -> Request {
    let is_plain = |id: &HeaderValue| {
        (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    if !request.headers().get(REQUEST_ID).is_some_and(is_plain) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// The most bytes of a request's line and headers.
const HEAD_BYTES_MAX: usize = 48 * 1024;
/// What a header takes beside its name and value.
const HEADER_OVERHEAD: usize = 4;

/// Refuses requests whose line and headers are too large.
async fn bound_head(request: Request, next: Next) -> Response {
    let of_headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target + of_headers.sum::<usize>() <= HEAD_BYTES_MAX {
        return next.run(request).await;
    }
    Problem::head_too_large().into_response()
}

/// Tells browsers to take answers for what they are. Pages set a policy of their own.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
    response
}

/// How long a handler may work once its body is there: as long as the database answers, it takes a fraction of that.
const WORK_MAX: Duration = Duration::from_secs(3);
/// The same for readiness, which is asked for again and again.
const READINESS_MAX: Duration = Duration::from_secs(1);
const READINESS_PATH: &str = "/readyz";
/// Events wait in a queue, which has limits of its own.
const QUEUED_PATHS: [&str; 2] = ["/v1/events", "/v1/imports"];

/// Answers where the database does not: a handler has only so long once its body is there. It is not broken off, since that
/// could leave a connection in the middle of a transaction, or lose what makes a write safe to repeat; nobody waits for it
/// any more. An answer that goes out before the body came in says that the connection closes: what is left of the body is
/// not read, and could be taken for the next request.
async fn bound_work(request: Request, next: Next) -> Response {
    if QUEUED_PATHS.contains(&request.uri().path()) {
        let (request, when_ended) = watch_body(request);
        return close_unless_ended(next.run(request).await, &when_ended);
    }
    let most = if request.uri().path() == READINESS_PATH { READINESS_MAX } else { WORK_MAX };
    let (request, mut when_ended) = watch_body(request);
    let mut work = tokio::spawn(next.run(request).instrument(Span::current()));
    let too_late = async {
        // Of a body that was dropped unread nothing more is heard.
        let _ = when_ended.wait_for(|ended| *ended).await;
        tokio::time::sleep(most).await;
    };
    let response = tokio::select! {
        done = &mut work => done.unwrap_or_else(|failure| match failure.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Problem::from(Unavailable).into_response(),
        }),
        () = too_late => Problem::from(Unavailable).into_response(),
    };
    close_unless_ended(response, &when_ended)
}

/// The request with a body that tells when all of it was read.
fn watch_body(request: Request) -> (Request, watch::Receiver<bool>) {
    let (parts, body) = request.into_parts();
    let (ended, when_ended) = watch::channel(body.is_end_stream());
    (Request::from_parts(parts, Body::new(WatchedBody { body, ended })), when_ended)
}

fn close_unless_ended(mut response: Response, when_ended: &watch::Receiver<bool>) -> Response {
    if !*when_ended.borrow() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that tells when all of it was read.
struct WatchedBody {
    body: Body,
    ended: watch::Sender<bool>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.send_replace(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the compression layer leaves open. It forgets what codings a client accepts where that is none that we have: the
/// client gets the answer unencoded, where the layer would refuse with 406 after the request was carried out. A compressed
/// answer gets an ETag of its own, and every answer with an ETag says that it depends on the coding.
async fn negotiate_coding(mut request: Request, next: Next) -> Response {
    if refuses_all_codings(request.headers()) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    let mut response = next.run(request).await;
    let is_compressed = response.headers().contains_key(header::CONTENT_ENCODING);
    let headers = response.headers_mut();
    if let Some(etag) = headers.get(header::ETAG).cloned() {
        if is_compressed && let Some(etag) = compressed_tag(&etag) {
            headers.insert(header::ETAG, etag);
        }
        headers.entry(header::VARY).or_insert(HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Gives every error answer its problem document.
async fn write_problem(request: Request, next: Next) -> Response {
    let (uri, id) = (request.uri().clone(), request.headers().get(REQUEST_ID).cloned());
    let languages: HeaderMap = request
        .headers()
        .get_all(header::ACCEPT_LANGUAGE)
        .iter()
        .cloned()
        .map(|value| (header::ACCEPT_LANGUAGE, value))
        .collect();
    let mut response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let in_chinese = prefers_chinese(&languages);
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
    if let Some(cause) = problem.cause() {
        let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        let caller = response.extensions().get::<Caller>();
        let (key_id, shop_id) = (caller.and_then(Caller::key_id), caller.and_then(Caller::only_shop).map(Id::as_str));
        tracing::error!(id, path = uri.path(), key_id, shop_id, %cause, "a request failed");
    }
    let written = serde_json::to_vec(&problem.body(status, uri.path(), in_chinese)).unwrap_or_default();
    let mut answer = (status, Body::from(written)).into_response();
    // Allow and Retry-After stay; the headers of the body that is replaced do not.
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
        .headers_mut()
        .insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(if in_chinese { "zh-CN" } else { "en" }));
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
