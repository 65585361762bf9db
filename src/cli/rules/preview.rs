//! `shopscore rules preview`: a draft replayed over the fleet. Nothing is published or kept.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::NaiveDate;
use serde::Serialize;

use super::commands::PreviewSettings;
use crate::cli::exit::{CommandError, Status};
use crate::cli::open::{Opened, open_checked};
use crate::cli::report::show;
use crate::cli::settings::Cli;
use crate::domain::decimal::Decimal;
use crate::domain::preview::{PreviewScore, PreviewSummary, Side, Spread};
use crate::scoring::preview::{self as work, Pair, PreviewError};
use crate::scoring::rule_sets;
use crate::storage::private::Sharing;
use crate::storage::run;

/// Subjects that are shown of those who fall and rise most.
const MOVERS_SHOWN: usize = 10;

pub(super) async fn preview(cli: &Cli, settings: &PreviewSettings) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = preview_on(cli, &opened, settings).await;
    opened.close().await;
    result.map(ExitCode::from)
}

async fn preview_on(cli: &Cli, opened: &Opened, settings: &PreviewSettings) -> Result<Status, CommandError> {
    let context = &opened.context;
    let draft = rule_sets::read_file(&settings.file).map_err(|error| CommandError::input(error.to_string()))?;
    let date = match &settings.date {
        Some(word) => word.date(context.today()),
        None => {
            let mut connection = context.store.run.acquire().await?;
            let dates = run::published_dates(&mut connection).await?;
            dates
                .map(|(_, newest)| newest)
                .ok_or_else(|| CommandError::usage("nothing is published yet; give --date"))?
        }
    };
    if date > context.today() {
        return Err(CommandError::usage("--date must not be after today"));
    }
    let against = work::held_against(&context.rules, &draft, date, settings.against.as_deref()).ok_or_else(|| {
        let known: Vec<&str> = context.rules.of_kind(draft.kind).map(|rule_set| rule_set.id.as_str()).collect();
        CommandError::usage(format!("--against must be a rule set for {}s: {}", draft.kind, known.join(", ")))
    })?;
    let pair = Pair { against: Arc::clone(against), draft: Arc::new(draft) };
    let stop = Arc::new(AtomicBool::new(false));
    let scores = work::give_way(context, &stop, work::compute(context, &pair, date, Arc::clone(&stop))).await;
    let scores = scores.map_err(|error| match error {
        PreviewError::Left => {
            CommandError::failed("previews give way to runs, and one waits or computes: ask again later")
        }
        error => CommandError::failed(error.to_string()),
    })?;
    if let Some(file) = &settings.csv {
        let cannot = |error| CommandError::input(format!("{} cannot be written: {error}", file.display()));
        write_csv(file, &scores).map_err(cannot)?;
    }
    show(&Previewed::of(&pair, date, &scores), cli.form());
    Ok(Status::Done)
}

/// What a draft would do.
#[derive(Serialize)]
struct Previewed {
    date: NaiveDate,
    against: String,
    draft: String,
    subjects: usize,
    summary: PreviewSummary,
    falls: Vec<Moved>,
    rises: Vec<Moved>,
}

/// A subject whose score changes much.
#[derive(Serialize)]
struct Moved {
    id: String,
    from: Option<String>,
    to: Option<String>,
    /// Metrics with their parts.
    by: Vec<(String, String)>,
}

impl Previewed {
    fn of(pair: &Pair, date: NaiveDate, scores: &[PreviewScore]) -> Previewed {
        let mut by_change: Vec<&PreviewScore> = scores.iter().filter(|score| score.change().is_some()).collect();
        by_change.sort_by_key(|score| (score.change(), score.subject_id.clone()));
        let falls = by_change.iter().take(MOVERS_SHOWN).filter(|score| score.change() < Some(Decimal::ZERO));
        let rises = by_change.iter().rev().take(MOVERS_SHOWN).filter(|score| score.change() > Some(Decimal::ZERO));
        Previewed {
            date,
            against: pair.against.id.clone(),
            draft: pair.draft.id.clone(),
            subjects: scores.len(),
            summary: work::summarize(scores),
            falls: falls.map(|score| moved(score)).collect(),
            rises: rises.map(|score| moved(score)).collect(),
        }
    }
}

