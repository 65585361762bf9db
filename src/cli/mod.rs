//! The command line: one file for each group of commands.

mod backup;
mod bi;
pub mod client;
mod connectors;
mod date_word;
mod demo;
mod documents;
mod exit;
mod export;
mod health;
mod help;
mod key;
mod key_commands;
mod maintain;
mod mcp;
mod open;
mod progress;
mod report;
mod rules;
mod run;
pub mod serve;
pub mod settings;
mod transfer;

use std::process::ExitCode;

pub use exit::{CommandError, Status};
pub use help::parse;
use settings::{Cli, Command};

/// Does what was asked for, and fails where its result could not be printed.
pub async fn execute(cli: &Cli) -> Result<ExitCode, CommandError> {
    let ends_itself = matches!(
        cli.command,
        None | Some(Command::Serve | Command::Demo(_) | Command::Load(_) | Command::Send(_) | Command::Import(_))
    );
    let code = if ends_itself {
        carry_out(cli).await?
    } else {
        let interrupted = serve::interrupted()?;
        tokio::select! {
            done = carry_out(cli) => done?,
            () = interrupted => {
                let message = "interrupted: what is done is whole, what is not is left as it was; run the command again";
                return Err(CommandError::new(Status::Interrupted, message));
            }
        }
    };
    match report::unprinted() {
        None => Ok(code),
        Some(error) => {
            Err(CommandError::failed(format!("done, but the result could not be written to standard output: {error}")))
        }
    }
}

async fn carry_out(cli: &Cli) -> Result<ExitCode, CommandError> {
    match &cli.command {
        None | Some(Command::Serve) => serve::serve(cli).await,
        Some(Command::Run(settings)) => run::run(cli, settings).await,
        Some(Command::Load(settings)) => transfer::load::load(cli, settings).await,
        Some(Command::Send(settings)) => transfer::send::send(cli, settings).await,
        Some(Command::Import(settings)) => transfer::import::import(cli, settings).await,
        Some(Command::Migrate { plan }) => maintain::migrate(cli, *plan).await,
        Some(Command::Health { url }) => health::health(cli, url.as_deref()).await,
        Some(Command::Backup { file }) => backup::backup(cli, file).await,
        Some(Command::Restore { file }) => backup::restore(cli, file).await,
        Some(Command::Rebuild) => maintain::rebuild(cli).await,
        Some(Command::Verify) => maintain::verify(cli).await,
        Some(Command::Retain) => maintain::retain(cli).await,
        Some(Command::Rules { command }) => rules::rules(cli, command).await,
        Some(Command::Export(settings)) => export::export(cli, settings).await,
        Some(Command::Bi { command }) => bi::bi(cli, command).await,
        Some(Command::Mcp(settings)) => mcp::mcp(settings).await,
        Some(Command::Connectors { command }) => connectors::connectors(cli, command),
        Some(Command::Key { command }) => key::key(cli, command).await,
        Some(Command::Demo(settings)) => demo::demo(cli, settings).await,
        Some(Command::Openapi) => documents::openapi().map(|()| Status::Done.into()),
        Some(Command::Reference { docs }) => documents::reference(docs.as_deref()).map(|()| Status::Done.into()),
        Some(Command::Man { out }) => documents::man(out.as_deref()).map(|()| Status::Done.into()),
        Some(Command::Completions { shell }) => {
            documents::completions(*shell);
            Ok(Status::Done.into())
        }
    }
}

/// Says why a command failed.
pub fn explain(error: &CommandError) {
    report::tell(format_args!("shopscore: {error}"));
}
