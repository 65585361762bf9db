//! Commands and their arguments. `--help` is their documentation.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::connectors::commands::ConnectorsCommand;
use super::date_word::DateWord;
use super::exit::LEGEND;
use super::export::settings::ExportSettings;
use super::key_commands::KeyCommand;
use super::progress::Voice;
use super::report::Form;
use super::rules::commands::RulesCommand;
use super::transfer::settings::{ImportSettings, SendSettings, TransferSettings};
use crate::config::{
    ConnectSettings, DatabaseSettings, IntakeSettings, LimitSettings, ListenSettings, LogFormat, RetentionSettings,
    ScoringSettings,
};

/// Version and commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SHOPSCORE_COMMIT"), ")");

/// The open engine for a marketplace's shop experience score.
///
/// Without a command it runs the service: backends post events, scores are published in the daily slot, and dashboards
/// read them.
#[derive(Clone, Debug, Parser)]
#[command(name = "shopscore", version = VERSION, max_term_width = 110, after_long_help = LEGEND)]
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
    #[command(flatten)]
    pub limits: LimitSettings,
    #[command(flatten)]
    pub connecting: ConnectSettings,
    /// How the log is written to standard error; SHOPSCORE_LOG says how much (such as debug or info,sqlx=warn)
    #[arg(long, env = "SHOPSCORE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, global = true, help_heading = "Output")]
    pub log_format: LogFormat,
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Do not show how far the command is
    #[arg(long, short, global = true, help_heading = "Output")]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    pub(super) fn form(&self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }

    pub(super) fn voice(&self) -> Voice {
        if self.quiet { Voice::Quiet } else { Voice::Normal }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve HTTP and publish the scores of the day in the daily slot (default)
    Serve,
    /// Compute and publish the scores of a date, or of a range of dates
    Run(RunSettings),
    /// Load a file of events straight into the database
    ///
    /// They are checked and counted like events sent over HTTP.
    Load(TransferSettings),
    /// Send a file of events to a service over HTTP
    ///
    /// What was sent before is a duplicate, so the same file can be sent again. While the service is away or busy, requests are
    /// repeated for a minute.
    Send(SendSettings),
    /// Load a table, such as a back office exports it, straight into the database by a map
    ///
    /// The first row names the columns. The map says which column is which field, and which rows make which events. What was
    /// imported before is a duplicate, so the same table can be imported again, also with further rows.
    Import(ImportSettings),
    /// Bring the database's schema up to date; besides this, only serve and demo do
    Migrate {
        /// Only print the migrations that are missing
        #[arg(long)]
        plan: bool,
    },
    /// Ask a service whether it is ready
    Health {
        /// Address of the service [default: the one of --listen]
        #[arg(value_name = "URL", env = "SHOPSCORE_URL")]
        url: Option<String>,
    },
    /// Write the whole database to a file, as of one moment; a service may run beside it
    Backup {
        /// File to write; one that is there is replaced when the new one is whole
        file: PathBuf,
    },
    /// Read a backup into an empty database, bring its schema up to date, and verify its counts
    ///
    /// The backup may come from another major version of PostgreSQL.
    Restore {
        /// File that shopscore backup wrote
        file: PathBuf,
    },
    /// Rebuild all counts from the events
    Rebuild,
    /// Compare the stored counts and sums with ones rebuilt from the events
    Verify,
    /// Apply the retention policy now; a running service does so once a day
    Retain,
    /// Write every card of a date with all its metrics to a file
    Export(ExportSettings),
    /// Let analysts read scores, metrics and counts with SQL: the views of the schema bi
    Bi {
        #[command(subcommand)]
        command: BiCommand,
    },
    /// Serve tools for agents on standard input and output (Model Context Protocol), which read from a service
    ///
    /// A service has the same tools at /mcp.
    Mcp(McpSettings),
    /// Work with connectors, which take what platforms push
    Connectors {
        #[command(subcommand)]
        command: ConnectorsCommand,
    },
    /// Work with rule sets
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Create, list, rotate and revoke API keys
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Print the HTTP API description (OpenAPI 3.1, YAML)
    Openapi,
    /// Print the reference of measures and metrics (Markdown), or write the generated parts of docs
    Reference {
        /// Directory of the documentation: its pages, and those in zh/, get their generated parts anew
        #[arg(long, value_name = "DIR")]
        docs: Option<PathBuf>,
    },
    /// Print the completions for a shell
    Completions {
        /// Shell that they are for
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff), or write those of all commands
    Man {
        /// Directory to write the pages to
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Generate a marketplace, score it, show the result and keep serving
    Demo(DemoSettings),
}

impl Command {
    /// As the command line names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Command::Serve => "serve",
            Command::Run(_) => "run",
            Command::Load(_) => "load",
            Command::Send(_) => "send",
            Command::Import(_) => "import",
            Command::Migrate { .. } => "migrate",
            Command::Health { .. } => "health",
            Command::Backup { .. } => "backup",
            Command::Restore { .. } => "restore",
            Command::Rebuild => "rebuild",
            Command::Verify => "verify",
            Command::Retain => "retain",
            Command::Rules { .. } => "rules",
            Command::Export(_) => "export",
            Command::Bi { .. } => "bi",
            Command::Mcp(_) => "mcp",
            Command::Connectors { .. } => "connectors",
            Command::Key { .. } => "key",
            Command::Openapi => "openapi",
            Command::Reference { .. } => "reference",
            Command::Completions { .. } => "completions",
            Command::Man { .. } => "man",
            Command::Demo(_) => "demo",
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum BiCommand {
    /// Let a role of PostgreSQL read the views and nothing else; makes the role where there is none
    Grant {
        /// Name of the role
        role: String,
    },
    /// Unpack the metrics of a date into bi.metric; a service with --bi-days does so for the newest dates
    Unpack {
        /// Score date: YYYY-MM-DD, today or yesterday (in the business time zone) [default: the newest published one]
        #[arg(long, value_name = "DATE")]
        date: Option<DateWord>,
    },
}

#[derive(Clone, Debug, Args)]
pub struct RunSettings {
    /// Score date, today at the latest: YYYY-MM-DD, today or yesterday (in the business time zone)
    #[arg(long, value_name = "DATE", required_unless_present = "from")]
    pub date: Option<DateWord>,
    /// First of a range of score dates
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with = "date")]
    pub from: Option<DateWord>,
    /// Last of a range of score dates
    #[arg(long, value_name = "DATE", requires = "from")]
    pub to: Option<DateWord>,
    /// Reason, stored with the run
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub struct McpSettings {
    /// Address of the service
    #[arg(long, env = "SHOPSCORE_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Key with the scope scores:read; better in the environment, where other users of the machine do not see it
    #[arg(long, env = "SHOPSCORE_KEY", value_name = "KEY", hide_env_values = true)]
    pub key: Option<String>,
}

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
