//! `shopscore rules`: rule sets, those in force and drafts.

pub(super) mod commands;
mod diff;
mod preview;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;

use self::commands::RulesCommand;
use super::exit::{CommandError, Status};
use super::report::{print, say, show, tell};
use super::settings::Cli;
use crate::clock::Clock;
use crate::domain::calendar::Calendar;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::rules::{RuleBook, RuleSet};
use crate::domain::weights::dimension_share;
use crate::scoring::rule_sets;

pub(super) async fn rules(cli: &Cli, command: &RulesCommand) -> Result<ExitCode, CommandError> {
    match command {
        RulesCommand::Check { file } => check(cli, file),
        RulesCommand::List => list(cli),
        RulesCommand::Show { id } => show_text(cli, id),
        RulesCommand::Diff { old, new } => diff::diff(cli, old, new),
        RulesCommand::Preview(settings) => preview::preview(cli, settings).await,
    }
}

/// The rule sets that the service would compute with.
fn book(cli: &Cli) -> Result<RuleBook, CommandError> {
    rule_sets::load(cli.scoring.rules_dir.as_deref()).map_err(|error| CommandError::input(error.to_string()))
}

/// A rule set by its id, or that of a file.
fn find(book: &RuleBook, name: &str) -> Result<Arc<RuleSet>, CommandError> {
    if let Some(rule_set) = book.get(name) {
        return Ok(Arc::clone(rule_set));
    }
    let path = Path::new(name);
    if path.exists() {
        return rule_sets::read_file(path).map(Arc::new).map_err(|error| CommandError::input(error.to_string()));
    }
    let known: Vec<&str> = book.rule_sets.iter().map(|rule_set| rule_set.id.as_str()).collect();
    Err(CommandError::input(format!("{name} is neither a file nor one of the rule sets {}", known.join(", "))))
}

/// A dimension with its share of the score.
#[derive(Serialize)]
struct Share {
    dimension: String,
    weight: String,
}

/// A valid rule set.
#[derive(Serialize)]
struct Checked {
    id: String,
    kind: &'static str,
    version: String,
    /// What the weights of the dimensions come to, as fractions of 1.
    weights: Vec<Share>,
    warnings: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { id, kind, version, weights, .. } = self;
        writeln!(formatter, "{id}: a valid rule set for {kind}s, version {version}")?;
        let weights: Vec<String> = weights.iter().map(|one| format!("{} {}", one.dimension, one.weight)).collect();
        write!(formatter, "weights: {}", weights.join(", "))
    }
}

fn check(cli: &Cli, file: &Path) -> Result<ExitCode, CommandError> {
    let rule_set = rule_sets::check_file(file, cli.scoring.rules_dir.as_deref())
        .map_err(|error| CommandError::input(error.to_string()))?;
    for warning in &rule_set.warnings {
        tell(format_args!("{}: warning: {warning}", file.display()));
    }
    let (id, kind, version) = (rule_set.id.clone(), rule_set.kind.as_str(), rule_set.hash.clone());
    let share = |(index, dimension): (usize, &crate::domain::rules::DimensionRule)| {
        let share: Decimal = dimension_share(&rule_set, index, None);
        Share { dimension: dimension.id.clone(), weight: share.fixed(PLACES_MAX) }
    };
    let weights = rule_set.dimensions.iter().enumerate().map(share).collect();
    let warnings = rule_set.warnings.iter().map(ToString::to_string).collect();
    show(&Checked { id, kind, version, weights, warnings }, cli.form());
    Ok(Status::Done.into())
}

/// A rule set in a list.
#[derive(Serialize)]
struct Listed {
    id: String,
    kind: &'static str,
    /// Whether it answers today's queries that name none.
    default: bool,
    from: Option<NaiveDate>,
    last: Option<NaiveDate>,
    version: String,
    title_en: String,
    title_zh: String,
}

impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.default { "default" } else { "" };
        let open = |date: Option<NaiveDate>| date.map_or("…".to_owned(), |date| date.to_string());
        let in_force = if self.from.or(self.last).is_some() {
            format!("{} – {}", open(self.from), open(self.last))
        } else {
            "always".to_owned()
        };
        let (id, kind, version) = (&self.id, self.kind, &self.version[..12.min(self.version.len())]);
        write!(
            formatter,
            "{id:<20} {kind:<8} {default:<8} {in_force:<23} {version}  {}, {}",
            self.title_en, self.title_zh
        )
    }
}

fn list(cli: &Cli) -> Result<ExitCode, CommandError> {
    let book = book(cli)?;
    let today = Calendar::new(cli.scoring.time_zone).day(Clock::System.now());
    for rule_set in &book.rule_sets {
        let default = book.default_for(rule_set.kind, today);
        let listed = Listed {
            id: rule_set.id.clone(),
            kind: rule_set.kind.as_str(),
            default: default.is_some_and(|default| default.hash == rule_set.hash),
            from: rule_set.effective.from,
            last: rule_set.effective.last,
            version: rule_set.hash.clone(),
            title_en: rule_set.title.en.clone(),
            title_zh: rule_set.title.zh.clone(),
        };
        show(&listed, cli.form());
    }
    Ok(Status::Done.into())
}

fn show_text(cli: &Cli, id: &str) -> Result<ExitCode, CommandError> {
    let rule_set = find(&book(cli)?, id)?;
    print(&rule_set.source);
    if !rule_set.source.ends_with('\n') {
        say("");
    }
    Ok(Status::Done.into())
}
