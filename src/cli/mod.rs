//! The command line: one file for each group of commands.

mod demo;
mod key;
mod load;
mod maintain;
mod open;
pub mod serve;
pub mod settings;

use std::process::ExitCode;

use crate::domain::reference;
use crate::http;
use crate::scoring::rule_sets;
use settings::{Cli, Command, CommandError, RulesCommand};

/// Does what was asked for.
pub async fn execute(cli: &Cli) -> Result<ExitCode, CommandError> {
    match &cli.command {
        None | Some(Command::Serve) => serve::serve(cli).await,
        Some(Command::Run { date, reason }) => maintain::run(cli, *date, reason.clone()).await,
        Some(Command::Load { file }) => load::load(cli, file).await,
        Some(Command::Rebuild) => maintain::rebuild(cli).await,
        Some(Command::Verify) => maintain::verify(cli).await,
        Some(Command::Retain) => maintain::retain(cli).await,
        Some(Command::Rules { command: RulesCommand::Check { file } }) => {
            let rule_set = rule_sets::read_file(file)?;
            println!("{}: a valid rule set for {}s, version {}", rule_set.id, rule_set.kind, rule_set.hash);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Key { command }) => key::key(cli, command).await,
        Some(Command::Openapi) => {
            print!("{}", http::service::docs::yaml(&http::routes::description())?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Reference) => {
            print!("{}", reference::markdown());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Demo(settings)) => demo::demo(cli, settings).await,
    }
}
