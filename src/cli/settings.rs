//! Commands and their arguments. `--help` is their documentation.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};

use crate::config::{DatabaseSettings, ListenSettings, RetentionSettings, ScoringSettings};

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
    pub retention: RetentionSettings,
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
    /// Remove now what is not kept any more, and say what that was; a service does so once a day
    Retain,
    /// Work with rule sets
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Make, list and revoke API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print the description of the HTTP contract (OpenAPI 3.1, YAML)
    Openapi,
    /// Print what events, measures and metrics there are (Markdown)
    Reference,
    /// Make a marketplace, score it, show the result and stay up
    Demo(DemoSettings),
}

#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it, this once
    Create {
        /// What it is good for; may be given several times: events:write, events:relay, scores:read, admin
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// A shop that the key is bound to; may be given several times [default: all shops]
        #[arg(long = "shop", value_name = "SHOP_ID")]
        shops: Vec<String>,
        /// Shown in lists
        #[arg(long)]
        name: Option<String>,
        /// From when on it is no longer good: a date (its first moment in the business time zone) or an RFC 3339 time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List all keys, newest first, without their secrets
    List,
    /// Revoke a key; no process admits it for longer than 2 seconds
    Revoke {
        /// The key_id that list shows
        key_id: i32,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Check a rule set; says what is wrong with it, and in which line
    Check { file: PathBuf },
}

/// What ends a command early. The text is meant for whoever typed it.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug, Args)]
pub struct DemoSettings {
    /// Leave as soon as the result is shown
    #[arg(long)]
    pub exit: bool,
    /// The same seed makes the same marketplace
    #[arg(long, default_value_t = 20)]
    pub seed: u64,
    /// Shops of the marketplace
    #[arg(long, default_value_t = 240)]
    pub shops: usize,
}
