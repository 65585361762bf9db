//! What this process counts, for Prometheus. Nothing here needs the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{
    Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    with_local_recorder,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::connect::message::Fate;
use crate::domain::fault::Code;
use crate::domain::words::Word;
use crate::ingest::queue::Depth;
use crate::storage::Store;

const REQUESTS: &str = "shopscore_http_requests_total";
const DURATION: &str = "shopscore_http_request_duration_seconds";
const EVENTS: &str = "shopscore_events_total";
const REJECTIONS: &str = "shopscore_event_rejections_total";
const PUSHED: &str = "shopscore_push_messages_total";
/// What events are answered with.
const OUTCOMES: [&str; 4] = ["accepted", "duplicate", "conflict", "rejected"];
/// How often samples are sorted.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Upper bounds of the durations that are told apart, in seconds.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// The figures that this process counts.
#[derive(Clone)]
pub struct Telemetry(Arc<Figures>);

struct Figures {
    recorder: PrometheusRecorder,
    /// Memory, processor time and open files of this process.
    process: metrics_process::Collector,
    /// By route, method and status: asked for on every request, so they are kept at hand.
    requests: RwLock<HashMap<String, ByStatus>>,
}

type ByStatus = HashMap<(&'static str, StatusCode), Requests>;

#[derive(Clone)]
struct Requests {
    count: Counter,
    duration: Histogram,
}

/// A method's name. Clients may make up others, and each would be a series of its own.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

impl Telemetry {
    pub fn new() -> Result<Telemetry, BuildError> {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &DURATION_BUCKETS)?;
        let recorder = builder.build_recorder();
        let process = metrics_process::Collector::default();
        with_local_recorder(&recorder, || {
            describe_counter!(EVENTS, "Events answered by this process, by outcome.");
            describe_counter!(REJECTIONS, "Events that this process rejected, by the code of the first fault.");
            describe_counter!(PUSHED, "Messages that platforms pushed, by connector, tag and what became of them.");
            describe_counter!(REQUESTS, "Requests answered by this process, by route, method and status.");
            describe_histogram!(DURATION, "From a request's head to its answer's head, by route and method.");
            describe_gauge!("shopscore_ingest_waiting_events", "Events that wait for a writer.");
            describe_gauge!("shopscore_ingest_unfinished_events", "Events that wait or are being written.");
            describe_counter!(
                "shopscore_ingest_groups_total",
                "Groups of events that writers committed, atomic batches aside."
            );
            describe_counter!("shopscore_ingest_group_events_total", "Events of these groups.");
            describe_gauge!("shopscore_pool_connections", "Connections to the database, by purpose and state.");
            describe_gauge!("shopscore_build_info", "1, with the version that runs.");
            gauge!("shopscore_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => env!("SHOPSCORE_COMMIT")).set(1.0);
            process.describe();
            // A series that is there before its first event shows the first one as a rise.
            OUTCOMES.iter().for_each(|outcome| counter!(EVENTS, "outcome" => *outcome).absolute(0));
            Code::MEMBERS.iter().for_each(|code| counter!(REJECTIONS, "code" => code.as_str()).absolute(0));
        });
        Ok(Telemetry(Arc::new(Figures { recorder, process, requests: RwLock::default() })))
    }

    /// Sorts what was measured into its buckets, every now and then: samples wait until somebody does.
    pub(crate) async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.0.recorder.handle().run_upkeep();
        }
    }

    /// Counts events that were answered.
    pub fn count_events(&self, outcome: &'static str, events: usize) {
        if events > 0 {
            let count = || counter!(EVENTS, "outcome" => outcome).increment(events as u64);
            with_local_recorder(&self.0.recorder, count);
            #[cfg(feature = "otel")]
            crate::otel::count_events(outcome, events as u64);
        }
    }

    /// Counts an event that was rejected.
    pub(crate) fn count_rejection(&self, code: Code) {
        with_local_recorder(&self.0.recorder, || counter!(REJECTIONS, "code" => code.as_str()).increment(1));
    }

    /// Counts messages that a platform pushed.
    pub(crate) fn count_push(&self, connector: &str, tag: &str, fate: Fate, messages: u64) {
        let labels = [("connector", connector.to_owned()), ("tag", tag.to_owned()), ("outcome", fate.to_string())];
        with_local_recorder(&self.0.recorder, || counter!(PUSHED, &labels).increment(messages));
    }

    /// Counts a request that was answered. `route` is the path with its parameters' names.
    pub(crate) fn count_request(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = known(method);
        let kept = {
            let requests = self.0.requests.read().unwrap_or_else(PoisonError::into_inner);
            requests.get(route).and_then(|of_route| of_route.get(&(method, status))).cloned()
        };
        let requests = kept.unwrap_or_else(|| self.register(route, method, status));
        requests.count.increment(1);
        requests.duration.record(took.as_secs_f64());
        #[cfg(feature = "otel")]
        crate::otel::count_request(route, method, status.as_u16(), took);
    }

    fn register(&self, route: &str, method: &'static str, status: StatusCode) -> Requests {
        let labels = || [("route", route.to_owned()), ("method", method.to_owned())];
        let requests = with_local_recorder(&self.0.recorder, || {
            let [route, method] = labels();
            Requests {
                count: counter!(REQUESTS, &[route, method, ("status", status.as_str().to_owned())]),
                duration: histogram!(DURATION, &labels()),
            }
        });
        let mut all = self.0.requests.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(route.to_owned()).or_default().insert((method, status), requests.clone());
        requests
    }

    /// Sets figures that are kept elsewhere, for this process's recorder.
    pub(crate) fn record(&self, set: impl FnOnce()) {
        with_local_recorder(&self.0.recorder, set);
    }

    /// The figures as Prometheus reads them, with those of the queue and the connections as they are now.
    pub(crate) fn render(&self, depth: &Depth, store: &Store) -> String {
        with_local_recorder(&self.0.recorder, || {
            self.0.process.collect();
            gauge!("shopscore_ingest_waiting_events").set(depth.waiting as f64);
            gauge!("shopscore_ingest_unfinished_events").set(depth.unfinished as f64);
            counter!("shopscore_ingest_groups_total").absolute(depth.groups);
            counter!("shopscore_ingest_group_events_total").absolute(depth.group_events);
            for (name, pool) in [("ingest", &store.ingest), ("read", &store.read), ("run", &store.run)] {
                let (all, idle) = (pool.size(), pool.num_idle());
                gauge!("shopscore_pool_connections", "pool" => name, "state" => "idle").set(idle as f64);
                gauge!("shopscore_pool_connections", "pool" => name, "state" => "used")
                    .set(f64::from(all) - idle as f64);
            }
        });
        self.0.recorder.handle().render()
    }
}
