//! The binary: settings in, exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;

#[cfg(feature = "otel")]
use shopscore::cli::CommandError;
use shopscore::cli::settings::Cli;
use shopscore::cli::{Status, execute, explain, parse};
use shopscore::config::LogFormat;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

fn main() -> ExitCode {
    let cli = parse();
    #[cfg(feature = "otel")]
    let export = match shopscore::otel::Export::start() {
        Ok(export) => export,
        Err(error) => {
            explain(&CommandError::usage(format!("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: {error}")));
            return Status::Usage.into();
        }
    };
    // One filter for all: one for each layer loses events on threads that asked before whether something is enabled.
    let filter = EnvFilter::try_from_env("SHOPSCORE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let log = tracing_subscriber::registry().with(filter).with(log(&cli));
    #[cfg(feature = "otel")]
    let log = log.with(export.as_ref().map(shopscore::otel::Export::layer));
    log.init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            explain(&error.into());
            return Status::Failed.into();
        }
    };
    let code = runtime.block_on(execute(&cli)).unwrap_or_else(|error| {
        explain(&error);
        error.status.into()
    });
    // Nobody waits for what is still blocked, such as a read of standard input.
    runtime.shutdown_background();
    #[cfg(feature = "otel")]
    if let Some(export) = export {
        export.end();
    }
    code
}

/// How it is logged.
fn log<S: Subscriber + for<'span> LookupSpan<'span>>(cli: &Cli) -> Box<dyn Layer<S> + Send + Sync> {
    // Nobody may be reading any more; telling standard error so would end the process.
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match cli.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    }
}
