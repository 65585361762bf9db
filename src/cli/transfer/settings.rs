//! What `shopscore load`, `send` and `import` are told to do.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct TransferSettings {
    /// File of events, or - for standard input: one JSON object on each line, or a JSON array; plain, gzip or zstd
    pub file: PathBuf,
    /// Write events that are not stored to a file, one JSON object on each line: number, errors, event. With --from it is added
    /// to, else written anew
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// First event to take: the number of its line, or of its place in an array
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub from: u64,
}

#[derive(Clone, Debug, Args)]
pub struct SendSettings {
    #[command(flatten)]
    pub transfer: TransferSettings,
    /// Address of the service
    #[arg(long, env = "SHOPSCORE_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Key with the scope events:write; better in the environment, where other users of the machine do not see it
    #[arg(long, env = "SHOPSCORE_KEY", value_name = "KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Reject events that would be accepted with a warning
    #[arg(long)]
    pub strict: bool,
    /// Only say what would become of the events. Nothing is stored, so they are compared with what was stored before, and
    /// with each other only inside a request of 2,000
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ImportSettings {
    /// Table to read, or - for standard input: CSV or TSV, in UTF-8 or GB18030; plain, gzip or zstd
    pub file: PathBuf,
    /// Map of the table: orders, reviews, aftersales, or a file (docs/importing.md)
    #[arg(long, value_name = "NAME|FILE")]
    pub map: String,
    /// Shop that all rows are of [default: the one that each row names, as the map says]
    #[arg(long, value_name = "SHOP_ID")]
    pub shop: Option<String>,
    /// Read all, list every row that would be rejected, and store nothing; needs no database
    #[arg(long)]
    pub check: bool,
    /// Where rows are written of which an event is not stored, with the reasons; written only if there are any [default: the
    /// table's name with .rejected.csv]
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub rejects: Option<PathBuf>,
    /// First line to take
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub from: u64,
}
