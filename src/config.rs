//! Settings: flags and environment variables with their defaults. `--help` is their documentation.

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::domain::members::UnknownMembers;
use crate::domain::slot::SlotTimes;

fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "must be an IANA time zone name such as Asia/Shanghai".to_owned())
}

/// Whether requests must carry an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    Off,
    Required,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Where the database is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// PostgreSQL to use (versions 15 to 18). Without it the service runs a private PostgreSQL.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,

    /// Directory of the private PostgreSQL and all other files [default: /var/lib/shopscore as root, else
    /// $XDG_STATE_HOME/shopscore or ~/.local/state/shopscore]
    #[arg(long, env = "SHOPSCORE_STATE_DIR", value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,

    /// Directory of the PostgreSQL server programs [default: the highest /usr/lib/postgresql/*/bin, then PATH]
    #[arg(long, env = "SHOPSCORE_POSTGRES_BIN", value_name = "DIR", global = true)]
    pub postgres_bin: Option<PathBuf>,
}

impl DatabaseSettings {
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(default_state_dir)
    }
}

fn default_state_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/shopscore");
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state_home = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state_home.unwrap_or_else(std::env::temp_dir).join("shopscore")
}

/// How scores are made.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Scores")]
pub struct ScoringSettings {
    /// When the scores of a day are published, in the business time zone
    #[arg(long, env = "SHOPSCORE_SLOT", value_name = "FROM-TO", default_value = "12:00-13:00", global = true)]
    pub slot: SlotTimes,

    /// The business time zone
    #[arg(long, env = "SHOPSCORE_TIME_ZONE", value_name = "ZONE", default_value = "Asia/Shanghai", value_parser = parse_zone, global = true)]
    pub time_zone: Tz,

    /// Directory of rule sets (*.toml) to add to the built-in ones; a file with the id of a built-in one replaces it, and
    /// says so (replaces = "<id>")
    #[arg(long, env = "SHOPSCORE_RULES_DIR", value_name = "DIR", global = true)]
    pub rules_dir: Option<PathBuf>,
}

/// Least retention: full cards are promised for 400 days, and no window is longer.
const KEPT_DAYS_MIN: i64 = 400;

/// How long data is kept.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Retention")]
pub struct RetentionSettings {
    /// Days to keep full cards (metrics, peers, dimensions), at least 400; the history of scores is never removed
    #[arg(long, env = "SHOPSCORE_CARD_DAYS", value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(KEPT_DAYS_MIN..), global = true)]
    pub card_days: u16,

    /// Days to keep events, at least 400; older events are removed together with their counts, and are no longer
    /// accepted [default: forever]
    #[arg(long, env = "SHOPSCORE_EVENT_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u16).range(KEPT_DAYS_MIN..), global = true)]
    pub event_days: Option<u16>,

    /// Days to keep the audit trail, at least 30 [default: forever]
    #[arg(long, env = "SHOPSCORE_AUDIT_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u16).range(30..), global = true)]
    pub audit_days: Option<u16>,

    /// Newest score dates whose metrics are unpacked for analysts with SQL (bi.metric); 0 for none
    #[arg(long, env = "SHOPSCORE_BI_DAYS", value_name = "DAYS", default_value_t = 0, global = true)]
    pub bi_days: u16,
}

impl Default for RetentionSettings {
    fn default() -> RetentionSettings {
        RetentionSettings { card_days: 400, event_days: None, audit_days: None, bi_days: 0 }
    }
}

/// Which events are taken in.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Intake")]
pub struct IntakeSettings {
    /// First day of events that are accepted; earlier times are taken for mistakes
    #[arg(long, env = "SHOPSCORE_OLDEST_TIME", value_name = "YYYY-MM-DD", default_value = "2010-01-01", global = true)]
    pub oldest_time: NaiveDate,

    /// Keys bound to shops, without events:relay, credit the registered creators that their events name; otherwise they
    /// credit none
    #[arg(long, env = "SHOPSCORE_MERCHANTS_NAME_CREATORS", global = true)]
    pub merchants_name_creators: bool,

    /// Keep members of an event's data that its type does not know; otherwise they are dropped, so that no buyer's name or
    /// phone number is stored by mistake
    #[arg(long, env = "SHOPSCORE_KEEP_UNKNOWN_DATA", global = true)]
    pub keep_unknown_data: bool,
}

impl IntakeSettings {
    /// What becomes of members of data that an event's type does not know.
    pub(crate) fn unknown_members(&self) -> UnknownMembers {
        if self.keep_unknown_data { UnknownMembers::Kept } else { UnknownMembers::Dropped }
    }
}

