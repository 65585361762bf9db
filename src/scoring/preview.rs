//! Draft rule sets replayed over the fleet: the counts of this moment under a draft and under a rule set that it is held against.
//! One at a time, and never beside a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::NaiveDate;
use serde_json::json;
use sqlx::Connection;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::inputs::{self, KindInputs, is_read_for};
use super::scorer::Scorer;
use super::settled;
use crate::context::Context;
use crate::domain::audit::{Action, Actor};
use crate::domain::preview::{PreviewScore, PreviewSummary, Summing};
use crate::domain::rules::{RuleBook, RuleSet, file};
use crate::storage::audit::{self, Change};
use crate::storage::preview::{self as rows, Ended, NewPreview, PreviewRow};
use crate::storage::{StoreError, preview_score, run};

/// Subjects that are written with one statement.
const TOGETHER: usize = 2_000;
/// How often it is looked whether something waits, and whether a run begins.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const GIVE_WAY_EVERY: Duration = Duration::from_millis(50);

/// Why a preview was not finished.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the computation failed: {0}")]
    Computation(String),
    /// The work is to be left.
    #[error("a run came between")]
    Left,
}

impl PreviewError {
    /// Whether it may succeed later.
    fn is_passing(&self) -> bool {
        match self {
            PreviewError::Store(error) => error.is_passing(),
            PreviewError::Left => true,
            PreviewError::Computation(_) => false,
        }
    }

    /// What is told of it. What the store says is for the log alone.
    fn told(&self) -> &str {
        match self {
            PreviewError::Computation(error) => error,
            PreviewError::Store(_) | PreviewError::Left => "an internal fault; the log of the service says which",
        }
    }
}

/// A draft beside a rule set that it is held against, both of one kind.
#[derive(Clone, Debug)]
pub struct Pair {
    pub against: Arc<RuleSet>,
    pub draft: Arc<RuleSet>,
}

/// The subjects of a date under both rule sets, from the counts of this moment, by id. `stop` ends the computation early.
pub(crate) async fn compute(
    context: &Context,
    pair: &Pair,
    date: NaiveDate,
    stop: Arc<AtomicBool>,
) -> Result<Vec<PreviewScore>, PreviewError> {
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    // As a run does: what is settled is told apart from what is still written.
    settled::settle(&mut connection, date).await?;
    let (kinds, _) = inputs::read(&mut connection, context, &read_for(&context.rules, pair), date).await?;
    drop(connection);
    let of_kind = kinds.into_iter().find(|inputs| inputs.kind == pair.draft.kind);
    let (pair, inputs) = (pair.clone(), of_kind.ok_or(PreviewError::Left)?);
    let computed = tokio::task::spawn_blocking(move || score(&pair, inputs, &stop)).await;
    computed.map_err(|error| PreviewError::Computation(error.to_string()))?.ok_or(PreviewError::Left)
}

/// The rule sets for which a preview reads sums. Where both need nothing that runs do not read, those of runs: their sums are kept
/// and need not be made anew.
fn read_for(in_force: &RuleBook, pair: &Pair) -> RuleBook {
    let own = RuleBook { rule_sets: vec![Arc::clone(&pair.against), Arc::clone(&pair.draft)] };
    if is_read_for(&own, in_force) { in_force.clone() } else { own }
}

/// On one thread: a preview is in no hurry. `None` where it was stopped.
fn score(pair: &Pair, inputs: KindInputs, stop: &AtomicBool) -> Option<Vec<PreviewScore>> {
    let old = Scorer::new(&pair.against, &inputs);
    let new = Scorer::new(&pair.draft, &inputs);
    let score = |place: usize| {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let id = inputs.id(place).clone();
        Some(PreviewScore::of(id, (&pair.against, old.card(place)), (&pair.draft, new.card(place))))
    };
    (0..inputs.len()).map(score).collect()
}

/// What subjects come to together.
pub(crate) fn summarize(scores: &[PreviewScore]) -> PreviewSummary {
    let mut summing = Summing::default();
    scores.iter().for_each(|score| summing.add(score));
    summing.finish()
}

/// Works on what waits until the task is aborted. `wake` is notified when a preview was asked for.
pub(crate) async fn keep_previewing(context: Context, wake: Arc<Notify>) {
    loop {
        match work_once(&context).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "previews go on in a moment"),
        }
        let _ = timeout(LOOK_EVERY, wake.notified()).await;
    }
}

/// Claims a preview and works on it. `false` if there is none that may be worked on.
pub async fn work_once(context: &Context) -> Result<bool, PreviewError> {
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let claimed = rows::claim(&mut transaction, context.now()).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    drop(connection);
    let Some(row) = claimed else { return Ok(false) };
    let stop = Arc::new(AtomicBool::new(false));
    let worked = give_way(context, &stop, work(context, &row, Arc::clone(&stop))).await;
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    let now = context.now();
    match &worked {
        Ok(summary) => {
            rows::end(&mut connection, &row, Ended::Done(summary), now).await?;
        }
        Err(error) if error.is_passing() => {
            tracing::debug!(preview_id = row.preview_id, %error, "a preview goes on later");
            rows::end(&mut connection, &row, Ended::Waits, now).await?;
        }
        Err(error) => {
            tracing::error!(preview_id = row.preview_id, %error, "a preview failed");
            rows::end(&mut connection, &row, Ended::Failed(error.told()), now).await?;
        }
    }
    rows::forget(&mut connection, now).await?;
    Ok(!worked.is_err_and(|error| error.is_passing()))
}

