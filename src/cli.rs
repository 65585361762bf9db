//! Commands.

pub mod load;
pub mod maintain;
pub mod open;
pub mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Parser, Subcommand};

use crate::config::{DatabaseSettings, ListenSettings, ScoringSettings};
use crate::scoring::book;
use crate::{demo, http};

/// The open engine for a marketplace's shop experience score.
///
/// Without a command it serves: backends post events, the score of the day is published in its slot, dashboards read.
#[derive(Clone, Debug, Parser)]
#[command(name = "shopscore", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub scoring: ScoringSettings,
    #[command(flatten)]
    pub listening: ListenSettings,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP and keep the daily slot (the default)
    Serve,
    /// Compute and publish the scores of one date
    Run {
        /// Score date, today at the latest
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: NaiveDate,
        /// Kept with the run
        #[arg(long)]
        reason: Option<String>,
    },
    /// Load events, one JSON object a line, through the same door as HTTP
    Load {
        /// File of events, or - for standard input
        file: PathBuf,
    },
    /// Derive all counts anew from the events
    Rebuild,
    /// Compare the counts kept with counts rebuilt; exits with 1 if they differ
    Verify,
    /// Work with rule sets
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Print the description of the HTTP contract (OpenAPI 3.1, YAML)
    Openapi,
    /// Make a marketplace, score it, show the result and stay up
    Demo(demo::DemoSettings),
}

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Check a rule set; says what is wrong with it, and in which line
    Check { file: PathBuf },
}

/// What ends a command early. The text is meant for whoever typed it.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    pub async fn execute(self) -> Result<ExitCode, CommandError> {
        match &self.command {
            None | Some(Command::Serve) => serve::serve(&self).await,
            Some(Command::Run { date, reason }) => maintain::run(&self, *date, reason.clone()).await,
            Some(Command::Load { file }) => load::load(&self, file).await,
            Some(Command::Rebuild) => maintain::rebuild(&self).await,
            Some(Command::Verify) => maintain::verify(&self).await,
            Some(Command::Rules { command: RulesCommand::Check { file } }) => {
                let rule_set = book::read_file(file)?;
                println!("{}: a sound rule set for {}s, version {}", rule_set.id, rule_set.kind, rule_set.hash);
                Ok(ExitCode::SUCCESS)
            }
            Some(Command::Openapi) => {
                print!("{}", http::docs::yaml()?);
                Ok(ExitCode::SUCCESS)
            }
            Some(Command::Demo(settings)) => demo::demo(&self, settings).await,
        }
    }
}
