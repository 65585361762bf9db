//! Spans of what this program does, and what sends them to an OpenTelemetry Collector where it is built in (feature `otel`).

#[cfg(feature = "otel")]
mod export;

use tracing::Level;

#[cfg(feature = "otel")]
pub use export::Export;
#[cfg(feature = "otel")]
pub(crate) use export::{continue_trace, count_events, count_request, note_status};

/// The level of spans. Those that nobody takes up cost nothing; a collector wants them whatever is logged.
pub(crate) const SPANS: Level = if cfg!(feature = "otel") { Level::INFO } else { Level::DEBUG };
