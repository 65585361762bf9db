//! `shopscore migrate`, `rebuild`, `verify` and `retain`.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::exit::{CommandError, Status};
use super::open::{Opened, open, open_checked, open_schema};
use super::progress::Progress;
use super::report::show;
use super::settings::Cli;
use crate::config::RetentionSettings;
use crate::scoring::rebuild;
use crate::scoring::retention::{self, Swept};
use crate::storage::StoreError;
use crate::storage::private::Sharing;
use crate::storage::schema::Schema;

/// What a migration did, or would do.
#[derive(Serialize)]
struct Migrated {
    /// The schema before; none of an empty database.
    schema: Option<i64>,
    is_plan: bool,
    migrations: Vec<Migration>,
}

#[derive(Serialize)]
struct Migration {
    version: i64,
    description: String,
}

impl fmt::Display for Migrated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema.map_or_else(|| "empty".to_owned(), |version| format!("at schema {version}"));
        let done = if self.is_plan { "to apply" } else { "applied" };
        write!(formatter, "the database was {schema}; {} migrations {done}", self.migrations.len())?;
        self.migrations
            .iter()
            .try_for_each(|Migration { version, description }| write!(formatter, "\n{version:04} {description}"))
    }
}

/// Brings the schema up to date, or only says what that would do.
pub(super) async fn migrate(cli: &Cli, is_plan: bool) -> Result<ExitCode, CommandError> {
    let opened = open(cli, Sharing::Join).await?;
    let result = async {
        let schema = opened.context.store.schema().await?;
        if !is_plan {
            opened.context.store.migrate().await?;
        }
        Ok::<Schema, StoreError>(schema)
    };
    let result = result.await;
    opened.close().await;
    let Schema { applied, pending } = result?;
    let migrations = pending.into_iter().map(|(version, description)| Migration { version, description }).collect();
    show(&Migrated { schema: applied, is_plan, migrations }, cli.form());
    Ok(Status::Done.into())
}

/// What a rebuild counted.
#[derive(Serialize)]
struct Rebuilt {
    /// Orders, sessions and products.
    aggregates: u64,
    time_zone: String,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rebuilt { aggregates, time_zone } = self;
        write!(
            formatter,
            "rebuilt the counts of {aggregates} orders, sessions and products in the time zone {time_zone}"
        )
    }
}

pub(super) async fn rebuild(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open_schema(cli, Sharing::Join).await?;
    let calendar = opened.context.calendar();
    let progress = Progress::new("orders, sessions and products", Some(0), cli.voice());
    let store = &opened.context.store;
    let result = rebuild::rebuild(store, &calendar, &|done, all| show_counted(&progress, done, all)).await;
    progress.finish();
    opened.close().await;
    show(&Rebuilt { aggregates: result?, time_zone: calendar.zone().to_string() }, cli.form());
    Ok(Status::Done.into())
}

fn show_counted(progress: &Progress, done: u64, all: u64) {
    progress.set_steps(all.max(done));
    progress.set(done, done, "");
}

/// What a verification found.
#[derive(Serialize)]
struct Verified {
    /// Orders, sessions and products.
    aggregates: u64,
    /// Rows of counts, and sums, that differ.
    differing_rows: i64,
    /// The first of them, in words.
    differences: Vec<String>,
}

impl fmt::Display for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verified { aggregates, differing_rows, differences } = self;
        differences.iter().try_for_each(|difference| writeln!(formatter, "{difference}"))?;
        if *differing_rows == 0 {
            return write!(
                formatter,
                "the stored counts equal the counts rebuilt from {aggregates} orders, sessions and products, \
                 and the stored sums are correct"
            );
        }
        write!(formatter, "{differing_rows} rows of counts and sums differ; shopscore rebuild corrects them")
    }
}

pub(super) async fn verify(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = verify_opened(cli, &opened).await;
    opened.close().await;
    result.map(ExitCode::from)
}

/// Compares the counts of a database with its events, and shows what was found.
pub(super) async fn verify_opened(cli: &Cli, opened: &Opened) -> Result<Status, CommandError> {
    let progress = Progress::new("orders, sessions and products", Some(0), cli.voice());
    let (store, calendar) = (&opened.context.store, opened.context.calendar());
    let found = rebuild::verify(store, &calendar, &|done, all| show_counted(&progress, done, all)).await;
    progress.finish();
    let rebuild::Verification { aggregates, differences, differing_rows } = found?;
    show(&Verified { aggregates, differing_rows, differences }, cli.form());
    Ok(if differing_rows == 0 { Status::Done } else { Status::Findings })
}

/// What a sweep removed.
#[derive(Serialize)]
struct Retained {
    cards: u64,
    card_days: u16,
    events: u64,
    /// Orders, sessions and products that lost events.
    aggregates: u64,
    /// None where events are kept for ever.
    event_days: Option<u16>,
    audit_entries: u64,
    /// None where the audit trail is kept for ever.
    audit_days: Option<u16>,
}

impl fmt::Display for Retained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Retained { cards, card_days, events, aggregates, event_days, audit_entries, audit_days } = self;
        writeln!(formatter, "removed {cards} full cards of dates more than {card_days} days ago")?;
        match event_days {
            Some(days) => write!(
                formatter,
                "removed {events} events of {aggregates} orders, sessions and products, older than {days} days"
            ),
            None => formatter.write_str("events are kept for ever; --event-days changes that"),
        }?;
        match audit_days {
            Some(days) => {
                write!(formatter, "\nremoved {audit_entries} entries of the audit trail, older than {days} days")
            }
            None => Ok(()),
        }
    }
}

/// One whole sweep. A service on the same database may sweep at the same time.
pub(super) async fn retain(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = retention::sweep(&opened.context).await;
    let kept = opened.context.retention;
    opened.close().await;
    let Swept { cards, aggregates, events, audit_entries } = result?;
    let RetentionSettings { card_days, event_days, audit_days, .. } = kept;
    let retained = Retained { cards, card_days, events, aggregates, event_days, audit_entries, audit_days };
    show(&retained, cli.form());
    Ok(Status::Done.into())
}
