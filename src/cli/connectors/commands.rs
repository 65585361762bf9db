//! What `shopscore connectors` is told to do.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Clone, Debug, Subcommand)]
pub enum ConnectorsCommand {
    /// Check a file of connectors, with their secrets; prints each fault with its line
    Check {
        /// File of connectors (TOML)
        file: PathBuf,
    },
}
