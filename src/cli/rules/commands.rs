//! What `shopscore rules` is told to do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::date_word::DateWord;

#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Check a rule set file; prints each fault with its line
    Check {
        /// File of the rule set (TOML)
        file: PathBuf,
    },
    /// List the rule sets that the service computes with
    List,
    /// Print the text of a rule set
    Show {
        /// Id of a rule set, or a file
        id: String,
    },
    /// Show what a rule set says otherwise than another
    Diff {
        /// Id of a rule set, or a file
        old: String,
        /// Id of a rule set, or a file
        new: String,
    },
    /// Replay a draft over all subjects, from the counts of this moment; nothing is published
    Preview(PreviewSettings),
}

#[derive(Clone, Debug, Args)]
pub struct PreviewSettings {
    /// File of the draft (TOML)
    pub file: PathBuf,
    /// Score date: YYYY-MM-DD, today or yesterday (in the business time zone) [default: the newest published one]
    #[arg(long, value_name = "DATE")]
    pub date: Option<DateWord>,
    /// Rule set that the draft is held against [default: the one in force on the date]
    #[arg(long, value_name = "ID")]
    pub against: Option<String>,
    /// Write all subjects to a file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}
