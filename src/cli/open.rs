//! Opening what every command needs: the database, private or given, and the context on it.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use super::exit::{CommandError, Status};
use super::settings::Cli;
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::context::{Context, StartError};
use crate::domain::calendar::Calendar;
use crate::domain::slot::DailySlot;
use crate::scoring::rule_sets;
use crate::storage::private::{PrivatePostgres, PrivateSettings, Sharing};
use crate::storage::rule_set::Archive;
use crate::storage::{PoolSizes, Store, StoreError, reach};

/// Connections of one process. Writers are few, each with one transaction at a time, and the ledger needs some.
const POOL_SIZES: PoolSizes = PoolSizes { ingest: 6, read: 16, run: 6 };

/// An open database with everything on it.
pub(super) struct Opened {
    pub context: Context,
    /// Where the database is.
    pub options: PgConnectOptions,
    private: Option<PrivatePostgres>,
}

impl Opened {
    pub(super) async fn close(self) {
        self.context.store.close().await;
        if let Some(private) = self.private {
            private.stop().await;
        }
    }
}

/// Opens the database, without touching the schema.
pub(super) async fn open(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    // A command that has no use for rule sets does not fail for them.
    let rules_dir = cli.scoring.rules_dir.as_deref().filter(|_| cli.uses("rules_dir"));
    let rules = Arc::new(rule_sets::load(rules_dir).map_err(|error| CommandError::input(error.to_string()))?);
    let (options, private) = connect_options(&cli.database, sharing).await?;
    let scoring = &cli.scoring;
    let context = Context {
        store: Store::open(&options, POOL_SIZES),
        rules,
        archive: Archive::default(),
        clock: Clock::System,
        slot: DailySlot { calendar: Calendar::new(scoring.time_zone), times: scoring.slot },
        retention: cli.retention,
        intake: cli.intake,
    };
    Ok(Opened { context, options, private })
}

/// Opens the database, whose schema must be this program's.
pub(super) async fn open_schema(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    let opened = open(cli, sharing).await?;
    let checked = opened.context.store.check_schema().await;
    with_end(opened, checked.map_err(StartError::from)).await
}

/// Opens the database, whose schema and counts must be this program's.
pub(super) async fn open_checked(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    let opened = open(cli, sharing).await?;
    let checked = opened.context.check().await;
    with_end(opened, checked).await
}

/// Opens the database and brings its schema up to date: only the service does that, beside `shopscore migrate`.
pub(super) async fn open_migrated(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    let opened = open(cli, sharing).await?;
    let prepared = opened.context.prepare().await;
    with_end(opened, prepared).await
}

async fn with_end(opened: Opened, ready: Result<(), StartError>) -> Result<Opened, CommandError> {
    match ready {
        Ok(()) => Ok(opened),
        Err(error) => {
            opened.close().await;
            Err(error.into())
        }
    }
}

async fn connect_options(
    database: &DatabaseSettings,
    sharing: Sharing,
) -> Result<(PgConnectOptions, Option<PrivatePostgres>), CommandError> {
    if let Some(url) = database.database_url.as_deref().filter(|url| !url.is_empty()) {
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            CommandError::usage(format!(
                "--database-url (DATABASE_URL) must be such as postgres://user:password@host/database: {error}"
            ))
        })?;
        let options = options.application_name("shopscore");
        reach(&options).await.map_err(|error| unreachable(&options, error))?;
        return Ok((options, None));
    }
    let settings =
        PrivateSettings { state_dir: database.state_dir(), binaries: database.postgres_bin.clone(), volatile: false };
    let private = PrivatePostgres::open(&settings, sharing).await?;
    Ok((private.options().clone().application_name("shopscore"), Some(private)))
}

fn unreachable(options: &PgConnectOptions, error: StoreError) -> CommandError {
    let (host, port) = (options.get_host(), options.get_port());
    let status = if error.is_passing() { Status::Unreachable } else { Status::Failed };
    CommandError::new(status, format!("cannot connect to PostgreSQL at {host}:{port}: {}", error.cause()))
}