impl Default for IntakeSettings {
    fn default() -> IntakeSettings {
        let oldest_time = NaiveDate::from_ymd_opt(2010, 1, 1).unwrap_or_default();
        IntakeSettings { oldest_time, merchants_name_creators: false, keep_unknown_data: false }
    }
}

/// How the service is reached.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Listening")]
pub struct ListenSettings {
    /// Address to listen on
    #[arg(long, env = "SHOPSCORE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080", global = true)]
    pub listen: SocketAddr,

    /// Whether requests must carry an API key; off is for loopback addresses only
    /// [default: off on a loopback address, else required]
    #[arg(long, env = "SHOPSCORE_AUTH", value_name = "WHEN", value_enum, global = true)]
    pub auth: Option<Auth>,

    /// File to write a first key to, with the scope admin and all others, where the service asks for keys and there is none
    /// yet. Several processes make one key together; a file that is there stays as it is
    #[arg(long, env = "SHOPSCORE_BOOTSTRAP_KEY_FILE", value_name = "FILE", global = true)]
    pub bootstrap_key_file: Option<PathBuf>,
}

impl ListenSettings {
    /// Whether requests must carry a key. By default only a loopback address is served without keys.
    pub fn auth_required(&self) -> bool {
        match self.auth {
            Some(auth) => auth == Auth::Required,
            None => !self.listen.ip().is_loopback(),
        }
    }
}

/// Connections that a process holds at most.
const CONNECTIONS_DEFAULT: usize = 4_096;
/// What one key may send in a second, where the service is reached over a network.
const EVENTS_PER_SECOND_DEFAULT: u32 = 2_000;
const REQUESTS_PER_SECOND_DEFAULT: u32 = 200;

/// The header in which proxies say whose request they hand on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

/// How much of this process one caller may take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Connections at a time; one client address holds at most half of them
    #[arg(long, env = "SHOPSCORE_CONNECTIONS", value_name = "NUMBER", default_value_t = CONNECTIONS_DEFAULT, value_parser = connections, global = true)]
    pub connections: usize,

    /// Network of proxies, such as 10.1.0.0/16, that are believed when they say whose request they hand on; may be given several times, or separated by commas
    #[arg(
        long = "trusted-proxy",
        env = "SHOPSCORE_TRUSTED_PROXIES",
        value_name = "CIDR",
        value_delimiter = ',',
        global = true
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// The header in which these proxies say it; another one is the client's own and is not believed
    #[arg(long, env = "SHOPSCORE_PROXY_HEADER", value_name = "HEADER", value_enum, default_value_t = ProxyHeader::XForwardedFor, global = true)]
    pub proxy_header: ProxyHeader,

    /// Events that one key may send in a second, 0 for no bound; each process counts for itself, and a key can have a rate of its
    /// own [default: 0 on a loopback address, else 2000]
    #[arg(long, env = "SHOPSCORE_EVENTS_PER_SECOND", value_name = "NUMBER", global = true)]
    pub events_per_second: Option<u32>,

    /// Other requests that one key may send in a second, 0 for no bound [default: 0 on a loopback address, else 200]
    #[arg(long, env = "SHOPSCORE_REQUESTS_PER_SECOND", value_name = "NUMBER", global = true)]
    pub requests_per_second: Option<u32>,

    /// Network inside which webhooks may be sent to, over plain HTTP too, such as 10.2.0.0/16; may be given several times, or
    /// separated by commas. Otherwise they reach addresses on the internet alone, over HTTPS
    #[arg(
        long = "webhook-allow",
        env = "SHOPSCORE_WEBHOOK_ALLOW",
        value_name = "CIDR",
        value_delimiter = ',',
        global = true
    )]
    pub webhook_allow: Vec<IpNet>,
}

fn connections(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (16..=1_000_000).contains(number))
        .ok_or_else(|| "must be 16 to 1000000".to_owned())
}

/// Ways in besides `/v1/events`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Intake")]
pub struct ConnectSettings {
    /// File of connectors (TOML): what platforms push to /v1/push/<id> in their own words
    #[arg(long, env = "SHOPSCORE_CONNECTORS", value_name = "FILE", global = true)]
    pub connectors: Option<PathBuf>,
}

impl LimitSettings {
    /// Fills in the rates that a service on this address has by default.
    pub fn for_address(mut self, address: SocketAddr) -> LimitSettings {
        let default = |rate: u32| if address.ip().is_loopback() { 0 } else { rate };
        self.events_per_second.get_or_insert(default(EVENTS_PER_SECOND_DEFAULT));
        self.requests_per_second.get_or_insert(default(REQUESTS_PER_SECOND_DEFAULT));
        self
    }
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            connections: CONNECTIONS_DEFAULT,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            events_per_second: None,
            requests_per_second: None,
            webhook_allow: Vec::new(),
        }
    }
}
