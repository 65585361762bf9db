//! The binary: settings in, exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;

use shopscore::cli::settings::Cli;
use shopscore::cli::{Status, execute, explain, parse};
use shopscore::config::LogFormat;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = parse();
    start_log(&cli);
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
    code
}

fn start_log(cli: &Cli) {
    let filter = EnvFilter::try_from_env("SHOPSCORE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    // Nobody may be reading any more; telling standard error so would end the process.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match cli.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
}
