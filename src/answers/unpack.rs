//! Metrics of published cards as rows of a table, for analysts with SQL (`bi.metric`).

use std::fmt::Write;
use std::time::Duration;

use sqlx::Connection;

use super::export::{Export, WantedExport};
use super::published::ReadError;
use super::source::Source;
use crate::domain::decimal::PLACES_MAX;
use crate::domain::id::Id;
use crate::domain::score::Card;
use crate::storage::{StoreError, bi, run};

/// How often it is looked whether there is something to unpack.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Who wants a run unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It goes when there are so many newer ones.
    BySetting,
    /// It stays as long as its full cards do.
    ByHand,
}

/// Keeps the newest revisions of so many dates unpacked. Never ends.
pub(crate) async fn keep_unpacking(source: Source, days: u16) {
    if days == 0 {
        return std::future::pending().await;
    }
    loop {
        if let Err(error) = unpack_days(&source, days.into()).await {
            tracing::warn!(%error, "metrics are unpacked for analysts in a moment");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn unpack_days(source: &Source, days: i64) -> Result<(), ReadError> {
    let mut connection = source.context.store.run.acquire().await.map_err(StoreError::from)?;
    let wanted = bi::wanted(&mut connection, days).await?;
    for run_id in &wanted {
        unpack(source, *run_id, Asked::BySetting).await?;
    }
    if !wanted.is_empty() {
        bi::forget(&mut connection, days).await?;
    }
    Ok(())
}

/// Unpacks the metrics of a published run, under all rule sets that were in force. Returns how many rows they are; `None` where they
/// are there already.
pub(crate) async fn unpack(source: &Source, run_id: i64, asked: Asked) -> Result<Option<u64>, ReadError> {
    let context = &source.context;
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    let run = run::get(&mut connection, run_id).await?;
    let Some(run) = run.filter(|run| run.revision.is_some()) else { return Ok(None) };
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    if !bi::take(&mut transaction, run_id, asked == Asked::ByHand, context.now()).await? {
        return Ok(None);
    }
    let mut rows = 0;
    for used in context.archive.of_run(&mut transaction, &run).await? {
        let (kind, rule_set) = (used.rule_set.kind, Some(used.rule_set.id.clone()));
        let wanted = WantedExport { date: Some(run.date), revision: run.revision, kind, rule_set, ids: None };
        let mut export = source.export(wanted).await?;
        loop {
            let page = export.next().await?;
            if page.is_empty() {
                break;
            }
            let mut text = String::new();
            for (id, card) in &page {
                rows += write_rows(&mut text, &export, (run_id, used.version), id, card);
            }
            bi::copy_metrics(&mut transaction, text.as_bytes()).await?;
        }
    }
    transaction.commit().await.map_err(StoreError::from)?;
    bi::analyze(&mut connection).await?;
    Ok(Some(rows))
}

/// Writes a card's metrics in the text format of `copy`; its ids need their backslashes doubled alone.
fn write_rows(text: &mut String, export: &Export, (run_id, version): (i64, i16), id: &Id, card: &Card) -> u64 {
    let rule_set = &export.rule_set;
    let escaped = |id: &Id| id.as_str().replace('\\', "\\\\");
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "\\N".to_owned());
    let (id, category_id) = (escaped(id), or_null(card.category_id.as_ref().map(escaped)));
    for (rule, metric) in rule_set.metrics.iter().zip(&card.metrics) {
        let standing = metric.assessed.and_then(|assessed| assessed.standing);
        let value = or_null(metric.count.value(rule.metric).map(|value| value.rounded(PLACES_MAX).to_string()));
        let points = or_null(metric.assessed.map(|assessed| assessed.points.to_string()));
        let basis = or_null(metric.assessed.map(|assessed| assessed.basis().as_str().to_owned()));
        let peers = or_null(standing.map(|standing| standing.peers.to_string()));
        let better = or_null(standing.map(|standing| standing.better_peers.to_string()));
        let (dimension, name) = (&rule_set.dimensions[rule.dimension].id, rule.metric.id());
        let (numerator, denominator) = (metric.count.numerator, metric.count.denominator(rule.metric));
        // A string takes whatever is written.
        let _ = writeln!(
            text,
            "{run_id}\t{version}\t{id}\t{category_id}\t{dimension}\t{name}\t{numerator}\t{denominator}\t{value}\t{points}\t{basis}\t{peers}\t{better}"
        );
    }
    rule_set.metrics.len() as u64
}
