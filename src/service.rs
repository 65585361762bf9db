//! The service put together: writers, the daily slot and the HTTP server as tasks of one process.

use std::net::SocketAddr;
use std::sync::Arc;

use hmac::KeyInit;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::access::{LastUsed, Rates};
use crate::answers::source::Source;
use crate::answers::unpack::keep_unpacking;
use crate::config::LimitSettings;
use crate::connect::connector::Connector;
use crate::context::{Context, StartError};
use crate::http::answer::AnswerCache;
use crate::http::bodies::BodyBudget;
use crate::http::connections::{self, Places};
use crate::http::cursor::SigningKey;
use crate::http::limits::Limits;
use crate::http::limits::client::Proxies;
use crate::http::remembered::{LastReady, RunFigures, SlowIntakes};
use crate::http::routes::router;
use crate::http::state::{App, AppState};
use crate::http::telemetry::Telemetry;
use crate::ingest::categories::Categories;
use crate::ingest::journal::Journal;
use crate::ingest::queue::IngestQueue;
use crate::scoring::{erasure, preview, retention, schedule};
use crate::storage::{StoreError, cursor_secret};
use crate::webhooks::endpoint::Reach;
use crate::webhooks::rejections::tell_last;
use crate::webhooks::{Hub, keep_telling};

/// Whether callers must show API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Required,
    NotAsked,
}

/// Listens on an address, ready for as many connections as this process may have.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    connections::raise_file_limit();
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(connections::BACKLOG)
}

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    pub state: AppState,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
    slot: tokio::task::JoinHandle<()>,
    previews: tokio::task::JoinHandle<()>,
    retention: tokio::task::JoinHandle<()>,
    freshness: tokio::task::JoinHandle<()>,
    unpacking: tokio::task::JoinHandle<()>,
    noting: tokio::task::JoinHandle<()>,
    telling: tokio::task::JoinHandle<()>,
    writers: JoinSet<()>,
}

impl Service {
    /// Starts everything. The context has been prepared.
    pub async fn start(
        context: &Context,
        listener: TcpListener,
        keys: Keys,
        limits: LimitSettings,
        connectors: Vec<Connector>,
    ) -> Result<Service, StartError> {
        let address = listener.local_addr()?;
        let mut connection = context.store.read.acquire().await.map_err(StoreError::from)?;
        let secret = cursor_secret::load(&mut connection).await?;
        let unusable = |_| StoreError::Corrupt("the secret of cursors".to_owned());
        let cursor_key = SigningKey::new_from_slice(&secret).map_err(unusable)?;
        drop(connection);
        let mut writers = JoinSet::new();
        let queue = IngestQueue::start(context, &mut writers);
        let wake = Arc::new(Notify::new());
        let preview = Arc::new(Notify::new());
        let previews = tokio::spawn(preview::keep_previewing(context.clone(), Arc::clone(&preview)));
        let slot = tokio::spawn(schedule::keep_slot(context.clone(), Arc::clone(&wake)));
        let erase = Arc::new(Notify::new());
        let retention = {
            let (sweeping, erasing) =
                (retention::sweep_daily(context.clone()), erasure::keep_erasing(context.clone(), Arc::clone(&erase)));
            tokio::spawn(async move { tokio::join!(sweeping, erasing).0 })
        };
        let source = Source::new(context);
        let freshness = tokio::spawn(source.freshness.clone().watch());
        let unpacking = tokio::spawn(keep_unpacking(source.clone(), context.retention.bi_days));
        let journal = Journal::default();
        let telemetry = Telemetry::new().map_err(|error| std::io::Error::other(error.to_string()))?;
        let last_used = LastUsed::default();
        let noting = {
            let (journal, telemetry, store) = (journal.clone(), telemetry.clone(), context.store.clone());
            let uses = last_used.clone().keep(context.store.clone());
            tokio::spawn(async move { tokio::join!(journal.keep(store), telemetry.keep_up(), uses).0 })
        };
        let hub = Hub::new(Reach::new(limits.webhook_allow)).map_err(std::io::Error::other)?;
        let telling = tokio::spawn(keep_telling(source.clone(), hub.clone(), queue.moved().clone()));
        let proxies = Proxies::new(limits.trusted_proxies, limits.proxy_header);
        let places = Places::new(limits.connections, proxies.clone());
        let rates = Rates { events: limits.events_per_second, requests: limits.requests_per_second };
        let state = AppState::new(App {
            context: context.clone(),
            source,
            queue,
            wake,
            preview,
            erase,
            hub,
            places: places.clone(),
            limits: Limits::new(rates, proxies),
            bodies: BodyBudget::default(),
            auth_required: keys == Keys::Required,
            last_used,
            answers: AnswerCache::default(),
            categories: Categories::default(),
            journal: journal.clone(),
            telemetry,
            run_figures: RunFigures::default(),
            readiness: LastReady::default(),
            slow_intakes: SlowIntakes::default(),
            cursor_key,
            connectors,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = router(&state);
        let server = tokio::spawn(connections::serve(listener, routes, places, async {
            // A sender that is gone means the same as one that sent.
            let _ = stopped.await;
        }));
        Ok(Service {
            address,
            state,
            stop,
            server,
            slot,
            previews,
            retention,
            freshness,
            unpacking,
            noting,
            telling,
            writers,
        })
    }

    /// Waits until a task ends that should not.
    pub async fn failed(&mut self) {
        tokio::select! {
            _ = &mut self.server => tracing::error!("the HTTP server ended"),
            _ = &mut self.slot => tracing::error!("the daily slot ended"),
            _ = &mut self.previews => tracing::error!("computing previews ended"),
            _ = &mut self.retention => tracing::error!("the daily retention, or erasing, ended"),
            _ = &mut self.freshness => tracing::error!("the watcher for publications ended"),
            _ = &mut self.unpacking => tracing::error!("unpacking metrics for analysts ended"),
            _ = &mut self.noting => tracing::error!("noting rejections and uses of keys ended"),
            _ = &mut self.telling => tracing::error!("telling webhooks ended"),
            _ = self.writers.join_next() => tracing::error!("a writer ended"),
        }
    }

    /// Takes no more requests, answers those that came, writes what they brought.
    pub async fn stop(self) {
        // Messages that are on their way arrive and are noted; those of a slow receiver are sent again by another process.
        self.state.hub.stop();
        // The server may have ended by itself.
        let _ = self.stop.send(());
        // A task that ended by itself was waited for.
        let waited = async { self.server.is_finished() || self.server.await.is_ok() };
        if tokio::time::timeout(std::time::Duration::from_secs(4), waited).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        let telling = self.telling.abort_handle();
        let told = async { self.telling.is_finished() || self.telling.await.is_ok() };
        if tokio::time::timeout(std::time::Duration::from_secs(1), told).await.is_err() {
            telling.abort();
        }
        // A run that is under way is taken over by another process, or started again by this one.
        self.slot.abort();
        self.previews.abort();
        // A sweep that breaks off leaves whole transactions; the next day's goes on.
        self.retention.abort();
        self.freshness.abort();
        self.unpacking.abort();
        self.noting.abort();
        let store = &self.state.context.store;
        let last = async {
            let rejected = tell_last(&self.state.source, &self.state.hub);
            tokio::join!(self.state.journal.write(store), self.state.last_used.write(store), rejected)
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), last).await;
        drop(self.state);
        let mut writers = self.writers;
        let drained = async { while writers.join_next().await.is_some() {} };
        if tokio::time::timeout(std::time::Duration::from_secs(3), drained).await.is_err() {
            tracing::warn!("the writers did not end in time");
        }
    }
}