fn moved(score: &PreviewScore) -> Moved {
    let by = score.movers.iter().map(|mover| {
        let change = Decimal::rounded(mover.change.into(), 1_000_000, 2);
        (mover.metric.clone(), change.to_string())
    });
    let shown = |score: Option<Decimal>| score.map(|score| score.to_string());
    Moved {
        id: score.subject_id.to_string(),
        from: shown(score.against.score),
        to: shown(score.draft.score),
        by: by.collect(),
    }
}

fn tier(level: Option<i16>) -> String {
    level.map_or("none".to_owned(), |level| level.to_string())
}

impl fmt::Display for Previewed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Previewed { date, against, draft, subjects, summary, falls, rises } = self;
        writeln!(formatter, "{draft} instead of {against} on {date}: {subjects} subjects")?;
        writeln!(formatter, "\ntier now (rows) and under the draft (columns)")?;
        let levels = |pick: fn(&crate::domain::preview::TierStep) -> Option<i16>| {
            summary.moves.iter().map(pick).collect::<BTreeSet<_>>()
        };
        let (rows, columns) = (levels(|step| step.from), levels(|step| step.to));
        let head: Vec<String> = columns.iter().map(|level| format!("{:>8}", tier(*level))).collect();
        writeln!(formatter, "{:>6}{}", "", head.concat())?;
        for from in rows {
            let cells = columns.iter().map(|to| {
                let step = summary.moves.iter().find(|step| step.from == from && step.to == *to);
                format!("{:>8}", step.map_or(0, |step| step.subjects))
            });
            writeln!(formatter, "{:>6}{}", tier(from), cells.collect::<String>())?;
        }
        writeln!(formatter, "\n{:<8}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "p10", "p25", "p50", "p75", "p90")?;
        for (name, spread) in
            [("now", &summary.against_score), ("draft", &summary.draft_score), ("change", &summary.change)]
        {
            writeln!(formatter, "{name:<8}{}", spread_cells(spread))?;
        }
        for (title, moved) in [("fall most", falls), ("rise most", rises)] {
            writeln!(formatter, "\n{title}:")?;
            for one in moved {
                let shown = |score: &Option<String>| score.clone().unwrap_or_default();
                let by: Vec<String> = one.by.iter().map(|(metric, change)| format!("{metric} {change}")).collect();
                writeln!(
                    formatter,
                    "  {:<24}{:>7} → {:<7} {}",
                    one.id,
                    shown(&one.from),
                    shown(&one.to),
                    by.join(", ")
                )?;
            }
        }
        Ok(())
    }
}

fn spread_cells(spread: &Spread) -> String {
    let shown = spread.quantiles().values.map(|value| value.map_or("-".to_owned(), |value| value.to_string()));
    shown.iter().map(|value| format!("{value:>9}")).collect()
}

/// One row for each subject. Ids and words have neither commas nor quotes; ids that a spreadsheet would take for a formula are
/// defused.
fn write_csv(file: &Path, scores: &[PreviewScore]) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    writeln!(
        out,
        "id,category_id,status_against,score_against,tier_against,status_draft,score_draft,tier_draft,change,mover_1,mover_2,mover_3"
    )?;
    let text = |text: &str| {
        let is_formula = text.starts_with(['=', '+', '-', '@']);
        let quoted = text.replace('"', "\"\"");
        if is_formula { format!("\"'{quoted}\"") } else { format!("\"{quoted}\"") }
    };
    let number = |number: Option<Decimal>| number.map_or(String::new(), |number| number.to_string());
    let side = |side: &Side| {
        let level = side.tier_level.map_or(String::new(), |level| level.to_string());
        format!("{},{},{level}", side.status.as_str(), number(side.score))
    };
    for score in scores {
        let category = score.category_id.as_ref().map_or(String::new(), |id| text(id.as_str()));
        let mut movers = score.movers.iter().map(|mover| mover.metric.as_str());
        let movers: Vec<&str> = (0..3).map(|_| movers.next().unwrap_or_default()).collect();
        let (id, change) = (text(score.subject_id.as_str()), number(score.change()));
        writeln!(out, "{id},{category},{},{},{change},{}", side(&score.against), side(&score.draft), movers.join(","))?;
    }
    out.flush()
}
