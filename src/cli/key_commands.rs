//! What `shopscore key` is told to do.

use clap::Subcommand;

use crate::access::{GRACE_HOURS_DEFAULT, GRACE_HOURS_MAX};

#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it; it is not shown again
    Create {
        /// Scope of the key: events:write, events:relay, scores:read, admin, or all of them with all; may be given several times
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// A shop that the key is bound to; may be given several times [default: all shops and creators]
        #[arg(long = "shop", value_name = "SHOP_ID")]
        shops: Vec<String>,
        /// A creator that the key is bound to; may be given several times
        #[arg(long = "creator", value_name = "CREATOR_ID")]
        creators: Vec<String>,
        /// Name shown in lists
        #[arg(long)]
        name: Option<String>,
        /// Expiry: a date (its first moment in the business time zone) or an RFC 3339 time
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// Events that it may send in a second, 0 for no bound [default: as the service says]
        #[arg(long, value_name = "NUMBER")]
        events_per_second: Option<u32>,
        /// Other requests that it may send in a second, 0 for no bound [default: as the service says]
        #[arg(long, value_name = "NUMBER")]
        requests_per_second: Option<u32>,
    },
    /// List keys, newest first, without their secrets
    List {
        /// Only keys that are bound to this shop
        #[arg(long, value_name = "SHOP_ID")]
        shop: Option<String>,
        /// Only keys that are bound to this creator
        #[arg(long, value_name = "CREATOR_ID")]
        creator: Option<String>,
        /// Only keys that are neither revoked nor expired
        #[arg(long)]
        active: bool,
    },
    /// Replace a key by one that is good for the same, and print it; the old one stays good for a while
    Rotate {
        /// Id of the key, as shown by key list
        #[arg(value_parser = key_id)]
        key_id: i32,
        /// Hours that the old key stays good, at most 720
        #[arg(long, value_name = "HOURS", default_value_t = GRACE_HOURS_DEFAULT, value_parser = clap::value_parser!(i64).range(0..=GRACE_HOURS_MAX))]
        grace_hours: i64,
    },
    /// Revoke a key; every process refuses it within 2 seconds
    Revoke {
        /// Id of the key, as shown by key list
        #[arg(value_parser = key_id)]
        key_id: i32,
    },
}

fn key_id(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| "must be the number of a key, as shopscore key list shows it".to_owned())
}
