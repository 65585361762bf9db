//! The daily slot: which run is due, decided without I/O, and the loop that sees to it.
//!
//! Any number of processes run the loop on one database. They take turns at deciding (a held row), at most one run of a
//! date is under way (a unique index), and a run whose process fell silent is claimed by another (a lease).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;

use super::run::{RunError, execute};
use crate::context::Context;
use crate::domain::run::{RunRequest, Trigger};
use crate::domain::slot::DailySlot;
use crate::storage::run::{self as rows, RunRow};
use crate::storage::schedule::{self as stored, ScheduleFacts};
use crate::storage::{StoreError, announcement, lease};

/// How often a process looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Days before today that are run when they were missed.
pub(crate) const BACKFILL_DAYS: u64 = 7;
/// The pause after a first failure; it doubles with every further one.
const RETRY_PAUSE: TimeDelta = TimeDelta::seconds(5);
const RETRY_PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);

/// The run that is due now, if one is: today's first, then missed days in order.
pub(crate) fn due(slot: &DailySlot, facts: &ScheduleFacts, now: DateTime<Utc>) -> Option<RunRequest> {
    let today = slot.calendar.day(now);
    let may_begin =
        |date: NaiveDate| is_owed(slot, facts, date) && !facts.under_way.contains(&date) && may_retry(facts, date, now);
    if now >= slot.start(today) && may_begin(today) {
        let was_tried =
            facts.failures.iter().any(|failed| failed.date == today && failed.trigger == Trigger::Scheduled);
        let trigger = if now < slot.end(today) || was_tried { Trigger::Scheduled } else { Trigger::CatchUp };
        return Some(RunRequest { date: today, trigger, reason: None, key_id: None });
    }
    let first = facts.first_published?;
    let missed =
        (1..=BACKFILL_DAYS).rev().map(|days| today - Days::new(days)).find(|date| *date > first && may_begin(*date))?;
    Some(RunRequest { date: missed, trigger: Trigger::Backfill, reason: None, key_id: None })
}

/// Today, if its slot has ended and the run that it owes is not published, whether one is under way or not.
pub(crate) fn overdue(slot: &DailySlot, facts: &ScheduleFacts, now: DateTime<Utc>) -> Option<NaiveDate> {
    let today = slot.calendar.day(now);
    (now >= slot.end(today) && is_owed(slot, facts, today)).then_some(today)
}

/// Whether a date should have a published run and has none: some subject was known before its slot ended.
fn is_owed(slot: &DailySlot, facts: &ScheduleFacts, date: NaiveDate) -> bool {
    let known_in_time = facts.first_subject_at.is_some_and(|first| first < slot.end(date));
    known_in_time && !facts.published.contains(&date)
}

fn may_retry(facts: &ScheduleFacts, date: NaiveDate, now: DateTime<Utc>) -> bool {
    let Some(failed) = facts.failures.iter().find(|failed| failed.date == date) else {
        return true;
    };
    let doublings = u32::try_from(failed.attempts - 1).unwrap_or(0).min(16);
    let pause = (RETRY_PAUSE * 2_i32.pow(doublings)).min(RETRY_PAUSE_MAX);
    now >= failed.last_at + pause
}

/// What [`due`] and [`overdue`] decide by.
pub(crate) async fn read_facts(
    connection: &mut PgConnection,
    slot: &DailySlot,
    now: DateTime<Utc>,
) -> Result<ScheduleFacts, StoreError> {
    let today = slot.calendar.day(now);
    stored::schedule_facts(connection, today - Days::new(BACKFILL_DAYS), today, slot.start(today)).await
}

/// Queues the run that is due, if one is.
pub(crate) async fn queue_due(context: &Context) -> Result<Option<RunRow>, StoreError> {
    let now = context.now();
    let mut connection = context.store.run.acquire().await?;
    let facts = read_facts(&mut connection, &context.slot, now).await?;
    if let Some(date) = overdue(&context.slot, &facts, now) {
        announcement::late(&mut connection, date, now).await?;
    }
    if due(&context.slot, &facts, now).is_none() {
        return Ok(None);
    }
    let mut transaction = connection.begin().await?;
    stored::hold_schedule(&mut transaction).await?;
    let facts = read_facts(&mut transaction, &context.slot, now).await?;
    let queued = match due(&context.slot, &facts, now) {
        Some(request) => rows::request(&mut transaction, &request, now).await?.queued(),
        None => None,
    };
    transaction.commit().await?;
    Ok(queued)
}

/// Claims one run that waits, or that its process left, and computes it. `None` if there is none.
pub(crate) async fn work_once(context: &Context) -> Result<Option<RunRow>, RunError> {
    let mut connection = context.store.run.acquire().await.map_err(StoreError::from)?;
    let claimed = lease::claim(&mut connection, None, context.now()).await?;
    drop(connection);
    match claimed {
        Some(row) => execute(context, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Keeps the slot until the task is aborted. `wake` is notified when a run was queued by hand.
pub(crate) async fn keep_slot(context: Context, wake: Arc<Notify>) {
    loop {
        if let Err(error) = queue_due(&context).await {
            tracing::warn!(%error, "cannot see which run is due");
        }
        match work_once(&context).await {
            Ok(Some(row)) => {
                tracing::info!(run_id = row.run_id, date = %row.date, revision = row.revision, late = row.late, "published");
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "run failed"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = wake.notified() => {}
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
