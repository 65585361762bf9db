//! One run: plan, then act (scoring law §8).
//!
//! Read counts and stripe heads in one snapshot, compute every card in pure functions, write the results where no
//! reader sees them, and make them visible in one row. A crash anywhere leaves the last published revision standing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Days;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::inputs::{self, KindInputs};
use super::scorer::{Parcel, Unwanted, score_kind};
use super::settled;
use crate::context::Context;
use crate::domain::rules::{RuleBook, RuleSet};
use crate::domain::run::Trigger;
use crate::domain::subject::SubjectKind;
use crate::otel::SPANS;
use crate::storage::lease::{self, RunKnowledge};
use crate::storage::rule_set::{self, UsedRuleSet};
use crate::storage::run::{self, RunRow};

use crate::storage::settled_sum::{self, SettledSums};
use crate::storage::{StoreError, peer_group, retention, score};

/// Parcels of results that wait to be written.
const PARCELS_WAITING: usize = 4;
/// How often a run shows that it is alive.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("another process took over the run")]
    LeaseLost,
    #[error("the computation failed: {0}")]
    Computation(String),
}

/// Computes and publishes a run that this process has claimed. A run that fails is marked so, with the reason.
pub async fn execute(context: &Context, row: &RunRow) -> Result<RunRow, RunError> {
    let alive = keep_alive(context.clone(), row.clone());
    let span = tracing::span!(SPANS, "run", run_id = row.run_id, date = %row.date);
    let result = attempt(context, row).instrument(span).await;
    alive.abort();
    if let Err(error) = &result
        && !matches!(error, RunError::LeaseLost)
    {
        tracing::error!(run_id = row.run_id, date = %row.date, %error, "run failed");
        let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
        lease::fail(&mut connection, row, &error.to_string(), context.now()).await?;
    }
    result
}

/// Renews the lease while the run reads and computes.
fn keep_alive(context: Context, row: RunRow) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            if let Ok(mut connection) = context.store.run.acquire().await
                && let Ok(false) = lease::extend(&mut connection, &row).await
            {
                return;
            }
        }
    })
}

async fn attempt(context: &Context, row: &RunRow) -> Result<RunRow, RunError> {
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    let rules = Rules::of(&mut connection, context, row).await?;
    settled::settle(&mut connection, row.date).await?;
    let began = Instant::now();
    let (kinds, settled_sums) = inputs::read(&mut connection, context, &rules.book, row.date).await?;
    let read = began.elapsed();
    score_and_write(&mut connection, row, &rules, kinds).await?;
    let written = began.elapsed();
    tracing::debug!(run_id = row.run_id, ?read, ?written, "read all counts, and wrote all cards");
    if let Err(error) = keep_sums(&mut connection, row, &settled_sums).await {
        tracing::warn!(%error, date = %row.date, "the sums of settled days were not kept; the next run sums all days");
    }
    let rule_sets = rules.book.rule_sets.iter().map(|rule_set| rules.versions[&rule_set.hash]).collect();
    let (zone, heads) = (context.calendar().zone(), settled_sums.head.heads);
    let knowledge = RunKnowledge { zone, heads, rule_sets, bridges: rules.bridges };
    let now = context.now();
    let late = row.trigger != Trigger::Manual && now >= context.slot.end(row.date);
    // Days may have been removed while the run computed.
    retention::check_whole(&mut connection, inputs::oldest_day(&rules.book, row.date)).await?;
    let published = lease::publish(&mut connection, row, &knowledge, late, now).await?;
    published.ok_or(RunError::LeaseLost)
}

/// Computes all results on threads and writes what is ready meanwhile. Every transaction first renews the lease, which holds
/// the run's row: a process that lost the run writes nothing into the results of the one that has it.
async fn score_and_write(
    connection: &mut PgConnection,
    row: &RunRow,
    rules: &Rules,
    kinds: Vec<KindInputs>,
) -> Result<(), RunError> {
    let (total, mut done) = (kinds.iter().map(KindInputs::len).sum(), 0);
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    progress(&mut transaction, row, total, 0).await?;
    score::delete(&mut transaction, row.run_id).await?;
    peer_group::delete(&mut transaction, row.run_id).await?;
    transaction.commit().await.map_err(StoreError::from)?;

    let (sender, mut parcels) = mpsc::channel(PARCELS_WAITING);
    let book = Arc::clone(&rules.book);
    let computing = tokio::task::spawn_blocking(move || score_kinds(&book, kinds, &sender));
    let mut ready = Vec::with_capacity(PARCELS_WAITING);
    while parcels.recv_many(&mut ready, PARCELS_WAITING).await > 0 {
        let mut transaction = connection.begin().await.map_err(StoreError::from)?;
        lease::commit_asynchronously(&mut transaction).await?;
        progress(&mut transaction, row, total, done).await?;
        for (kind, parcel) in ready.drain(..) {
            let versions: Vec<i16> = rules.book.of_kind(kind).map(|rule_set| rules.versions[&rule_set.hash]).collect();
            match &parcel {
                Parcel::Peers(place, rows) => {
                    peer_group::insert(&mut transaction, row.run_id, versions[*place], rows).await?;
                }
                Parcel::Cards(rows) => {
                    score::insert(&mut transaction, row.run_id, kind, &versions, rows).await?;
                    done += rows.len();
                }
            }
        }
        transaction.commit().await.map_err(StoreError::from)?;
    }
    computing.await.map_err(|error| RunError::Computation(error.to_string()))
}

