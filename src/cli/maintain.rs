//! `shopscore run`, `migrate`, `rebuild`, `verify` and `retain`.

use std::process::ExitCode;
use std::time::Duration;

use chrono::NaiveDate;
use indicatif::{ProgressBar, ProgressStyle};

use super::open::{Opened, open, open_checked};
use super::settings::{Cli, CommandError};
use crate::context::Context;
use crate::domain::run::RunRequest;
use crate::scoring::run::execute;
use crate::scoring::{rebuild, retention};
use crate::storage::StoreError;
use crate::storage::lease;
use crate::storage::private::Sharing;
use crate::storage::run::{self as rows, Requested, RunRow};
use crate::storage::schema::Schema;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Computes and publishes one date. A service on the same database may claim the run first; then this waits for it.
pub(super) async fn run(cli: &Cli, date: NaiveDate, reason: Option<String>) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = run_date(&opened, date, reason).await;
    opened.close().await;
    let row = result?;
    match row.revision {
        Some(revision) => {
            println!("{date}: published as revision {revision} (run {}), {} subjects", row.run_id, row.subjects_total);
            Ok(ExitCode::SUCCESS)
        }
        None => Err(format!("run {} failed: {}", row.run_id, row.error.unwrap_or_default()).into()),
    }
}

async fn run_date(opened: &Opened, date: NaiveDate, reason: Option<String>) -> Result<RunRow, CommandError> {
    let context = opened.context.clone();
    let now = context.now();
    let request = RunRequest::manual(date, reason, context.today())?;
    let mut connection = context.store.run.acquire().await?;
    let queued = match rows::request(&mut connection, &request, now).await? {
        Requested::Queued(row) => *row,
        Requested::UnderWay(run_id) => return Err(format!("run {run_id} of {date} is under way already").into()),
    };
    let claimed = lease::claim(&mut connection, Some(queued.run_id), now).await?;
    drop(connection);
    let progress = tokio::spawn(show_progress(context.clone(), queued.run_id));
    if let Some(row) = claimed {
        let executed = execute(&context, &row).await;
        progress.abort();
        return Ok(executed?);
    }
    progress.await??;
    let mut connection = context.store.run.acquire().await?;
    rows::get(&mut connection, queued.run_id).await?.ok_or_else(|| "the run is gone".into())
}

/// Shows how far a run is until it has ended: a bar on a terminal, plain lines elsewhere.
async fn show_progress(context: Context, run_id: i64) -> Result<(), StoreError> {
    let bar = ProgressBar::new(0).with_style(bar_style("subjects"));
    let mut shown = None;
    loop {
        let mut connection = context.store.run.acquire().await?;
        let Some(row) = rows::get(&mut connection, run_id).await? else { return Ok(()) };
        drop(connection);
        bar.set_length(row.subjects_total as u64);
        bar.set_position(row.subjects_done as u64);
        if bar.is_hidden() && shown != Some(row.subjects_done) {
            eprintln!("run {run_id}: {} of {} subjects", row.subjects_done, row.subjects_total);
            shown = Some(row.subjects_done);
        }
        if row.state.is_final() {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The look of all progress bars.
pub(super) fn bar_style(unit: &str) -> ProgressStyle {
    let template = format!("{{elapsed_precise}} [{{bar:40}}] {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{msg}}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

pub(super) async fn rebuild(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open(cli, Sharing::Join).await?;
    let result = async {
        opened.context.store.check_schema().await?;
        rebuild::rebuild(&opened.context.store, &opened.context.calendar()).await
    };
    let result = result.await;
    let zone = opened.context.calendar().zone();
    opened.close().await;
    println!("rebuilt the counts of {} orders, sessions and products in the time zone {zone}", result?);
    Ok(ExitCode::SUCCESS)
}

/// Brings the schema up to date, or only says what that would do.
pub(super) async fn migrate(cli: &Cli, only_plan: bool) -> Result<ExitCode, CommandError> {
    let opened = open(cli, Sharing::Join).await?;
    let result = async {
        let schema = opened.context.store.schema().await?;
        if !only_plan {
            opened.context.store.migrate().await?;
        }
        Ok::<Schema, StoreError>(schema)
    };
    let result = result.await;
    opened.close().await;
    let Schema { applied, pending } = result?;
    let applied = applied.map_or_else(|| "empty".to_owned(), |version| format!("at schema {version}"));
    let done = if only_plan { "to apply" } else { "applied" };
    println!("the database was {applied}; {} migrations {done}", pending.len());
    for (version, description) in pending {
        println!("{version:04} {description}");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn verify(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = rebuild::verify(&opened.context.store, &opened.context.calendar()).await;
    opened.close().await;
    let verification = result?;
    for difference in &verification.differences {
        println!("{difference}");
    }
    let aggregates = verification.aggregates;
    if verification.differing_rows == 0 {
        println!(
            "the stored counts equal the counts rebuilt from {aggregates} orders, sessions and products, \
             and the stored sums are correct"
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} rows of counts and sums differ; shopscore rebuild corrects them", verification.differing_rows);
    Ok(ExitCode::FAILURE)
}

/// One whole sweep. A service on the same database may sweep at the same time.
pub(super) async fn retain(cli: &Cli) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = retention::sweep(&opened.context).await;
    let kept = opened.context.retention;
    opened.close().await;
    let swept = result?;
    println!("removed {} full cards of dates more than {} days ago", swept.cards, kept.card_days);
    match kept.event_days {
        Some(days) => {
            let (events, aggregates) = (swept.events, swept.aggregates);
            println!("removed {events} events of {aggregates} orders, sessions and products, older than {days} days");
        }
        None => println!("events are kept for ever; --event-days changes that"),
    }
    Ok(ExitCode::SUCCESS)
}
