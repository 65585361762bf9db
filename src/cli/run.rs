//! `shopscore run`: scores of one date, or of a range of dates, by hand.

use std::convert::Infallible;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use chrono::NaiveDate;
use serde::Serialize;

use super::date_word::DateWord;
use super::exit::{CommandError, Status};
use super::open::{Opened, open_checked};
use super::progress::{Progress, Voice};
use super::report::show;
use super::settings::{Cli, RunSettings};
use crate::context::Context;
use crate::domain::audit::Actor;
use crate::domain::run::{DATES_MAX, RunRequest, dates};
use crate::scoring::run::execute;
use crate::storage::lease;
use crate::storage::private::Sharing;
use crate::storage::run::{self as rows, Requested, RunRow};

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Computes and publishes dates, one after another. A service on the same database may claim a run first; then this waits
/// for it.
pub(super) async fn run(cli: &Cli, settings: &RunSettings) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = run_dates(cli, &opened, settings).await;
    opened.close().await;
    result.map(ExitCode::from)
}

async fn run_dates(cli: &Cli, opened: &Opened, settings: &RunSettings) -> Result<Status, CommandError> {
    let mut status = Status::Done;
    for date in wanted(settings, opened.context.today())? {
        let row = run_date(opened, date, settings.reason.clone(), cli.voice()).await?;
        let ended = Ended::from(row);
        if ended.revision.is_none() {
            status = Status::Findings;
        }
        show(&ended, cli.form());
    }
    Ok(status)
}

/// The dates that are wanted, all of which may be scored.
fn wanted(settings: &RunSettings, today: NaiveDate) -> Result<Vec<NaiveDate>, CommandError> {
    let date = |word: Option<DateWord>| word.map(|word| word.date(today));
    let (from, to) = match (date(settings.date), date(settings.from), date(settings.to)) {
        (Some(date), _, _) => (date, date),
        (None, Some(from), Some(to)) => (from, to),
        _ => return Err(CommandError::usage("give --date, or --from and --to")),
    };
    let wrong =
        || CommandError::usage(format!("--to must be --from or later, and at most {} days after it", DATES_MAX - 1));
    let wanted = dates(from, to).ok_or_else(wrong)?;
    for date in [from, to] {
        let checked = RunRequest::manual(date, settings.reason.clone(), today);
        checked.map_err(|error| CommandError::usage(format!("{date}: {error}")))?;
    }
    Ok(wanted)
}

async fn run_date(
    opened: &Opened,
    date: NaiveDate,
    reason: Option<String>,
    voice: Voice,
) -> Result<RunRow, CommandError> {
    let context = opened.context.clone();
    let now = context.now();
    let request = RunRequest::manual(date, reason, context.today())?;
    let mut connection = context.store.run.acquire().await?;
    let requested = rows::request_all(&mut connection, &[request], Actor::CommandLine, now).await?;
    let queued = match requested.into_iter().next() {
        Some(Requested::Queued(row)) => *row,
        None => return Err(CommandError::failed(format!("the run of {date} was not queued"))),
        Some(Requested::UnderWay(run_id)) => {
            return Err(CommandError::failed(format!("run {run_id} of {date} is under way already")));
        }
    };
    let claimed = lease::claim(&mut connection, Some(queued.run_id), now).await?;
    drop(connection);
    let shown = show_progress(&context, queued.run_id, voice);
    match claimed {
        Some(row) => {
            // Whatever becomes of the display, the run goes on.
            let shown = async {
                let _ = shown.await;
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                executed = execute(&context, &row) => Ok(executed?),
                never = shown => match never {},
            }
        }
        None => shown.await,
    }
}

/// Shows how far a run is until it has ended, and how it did.
async fn show_progress(context: &Context, run_id: i64, voice: Voice) -> Result<RunRow, CommandError> {
    let progress = Progress::new("subjects", Some(0), voice);
    loop {
        let mut connection = context.store.run.acquire().await?;
        let row = rows::get(&mut connection, run_id).await?;
        drop(connection);
        let row = row.ok_or_else(|| CommandError::failed(format!("run {run_id} is gone")))?;
        progress.set_steps(row.subjects_total as u64);
        progress.set(row.subjects_done as u64, row.subjects_done as u64, format_args!(" of {}", row.date));
        if row.state.is_final() {
            return Ok(row);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How a run ended.
#[derive(Serialize)]
struct Ended {
    run_id: String,
    date: NaiveDate,
    /// None where it failed.
    revision: Option<i32>,
    subjects: i64,
    late: bool,
    error: Option<String>,
}

impl From<RunRow> for Ended {
    fn from(row: RunRow) -> Ended {
        let RunRow { run_id, date, revision, subjects_total: subjects, late, error, .. } = row;
        Ended { run_id: run_id.to_string(), date, revision, subjects, late, error }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended { run_id, date, revision, subjects, error, .. } = self;
        match revision {
            Some(revision) => {
                write!(formatter, "{date}: published as revision {revision} (run {run_id}), {subjects} subjects")
            }
            None => write!(formatter, "{date}: run {run_id} failed: {}", error.as_deref().unwrap_or_default()),
        }
    }
}
