//! What `shopscore export` is told to do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::date_word::DateWord;

#[derive(Clone, Debug, Args)]
pub struct ExportSettings {
    /// Score date: YYYY-MM-DD, today or yesterday (in the business time zone) [default: the newest published one]
    #[arg(long, value_name = "DATE")]
    pub date: Option<DateWord>,
    /// Rule set [default: the one in force on the date]
    #[arg(long, value_name = "ID")]
    pub rule_set: Option<String>,
    /// Whose cards
    #[arg(long, value_enum, default_value_t = ExportKind::Shops)]
    pub kind: ExportKind,
    /// File to write, .csv, .ndjson or .parquet; one that is there is replaced when the new one is whole
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Begin CSV with a byte order mark, which some spreadsheets need to see that it is UTF-8
    #[arg(long)]
    pub bom: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportKind {
    Shops,
    Creators,
}
