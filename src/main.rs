//! The binary: settings in, exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use shopscore::cli::execute;
use shopscore::cli::settings::Cli;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("SHOPSCORE_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match execute(&cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shopscore: {error}");
            ExitCode::FAILURE
        }
    }
}
