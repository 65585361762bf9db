//! What this process counts, for Prometheus.

use std::sync::Arc;

use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

/// The figures that this process counts.
#[derive(Clone)]
pub struct Telemetry(Arc<PrometheusRecorder>);

impl Default for Telemetry {
    fn default() -> Telemetry {
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        metrics::with_local_recorder(&*recorder, || {
            describe_counter!("shopscore_events_total", "Events answered by this process, by outcome.");
        });
        Telemetry(recorder)
    }
}

impl Telemetry {
    /// Counts events that were answered.
    pub fn count_events(&self, outcome: &'static str, events: usize) {
        if events > 0 {
            let count = || counter!("shopscore_events_total", "outcome" => outcome).increment(events as u64);
            metrics::with_local_recorder(&*self.0, count);
        }
    }

    /// The figures as Prometheus reads them.
    pub fn render(&self) -> String {
        self.0.handle().render()
    }
}
