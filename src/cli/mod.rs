//! The command line: one file for each group of commands.

mod demo;
mod health;
mod key;
mod load;
mod maintain;
mod open;
pub mod serve;
pub mod settings;

use std::path::Path;
use std::process::ExitCode;

use crate::domain::reference;
use crate::http;
use crate::http::service::pages::{Language, refreshed};
use crate::scoring::rule_sets;
use settings::{Cli, Command, CommandError, RulesCommand};

/// Does what was asked for.
pub async fn execute(cli: &Cli) -> Result<ExitCode, CommandError> {
    match &cli.command {
        None | Some(Command::Serve) => serve::serve(cli).await,
        Some(Command::Run { date, reason }) => maintain::run(cli, *date, reason.clone()).await,
        Some(Command::Load { file }) => load::load(cli, file).await,
        Some(Command::Migrate { plan }) => maintain::migrate(cli, *plan).await,
        Some(Command::Health { url }) => health::health(cli, url.as_deref()).await,
        Some(Command::Rebuild) => maintain::rebuild(cli).await,
        Some(Command::Verify) => maintain::verify(cli).await,
        Some(Command::Retain) => maintain::retain(cli).await,
        Some(Command::Rules { command: RulesCommand::Check { file } }) => {
            let rule_set = rule_sets::check_file(file)?;
            for warning in &rule_set.warnings {
                eprintln!("{}: warning: {warning}", file.display());
            }
            println!("{}: a valid rule set for {}s, version {}", rule_set.id, rule_set.kind, rule_set.hash);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Key { command }) => key::key(cli, command).await,
        Some(Command::Openapi) => {
            print!("{}", http::service::docs::yaml(&http::routes::description())?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Reference { docs: None }) => {
            print!("{}", reference::markdown());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Reference { docs: Some(directory) }) => {
            std::fs::write(directory.join("reference.md"), reference::markdown())?;
            refresh(directory, Language::English)?;
            refresh(&directory.join("zh"), Language::Chinese)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Demo(settings)) => demo::demo(cli, settings).await,
    }
}

/// Writes the generated parts of all pages of a directory anew.
fn refresh(directory: &Path, language: Language) -> Result<(), CommandError> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let page = std::fs::read_to_string(&path)?;
            let written = refreshed(&page, language).map_err(|fault| format!("{}: {fault}", path.display()))?;
            std::fs::write(&path, written)?;
        }
    }
    Ok(())
}
