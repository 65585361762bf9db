//! The binary: settings in, exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use shopscore::cli::execute;
use shopscore::cli::settings::Cli;
use shopscore::config::LogFormat;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("SHOPSCORE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    // Nobody may be reading any more; telling standard error so would end the process.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match cli.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    match execute(&cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shopscore: {error}");
            ExitCode::FAILURE
        }
    }
}
