//! Commands and their arguments. `--help` is their documentation.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};

use crate::config::{DatabaseSettings, IntakeSettings, ListenSettings, LogFormat, RetentionSettings, ScoringSettings};

/// Version and commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SHOPSCORE_COMMIT"), ")");

/// The open engine for a marketplace's shop experience score.
///
/// Without a command it runs the service: backends post events, scores are published in the daily slot, and dashboards
/// read them.
#[derive(Clone, Debug, Parser)]
#[command(name = "shopscore", version = VERSION, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub scoring: ScoringSettings,
    #[command(flatten)]
    pub retention: RetentionSettings,
    #[command(flatten)]
    pub intake: IntakeSettings,
    #[command(flatten)]
    pub listening: ListenSettings,
    /// How the log is written to standard error
    #[arg(long, env = "SHOPSCORE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP and publish the scores of the day in the daily slot (default)
    Serve,
    /// Compute and publish the scores of one date
    Run {
        /// Score date, today at the latest
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: NaiveDate,
        /// Reason, stored with the run
        #[arg(long)]
        reason: Option<String>,
    },
    /// Load events, one JSON object per line; they are checked and counted like events sent over HTTP
    Load {
        /// File of events, or - for standard input
        file: PathBuf,
    },
    /// Bring the database's schema up to date; besides this, only serve and demo do
    Migrate {
        /// Only print the migrations that are missing
        #[arg(long)]
        plan: bool,
    },
    /// Ask a service whether it is ready; exits with 1 if it is not
    Health {
        /// Address of the service [default: the one of --listen]
        #[arg(value_name = "URL")]
        url: Option<String>,
    },
    /// Rebuild all counts from the events
    Rebuild,
    /// Compare the stored counts and sums with ones rebuilt from the events; exits with 1 if they differ
    Verify,
    /// Apply the retention policy now and print what was removed; a running service does so once a day
    Retain,
    /// Work with rule sets
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Create, list and revoke API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print the HTTP API description (OpenAPI 3.1, YAML)
    Openapi,
    /// Print the reference of measures and metrics (Markdown), or write all generated parts of the documentation
    Reference {
        /// Directory of the documentation: its pages, and those in zh/, get their generated parts anew
        #[arg(long, value_name = "DIR")]
        docs: Option<PathBuf>,
    },
    /// Generate a marketplace, score it, show the result and keep serving
    Demo(DemoSettings),
}

#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it; it is not shown again
    Create {
        /// Scope of the key: events:write, events:relay, scores:read, admin, or all of them with all; may be given several times
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// A shop that the key is bound to; may be given several times [default: all shops]
        #[arg(long = "shop", value_name = "SHOP_ID")]
        shops: Vec<String>,
        /// Name shown in lists
        #[arg(long)]
        name: Option<String>,
        /// Expiry: a date (its first moment in the business time zone) or an RFC 3339 time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List all keys, newest first, without their secrets
    List,
    /// Revoke a key; every process refuses it within 2 seconds
    Revoke {
        /// Id of the key, as shown by key list
        key_id: i32,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Check a rule set file; prints each fault with its line
    Check { file: PathBuf },
}

/// Why a command failed, in words for its user.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug, Args)]
pub struct DemoSettings {
    /// Exit as soon as the result is shown
    #[arg(long)]
    pub exit: bool,
    /// The same seed makes the same marketplace
    #[arg(long, default_value_t = 20)]
    pub seed: u64,
    /// Shops of the marketplace
    #[arg(long, default_value_t = 240)]
    pub shops: usize,
}
