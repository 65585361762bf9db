//! Traces and figures over OTLP, for operators who run an OpenTelemetry Collector.
//!
//! Nothing is sent unless `OTEL_EXPORTER_OTLP_ENDPOINT` says where to; the other `OTEL_*` variables of the standard count, too.

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderMap;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{Status, TracerProvider};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

const NAME: &str = "shopscore";
/// Where a collector is, for all that is sent or for traces alone.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// How long the last of it may take when the process ends.
const LAST_MAX: Duration = Duration::from_secs(2);

/// What sends. Figures and spans of the last seconds are sent when it ends.
pub struct Export {
    traces: SdkTracerProvider,
    figures: SdkMeterProvider,
}

impl Export {
    /// Starts to send; `None` where nobody says where to.
    pub fn start() -> Result<Option<Export>, ExporterBuildError> {
        if ENDPOINTS.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
            return Ok(None);
        }
        // The client of the exporter takes the provider of the process. Fails where it was done before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let version = concat!(env!("CARGO_PKG_VERSION"), "+", env!("SHOPSCORE_COMMIT"));
        let resource = Resource::builder()
            .with_service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| NAME.to_owned()))
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let spans = SpanExporter::builder().with_http().build()?;
        let traces = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
        let figures = MetricExporter::builder().with_http().build()?;
        let figures = SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(figures).build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_meter_provider(figures.clone());
        Ok(Some(Export { traces, figures }))
    }

    /// Takes up spans.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer().with_tracer(self.traces.tracer(NAME))
    }

    /// Sends what is left.
    pub fn end(self) {
        // Nobody may be listening any more.
        let _ = self.traces.shutdown_with_timeout(LAST_MAX);
        let _ = self.figures.shutdown_with_timeout(LAST_MAX);
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

/// The path of a request with its parameters' names.
fn route(request: &Request) -> Option<&str> {
    Some(request.extensions().get::<MatchedPath>()?.as_str())
}

/// Makes the span of a request part of the caller's trace, named as the conventions for HTTP want it.
pub(crate) fn continue_trace(span: &Span, request: &Request) {
    let caller = global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
    // Fails where nobody takes spans up.
    let _ = span.set_parent(caller);
    let name =
        route(request).map_or_else(|| request.method().to_string(), |route| format!("{} {route}", request.method()));
    span.record("otel.name", name);
    span.record("otel.kind", "server");
    span.set_attribute("http.request.method", request.method().to_string());
    if let Some(route) = route(request) {
        span.set_attribute("http.route", route.to_owned());
    }
}

/// The first status that blames the server (RFC 9110, section 15.6).
const SERVER_ERRORS: u16 = 500;

pub(crate) fn note_status(span: &Span, status: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= SERVER_ERRORS {
        span.set_status(Status::error(""));
    }
}

/// Upper bounds of durations, as the conventions for HTTP advise.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// From a request's head to its answer's head.
static REQUESTS: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let meter = global::meter(NAME);
    let histogram = meter.f64_histogram("http.server.request.duration");
    histogram.with_unit("s").with_boundaries(BOUNDS.to_vec()).build()
});
/// Events that were answered.
static EVENTS: LazyLock<Counter<u64>> =
    LazyLock::new(|| global::meter(NAME).u64_counter("shopscore.events").with_unit("{event}").build());

pub(crate) fn count_request(route: &str, method: &'static str, status: u16, took: Duration) {
    let labels = [
        KeyValue::new("http.route", route.to_owned()),
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    REQUESTS.record(took.as_secs_f64(), &labels);
}

pub(crate) fn count_events(outcome: &'static str, events: u64) {
    EVENTS.add(events, &[KeyValue::new("outcome", outcome)]);
}
