//! `shopscore bi`: what analysts with SQL need.

use std::fmt;
use std::process::ExitCode;

use chrono::NaiveDate;
use serde::Serialize;

use super::exit::{CommandError, Status};
use super::open::{Opened, open_checked};
use super::report::{show, tell};
use super::settings::{BiCommand, Cli};
use crate::answers::source::Source;
use crate::answers::unpack::{Asked, unpack};
use crate::storage::private::Sharing;
use crate::storage::{StoreError, bi as views, run};

pub(super) async fn bi(cli: &Cli, command: &BiCommand) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let done = match command {
        BiCommand::Grant { role } => grant(cli, &opened, role).await,
        BiCommand::Unpack { date } => {
            let date = date.map(|word| word.date(opened.context.today()));
            unpack_date(cli, &opened, date).await
        }
    };
    opened.close().await;
    done.map(|()| Status::Done.into())
}

#[derive(Serialize)]
struct Granted {
    role: String,
    created: bool,
}

impl fmt::Display for Granted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} may read the views of the schema bi{}",
            self.role,
            if self.created { ", and nothing else of this database" } else { "; what it could do before it still can" }
        )
    }
}

async fn grant(cli: &Cli, opened: &Opened, role: &str) -> Result<(), CommandError> {
    let mut connection = opened.context.store.run.acquire().await.map_err(StoreError::from)?;
    let created = views::grant(&mut connection, role).await?;
    show(&Granted { role: role.to_owned(), created }, cli.form());
    if created {
        tell("the role is new and has no password; set one as the owner of the database: alter role … password '…'");
    }
    Ok(())
}

#[derive(Serialize)]
struct Unpacked {
    date: NaiveDate,
    revision: i32,
    /// Null where they were unpacked before.
    rows: Option<u64>,
}

impl fmt::Display for Unpacked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unpacked { date, revision, rows } = self;
        match rows {
            Some(rows) => write!(formatter, "{date}, revision {revision}: {rows} metrics in bi.metric"),
            None => write!(formatter, "{date}, revision {revision}: its metrics are in bi.metric already"),
        }
    }
}

async fn unpack_date(cli: &Cli, opened: &Opened, date: Option<NaiveDate>) -> Result<(), CommandError> {
    let mut connection = opened.context.store.read.acquire().await.map_err(StoreError::from)?;
    let none = || CommandError::input("no scores of this date are published; shopscore run --date computes them");
    let run = run::published(&mut connection, date, None).await?.ok_or_else(none)?;
    let failed = |error: crate::answers::published::ReadError| CommandError::failed(error.to_string());
    let rows = unpack(&Source::new(&opened.context), run.run_id, Asked::ByHand).await.map_err(failed)?;
    show(&Unpacked { date: run.date, revision: run.revision.unwrap_or_default(), rows }, cli.form());
    Ok(())
}
