//! `shopscore backup` and `shopscore restore`.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::exit::{CommandError, Status};
use super::maintain::verify_opened;
use super::open::{Opened, open};
use super::report::show;
use super::settings::Cli;
use crate::storage::dump::{Reached, is_empty};
use crate::storage::private::Sharing;

fn reached(cli: &Cli, opened: &Opened) -> Reached {
    Reached {
        options: opened.options.clone(),
        url: cli.database.database_url.clone().filter(|url| !url.is_empty()),
        programs: cli.database.postgres_bin.clone(),
    }
}

/// What a backup holds.
#[derive(Serialize)]
struct BackedUp {
    file: String,
    bytes: u64,
    /// The newest migration of the schema; none where the database is empty.
    schema: Option<i64>,
}

impl fmt::Display for BackedUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackedUp { file, bytes, schema } = self;
        let schema = schema.map_or_else(|| "without a schema".to_owned(), |version| format!("at schema {version}"));
        write!(formatter, "{file}: {bytes} bytes, the database {schema}")
    }
}

/// Writes the whole database to a file, as of one moment; a service may run beside it.
pub(super) async fn backup(cli: &Cli, file: &Path) -> Result<ExitCode, CommandError> {
    let opened = open(cli, Sharing::Join).await?;
    let result = async {
        let schema = opened.context.store.schema().await?;
        reached(cli, &opened).dump(file).await?;
        let bytes = std::fs::metadata(file)?.len();
        Ok::<_, CommandError>(BackedUp { file: file.display().to_string(), bytes, schema: schema.applied })
    };
    let result = result.await;
    opened.close().await;
    show(&result?, cli.form());
    Ok(Status::Done.into())
}

/// Reads a backup into an empty database, brings its schema up to date, and compares its counts with its events.
pub(super) async fn restore(cli: &Cli, file: &Path) -> Result<ExitCode, CommandError> {
    if !file.is_file() {
        return Err(CommandError::input(format!("{} is no file", file.display())));
    }
    let opened = open(cli, Sharing::Exclusive).await?;
    let result = async {
        let mut connection = opened.context.store.run.acquire().await?;
        if !is_empty(&mut connection).await? {
            let message =
                "the database is not empty; restore into a new one: another --state-dir, or a database without tables";
            return Err(CommandError::input(message));
        }
        drop(connection);
        reached(cli, &opened).restore(file).await?;
        opened.context.prepare().await?;
        verify_opened(cli, &opened).await
    };
    let result = result.await;
    opened.close().await;
    result.map(ExitCode::from)
}