/// Scores kind after kind, until nobody takes the parcels any more.
fn score_kinds(book: &RuleBook, kinds: Vec<KindInputs>, parcels: &mpsc::Sender<(SubjectKind, Parcel)>) {
    for inputs in kinds {
        let rule_sets: Vec<Arc<RuleSet>> = book.of_kind(inputs.kind).cloned().collect();
        let hand_over = |parcel| parcels.blocking_send((inputs.kind, parcel)).map_err(|_| Unwanted);
        if let Err(Unwanted) = score_kind(&rule_sets, &inputs, hand_over) {
            return;
        }
    }
}

/// Keeps the sums of settled days for the run of the next date. They hold for the moment that was read, whether the run
/// is published or not.
async fn keep_sums(connection: &mut PgConnection, row: &RunRow, settled_sums: &SettledSums) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    if !settled_sum::save(&mut transaction, settled_sums).await? {
        tracing::debug!(date = %row.date, "the sums that are kept are of a later date or know more");
    }
    transaction.commit().await?;
    Ok(())
}

async fn progress(connection: &mut PgConnection, row: &RunRow, total: usize, done: usize) -> Result<(), RunError> {
    if lease::renew(connection, row, total as i64, done as i64).await? { Ok(()) } else { Err(RunError::LeaseLost) }
}

/// The rules of a run: those in force, then the bridges.
struct Rules {
    book: Arc<RuleBook>,
    bridges: i16,
    /// The number of each rule set's text, by its hash.
    versions: HashMap<String, i16>,
}

impl Rules {
    async fn of(connection: &mut PgConnection, context: &Context, row: &RunRow) -> Result<Rules, StoreError> {
        let mut versions = HashMap::new();
        for rule_set in &context.rules.rule_sets {
            let version = rule_set::version(connection, rule_set, context.now()).await?;
            versions.insert(rule_set.hash.clone(), version);
        }
        let mut rule_sets = context.rules.rule_sets.clone();
        for UsedRuleSet { version, rule_set } in bridges(connection, context, row).await? {
            if versions.insert(rule_set.hash.clone(), version).is_none() {
                rule_sets.push(rule_set);
            }
        }
        let bridges = i16::try_from(rule_sets.len() - context.rules.rule_sets.len()).unwrap_or_default();
        Ok(Rules { book: Arc::new(RuleBook { rule_sets }), bridges, versions })
    }
}

/// The rule sets that the run before, and the newest revision of the same date, had in force, as far as the days that
/// they count are still there. What this run has under them tells the change of rules from that of facts.
async fn bridges(
    connection: &mut PgConnection,
    context: &Context,
    row: &RunRow,
) -> Result<Vec<UsedRuleSet>, StoreError> {
    let mut bridges = Vec::new();
    let whole_from = retention::whole_from(connection).await?;
    let before = run::published_before(connection, row.date).await?;
    for date in [before, Some(row.date)].into_iter().flatten() {
        let Some(earlier) = run::published(connection, Some(date), None).await? else { continue };
        // Bridges only explain: a text that cannot be read any more must not keep scores from being published.
        let of_run = match context.archive.of_run(connection, &earlier).await {
            Err(StoreError::Corrupt(what)) => {
                tracing::warn!(%what, %date, "changes since this date are told without its rules");
                continue;
            }
            of_run => of_run?,
        };
        for used in of_run {
            let oldest = row.date - Days::new(used.rule_set.longest_window().into());
            if whole_from.is_none_or(|from| from <= oldest) {
                bridges.push(used);
            }
        }
    }
    Ok(bridges)
}
