//! `shopscore rules`: files of rule sets.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::exit::{CommandError, Status};
use super::report::{show, tell};
use super::settings::Cli;
use crate::scoring::rule_sets;

/// A valid rule set.
#[derive(Serialize)]
struct Checked {
    id: String,
    kind: &'static str,
    version: String,
    warnings: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { id, kind, version, .. } = self;
        write!(formatter, "{id}: a valid rule set for {kind}s, version {version}")
    }
}

pub(super) fn check(cli: &Cli, file: &Path) -> Result<ExitCode, CommandError> {
    let rule_set = rule_sets::check_file(file).map_err(|error| CommandError::input(error.to_string()))?;
    for warning in &rule_set.warnings {
        tell(format_args!("{}: warning: {warning}", file.display()));
    }
    let (id, kind, version) = (rule_set.id.clone(), rule_set.kind.as_str(), rule_set.hash.clone());
    let warnings = rule_set.warnings.iter().map(ToString::to_string).collect();
    show(&Checked { id, kind, version, warnings }, cli.form());
    Ok(Status::Done.into())
}
