//! Connections: accepted up to a bound, read within limits, and ended when the service stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::bare_answer::WithProblems;

/// The buffer that a request's line and headers are read into. [`super::middleware`] has the exact bound.
const HEAD_BUFFER_BYTES: usize = 64 * 1024;
/// How long a connection may wait for the headers of its next request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted.
pub(crate) const BACKLOG: u32 = 1_024;
/// The most connections at a time, where there are files enough.
const CONNECTIONS_MAX: usize = 10_000;
/// Open files that are not connections of clients: those to the database, logs, libraries.
const FILES_RESERVED: usize = 128;
/// How long accepting pauses where the process has no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Raises the limit of open files as far as the process may.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// How many connections the limit of open files allows.
fn connections_max() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    files.saturating_sub(FILES_RESERVED).clamp(16, CONNECTIONS_MAX)
}

/// Serves until `stopped`; then takes no more requests, and returns when those under way are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, stopped: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(connections_max()));
    let graceful = GracefulShutdown::new();
    let accepting = async {
        loop {
            let place = Arc::clone(&connections).acquire_owned().await;
            match (listener.accept().await, place) {
                (Ok((stream, _)), Ok(place)) => converse(stream, place, &router, &graceful),
                (Err(error), _) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (_, Err(_)) => return,
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

/// Answers the requests of one connection.
fn converse(stream: TcpStream, place: OwnedSemaphorePermit, router: &Router, graceful: &GracefulShutdown) {
    // Answers are small and wanted at once; a socket that cannot do that works all the same.
    let _ = stream.set_nodelay(true);
    let service = router.clone().map_request(|request: Request<Incoming>| request.map(Body::new));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BUFFER_BYTES)
        .serve_connection(TokioIo::new(WithProblems::new(stream)), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(place);
    });
}
