//! Opening what every command needs: the database, private or given, and the parts of the service on it.

use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;

use super::{Cli, CommandError};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::scoring::book;
use crate::service::Parts;
use crate::storage::private::{PrivatePostgres, PrivateSettings, Sharing};
use crate::storage::{PoolSizes, Store};

/// Connections of one process. Writers are few, each with one transaction at a time, and the ledger needs some.
const POOL_SIZES: PoolSizes = PoolSizes { ingest: 6, read: 16, run: 6 };

/// An open database with everything on it.
pub struct Opened {
    pub parts: Parts,
    private: Option<PrivatePostgres>,
}

impl Opened {
    pub async fn close(self) {
        self.parts.store.close().await;
        if let Some(private) = self.private {
            private.stop().await;
        }
    }
}

/// Opens the database and puts the parts together, without touching the schema.
pub async fn open(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    let rules = Arc::new(book::load(cli.scoring.rules_dir.as_deref())?);
    let (options, private) = connect_options(&cli.database, sharing).await?;
    let store = Store::open(&options, POOL_SIZES);
    let scoring = &cli.scoring;
    let parts = Parts {
        store,
        rules,
        zone: scoring.time_zone,
        slot: scoring.slot,
        retention: cli.retention,
        clock: Clock::System,
        auth_required: cli.listening.auth_required(),
    };
    Ok(Opened { parts, private })
}

/// Opens the database and brings its schema up to date.
pub async fn open_prepared(cli: &Cli, sharing: Sharing) -> Result<Opened, CommandError> {
    let opened = open(cli, sharing).await?;
    match opened.parts.prepare().await {
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
        let options =
            PgConnectOptions::from_str(url).map_err(|error| format!("--database-url (DATABASE_URL): {error}"))?;
        return Ok((options.application_name("shopscore"), None));
    }
    let settings =
        PrivateSettings { state_dir: database.state_dir(), binaries: database.postgres_bin.clone(), volatile: false };
    let private = PrivatePostgres::open(&settings, sharing).await?;
    Ok((private.options().clone().application_name("shopscore"), Some(private)))
}
