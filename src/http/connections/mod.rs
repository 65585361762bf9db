//! Connections: accepted up to a bound, watched while they wait, and ended when the service stops.
//!
//! [`places`] says how many there are and whose; [`activity`] what each one waits for and for how long it may;
//! [`watched`] notes what comes and goes on its socket.

mod activity;
mod bare_answer;
mod heads;
mod places;
mod watched;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use activity::{Activity, Answering, in_time};
use bare_answer::{WithProblems, written};
use places::Place;
pub(crate) use places::Places;
use watched::Watched;

use super::problem::{Kind, Problem};

/// The buffer that a request's line and headers are read into. [`super::middleware`] has the exact bound.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
/// What is kept of answers that an HTTP/2 client does not take.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Connections that wait to be accepted.
pub(crate) const BACKLOG: u32 = 1_024;
/// How long accepting pauses where the process has no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address that a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub IpAddr);

/// Raises the limit of open files as far as the process may.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// Serves until `stopped`; then takes no more requests, and returns when those under way are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, places: Places, stopped: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let builder = builder();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match places.enter(peer.ip().to_canonical()).await {
                    Some(place) => converse(&builder, stream, peer, place, &router, &graceful),
                    None => turn_away(&stream),
                },
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stopped => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// HTTP/1.1, and HTTP/2 for clients that begin with it. How long is waited for what is [`activity`]'s to say.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BUFFER_BYTES as u32)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}

/// Answers the requests of one connection.
fn converse(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: &Router,
    graceful: &GracefulShutdown,
) {
    // Answers are small and wanted at once; a socket that cannot do that works all the same.
    let _ = stream.set_nodelay(true);
    let activity = Arc::clone(place.activity());
    let stream = TokioIo::new(WithProblems::new(Watched::new(stream, Arc::clone(&activity))));
    let (router, peer, noted) = (router.clone(), Peer(peer.ip().to_canonical()), Arc::clone(&activity));
    let service = service_fn(move |request| answer(request, router.clone(), peer, &noted));
    let connection = graceful.watch(builder.serve_connection(stream, service).into_owned());
    let (task, holds) = (in_time(connection, activity), place.holder());
    let running = tokio::spawn(async move {
        let _held = place;
        match task.await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "a connection ended early"),
            None => tracing::debug!("a connection was silent for too long"),
        }
    });
    holds.run_as(running.abort_handle());
}

/// Answers a request. The connection is busy until all of the answer was taken.
fn answer(
    mut request: Request<Incoming>,
    router: Router,
    peer: Peer,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<Answering>, Infallible>> + use<> {
    let under_way = Activity::begin(activity);
    request.extensions_mut().insert(peer);
    async move {
        let response = router.oneshot(request.map(Body::new)).await?;
        Ok(response.map(|body| Answering::new(body, under_way)))
    }
}

/// Tells a client that its address holds as many connections as it may. Nobody waits for it to listen.
fn turn_away(stream: &TcpStream) {
    let detail = "this address holds as many connections as it may; close some, or use them for several requests";
    let _ = stream.try_write(&written(&Problem::new(Kind::Unavailable, detail)));
}
