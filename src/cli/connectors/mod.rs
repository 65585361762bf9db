//! `shopscore connectors`: ways in for what platforms push.

pub(super) mod commands;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use self::commands::ConnectorsCommand;
use super::exit::{CommandError, Status};
use super::report::show;
use super::settings::Cli;
use crate::connect::connector::Connector;
use crate::connect::file::{self, Secrets};

/// Secrets in this process's environment, and in files.
struct Surroundings;

impl Secrets for Surroundings {
    fn of_variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn of_file(&self, path: &str) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// The connectors of `--connectors`; none where it is not given.
pub(super) fn load(path: Option<&Path>) -> Result<Vec<Connector>, CommandError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| CommandError::input(format!("cannot read {shown}: {error}")))?;
    file::parse(&text, &Surroundings).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        CommandError::input(format!("{shown} is not a sound file of connectors:\n{}", faults.join("\n")))
    })
}

#[derive(Serialize)]
struct Checked {
    connectors: Vec<CheckedConnector>,
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.connectors.iter().map(|one| format!("{:<20} {:<10} POST {}", one.id, one.platform, one.path));
        formatter.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

#[derive(Serialize)]
struct CheckedConnector {
    id: String,
    platform: &'static str,
    path: String,
}

pub(super) fn connectors(cli: &Cli, command: &ConnectorsCommand) -> Result<ExitCode, CommandError> {
    let ConnectorsCommand::Check { file } = command;
    let connectors = load(Some(file))?;
    let checked = |connector: &Connector| CheckedConnector {
        id: connector.id.clone(),
        platform: connector.platform(),
        path: format!("/v1/push/{}", connector.id),
    };
    show(&Checked { connectors: connectors.iter().map(checked).collect() }, cli.form());
    Ok(Status::Done.into())
}
