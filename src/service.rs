//! The service put together: writers, the daily slot and the HTTP server as tasks of one process.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono_tz::Tz;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{RetentionSettings, SlotTimes};
use crate::domain::calendar::Calendar;
use crate::domain::rules::RuleBook;
use crate::http::answer::{AnswerCache, RunCache};
use crate::http::media::BodyBudget;
use crate::http::telemetry::Telemetry;
use crate::http::turnover::Turnover;
use crate::http::{AppState, Shared, router};
use crate::ingest::queue::IngestQueue;
use crate::ingest::{KnownSubjects, WriteContext};
use crate::scoring::book::Archive;
use crate::scoring::retention::{self, Retention, RetentionContext};
use crate::scoring::run::RunContext;
use crate::scoring::schedule::{self, DailySlot};
use crate::storage::{Store, StoreError, counting};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Counts(#[from] counting::Mismatch),
}

/// What a service is made from.
#[derive(Clone)]
pub struct Parts {
    pub store: Store,
    pub rules: Arc<RuleBook>,
    pub zone: Tz,
    pub slot: SlotTimes,
    pub retention: RetentionSettings,
    pub clock: Clock,
    /// Whether callers must show keys.
    pub auth_required: bool,
}

impl Parts {
    pub fn calendar(&self) -> Calendar {
        Calendar::new(self.zone)
    }

    pub fn write_context(&self) -> WriteContext {
        WriteContext { calendar: self.calendar(), clock: self.clock.clone(), known: KnownSubjects::default() }
    }

    pub fn run_context(&self) -> RunContext {
        let slot = DailySlot { calendar: self.calendar(), from: self.slot.from, to: self.slot.to };
        RunContext { store: self.store.clone(), rules: Arc::clone(&self.rules), clock: self.clock.clone(), slot }
    }

    pub fn retention_context(&self) -> RetentionContext {
        let RetentionSettings { card_days, event_days } = self.retention;
        RetentionContext { run: self.run_context(), retention: Retention { card_days, event_days } }
    }

    /// Brings the schema up to date and checks that the counts are what this process would make of the same events.
    pub async fn prepare(&self) -> Result<(), StartError> {
        self.store.migrate().await?;
        let mut connection = self.store.run.acquire().await.map_err(StoreError::from)?;
        Ok(counting::compare(&mut connection, self.zone).await??)
    }
}

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    pub state: AppState,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    slot: tokio::task::JoinHandle<()>,
    retention: tokio::task::JoinHandle<()>,
    turnover: tokio::task::JoinHandle<()>,
    writers: JoinSet<()>,
}

impl Service {
    /// Starts everything. `parts` have been prepared.
    pub fn start(parts: &Parts, listener: TcpListener) -> std::io::Result<Service> {
        let address = listener.local_addr()?;
        let mut writers = JoinSet::new();
        let write = parts.write_context();
        let queue = IngestQueue::start(&parts.store.ingest, &write, &mut writers);
        let wake = Arc::new(Notify::new());
        let run = parts.run_context();
        let slot = tokio::spawn(schedule::keep(run.clone(), Arc::clone(&wake)));
        let retention = tokio::spawn(retention::keep(parts.retention_context()));
        let turnover = Turnover::new(parts.store.clone());
        let looking = tokio::spawn(turnover.clone().keep());
        let state = AppState::from(Shared {
            queue,
            write,
            run,
            archive: Archive::default(),
            wake,
            bodies: BodyBudget::default(),
            event_days: parts.retention.event_days,
            auth_required: parts.auth_required,
            turnover,
            answers: AnswerCache::default(),
            runs: RunCache::default(),
            telemetry: Telemetry::default(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, router(state.clone())).with_graceful_shutdown(async {
            // A sender that is gone means the same as one that sent.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async move { server.await });
        Ok(Service { address, state, stop, server, slot, retention, turnover: looking, writers })
    }

    /// Waits until a task ends that should not.
    pub async fn failed(&mut self) {
        tokio::select! {
            _ = &mut self.server => tracing::error!("the HTTP server ended"),
            _ = &mut self.slot => tracing::error!("the daily slot ended"),
            _ = &mut self.retention => tracing::error!("the daily removal ended"),
            _ = &mut self.turnover => tracing::error!("the look-out for publications ended"),
            _ = self.writers.join_next() => tracing::error!("a writer ended"),
        }
    }

    /// Takes no more requests, answers those that came, writes what they brought.
    pub async fn stop(self) {
        // The server may have ended by itself.
        let _ = self.stop.send(());
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), self.server).await;
        if waited.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        // A run that is under way is taken over by another process, or started again by this one.
        self.slot.abort();
        // A sweep that breaks off leaves whole transactions; the next day's goes on.
        self.retention.abort();
        self.turnover.abort();
        drop(self.state);
        let mut writers = self.writers;
        let drained = async { while writers.join_next().await.is_some() {} };
        if tokio::time::timeout(std::time::Duration::from_secs(10), drained).await.is_err() {
            tracing::warn!("the writers did not end in time");
        }
    }
}