/// Works on a preview until a run begins. `stop` is set when the work is over or left.
pub(crate) async fn give_way<T>(
    context: &Context,
    stop: &AtomicBool,
    work: impl Future<Output = Result<T, PreviewError>>,
) -> Result<T, PreviewError> {
    let worked = tokio::select! {
        worked = work => worked,
        () = run_begins(context) => Err(PreviewError::Left),
    };
    stop.store(true, Ordering::Relaxed);
    worked
}

/// Returns when a run waits or computes.
async fn run_begins(context: &Context) {
    loop {
        tokio::time::sleep(GIVE_WAY_EVERY).await;
        let Ok(mut connection) = context.store.run.acquire().await else { continue };
        if let Ok(true) = rows::is_run_under_way(&mut connection).await {
            return;
        }
    }
}

async fn work(context: &Context, row: &PreviewRow, stop: Arc<AtomicBool>) -> Result<PreviewSummary, PreviewError> {
    let read = |text: &str| {
        let unreadable = |_| PreviewError::Computation("a rule set of it cannot be read any more".to_owned());
        file::parse_stored(text).map(Arc::new).map_err(unreadable)
    };
    let pair = Pair { against: read(&row.against)?, draft: read(&row.draft)? };
    let alive = keep_alive(context.clone(), row.clone());
    let computed = compute(context, &pair, row.date, stop).await;
    alive.abort();
    let scores = computed?;
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    for (index, together) in scores.chunks(TOGETHER).enumerate() {
        // Whoever holds the row is the one that writes: a process that lost the preview writes nothing more.
        let mut transaction = connection.begin().await.map_err(StoreError::from)?;
        if !rows::renew(&mut transaction, row, (scores.len(), index * TOGETHER)).await? {
            return Err(PreviewError::Left);
        }
        if index == 0 {
            preview_score::clear(&mut transaction, row.preview_id).await?;
        }
        preview_score::write(&mut transaction, row.preview_id, together).await?;
        transaction.commit().await.map_err(StoreError::from)?;
    }
    Ok(summarize(&scores))
}

/// Renews the lease while the preview reads and computes.
fn keep_alive(context: Context, row: PreviewRow) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(super::run::RENEW_EVERY).await;
            if let Ok(mut connection) = context.store.run.acquire().await
                && let Ok(false) = rows::renew(&mut connection, &row, (0, 0)).await
            {
                return;
            }
        }
    })
}

/// What became of a wish for a preview.
pub(crate) enum Asked {
    Queued(Box<PreviewRow>),
    /// Nothing is published yet, and no date was named.
    NoDate,
    /// The date is after today.
    Future,
    /// The rule set to hold against is none of the kind; those that are.
    UnknownRules(Vec<String>),
    /// So many wait already.
    TooMany(i64),
}

/// Previews that may wait.
const WAITING_MAX: i64 = 20;

/// Queues a preview of a draft on a date (default: the newest published one) against a rule set (default: the one in force).
pub(crate) async fn ask(
    context: &Context,
    draft: &RuleSet,
    date: Option<NaiveDate>,
    against: Option<&str>,
    actor: Actor,
) -> Result<Asked, StoreError> {
    let mut connection = context.store.read.acquire().await?;
    let newest = run::published_dates(&mut connection).await?.map(|(_, newest)| newest);
    let Some(date) = date.or(newest) else { return Ok(Asked::NoDate) };
    let now = context.now();
    if date > context.calendar().day(now) {
        return Ok(Asked::Future);
    }
    let Some(against) = held_against(&context.rules, draft, date, against) else {
        let known = context.rules.of_kind(draft.kind).map(|rule_set| rule_set.id.clone());
        return Ok(Asked::UnknownRules(known.collect()));
    };
    let mut transaction = connection.begin().await?;
    if rows::unfinished(&mut transaction).await? >= WAITING_MAX {
        return Ok(Asked::TooMany(WAITING_MAX));
    }
    let subject_kind = draft.kind;
    let new = NewPreview { date, subject_kind, against: against.source.clone(), draft: draft.source.clone() };
    let row = rows::insert(&mut transaction, &new, actor.key_id(), now).await?;
    let after = json!({ "date": date, "rule_set": draft.id, "version": draft.hash, "against": against.id });
    let change = Change {
        action: Action::PreviewRequested,
        subject: None,
        target: Some(row.preview_id.to_string()),
        before: None,
        after: Some(after),
    };
    audit::note(&mut transaction, actor, now, &[change]).await?;
    transaction.commit().await?;
    Ok(Asked::Queued(Box::new(row)))
}

/// The rule set that a draft is held against: the one of an id, of the draft's kind; default: the one in force on a date.
pub(crate) fn held_against<'a>(
    rules: &'a RuleBook,
    draft: &RuleSet,
    date: NaiveDate,
    id: Option<&str>,
) -> Option<&'a Arc<RuleSet>> {
    match id {
        Some(id) => rules.of_kind(draft.kind).find(|rule_set| rule_set.id == id),
        None => rules.default_for(draft.kind, date),
    }
}
