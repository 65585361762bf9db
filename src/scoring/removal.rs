//! Taking orders, sessions and shelf marks away with what they count for, old ones or all of a shop: how far back, and one step
//! of it.
//!
//! A step is a writing transaction like any other: it takes its stripe first, folds what it finds with the function
//! that ingest uses, and takes the difference back. What happened inside a window of a full card that is still kept
//! stays.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::schedule::BACKFILL_DAYS;
use crate::context::Context;
use crate::domain::calendar::Calendar;
use crate::domain::count::CountChanges;
use crate::domain::event::{Aggregate, Event};
use crate::domain::fold::{fold, lasting_event};
use crate::domain::rules::file;
use crate::domain::window::WINDOW_DAYS_AGO_MAX;
use crate::storage::late_count::LateStamp;
use crate::storage::retention::{self as rows, Expired, Expiry};
use crate::storage::stripe::{hold, stripe_of};
use crate::storage::{StoreError, aggregate, count, counting, event, excluded, rule_set};

/// Events that one transaction removes, unless a single order has more.
const STEP_EVENTS: i64 = 2_000;
/// How long one transaction may take before its connection is given up.
const STEP_MAX: Duration = Duration::from_secs(10);
/// Events that were let in just before they became too old may still be on their way; nothing goes before they arrive.
const GRACE: TimeDelta = TimeDelta::days(1);

/// How far a sweep of events goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub expiry: Expiry,
}

/// Reads how far a sweep at `now` goes.
pub(crate) async fn read_bounds(context: &Context, now: DateTime<Utc>, event_days: u16) -> Result<Bounds, StoreError> {
    let mut connection = context.store.run.acquire().await?;
    let calendar = &context.calendar();
    let Some(date) = rows::oldest_card_date(&mut connection).await? else {
        return Ok(bounds(calendar, now, event_days, None));
    };
    let mut days_ago_max = context.rules.longest_window();
    let versions = rows::rule_sets_since(&mut connection, date).await?;
    for (_, source) in rule_set::sources(&mut connection, &versions).await? {
        // A text that this version cannot read may look back as far as any.
        let of_version = file::parse_stored(&source).map_or(WINDOW_DAYS_AGO_MAX, |rule_set| rule_set.longest_window());
        days_ago_max = days_ago_max.max(of_version);
    }
    Ok(bounds(calendar, now, event_days, Some((date, days_ago_max))))
}

/// `cards` is the oldest date with full cards, and how many days before its date any of its windows may begin.
///
/// An aggregate counts on days of its own events, and of the deliveries that these promise (see [`counts_later`]), only, whichever of them are known, retracted or excluded. So one whose
/// events all happened before `whole_from` counts in no window that is still asked about, in no revision that is kept.
/// And since each of these revisions was computed after all of them had arrived, a product whose marks all lie before
/// `whole_from` was, to every one of them, what its last mark says.
fn bounds(calendar: &Calendar, now: DateTime<Utc>, event_days: u16, cards: Option<(NaiveDate, u16)>) -> Bounds {
    let start = |day: NaiveDate| calendar.instant(day, NaiveTime::MIN);
    // Any rule set may come into force today, and missed days are still run.
    let reach = Days::new(BACKFILL_DAYS + u64::from(WINDOW_DAYS_AGO_MAX));
    let mut whole_from = calendar.day(now) - reach;
    let mut received_before = now - TimeDelta::days(event_days.into());
    if let Some((date, days_ago_max)) = cards {
        whole_from = whole_from.min(date - Days::new(days_ago_max.into()));
        received_before = received_before.min(start(date));
    }
    let received_before = received_before - GRACE;
    Bounds { expiry: Expiry { received_before, happened_before: start(whole_from).min(received_before) } }
}

/// What one step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Orders, sessions and products that lost events.
    pub aggregates: u64,
    pub events: u64,
}

/// Splits what was found, which is not nothing, into steps that one transaction each removes.
pub(crate) fn steps(found: &[Expired]) -> Vec<&[Expired]> {
    let (mut steps, mut start, mut events) = (Vec::new(), 0, 0);
    for (index, expired) in found.iter().enumerate() {
        if index > start && events + expired.events > STEP_EVENTS {
            steps.push(&found[start..index]);
            (start, events) = (index, 0);
        }
        events += expired.events;
    }
    steps.push(&found[start..]);
    steps
}

/// Which events of what was found go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Going<'a> {
    /// Those that are too old, but for the last mark of a product.
    Expired(&'a Expiry),
    All,
}

/// Removes one step.
pub(crate) async fn remove_step(context: &Context, going: Going<'_>, step: &[Expired]) -> Result<Removed, StoreError> {
    let mut connection = context.store.ingest.acquire().await?;
    match timeout(STEP_MAX, remove(&mut connection, &context.calendar(), going, step)).await {
        Ok(Ok(removed)) => Ok(removed),
        Ok(Err(error)) => {
            if error.is_passing() {
                // The connection may be broken; a fresh one costs little.
                drop(connection.detach());
            }
            Err(error)
        }
        Err(_) => {
            drop(connection.detach());
            Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
        }
    }
}

/// Whether one of an aggregate's events makes something count on a day that is still asked about, long after it happened.
fn counts_later(going: Going<'_>, events: &[Event]) -> bool {
    match going {
        Going::Expired(expiry) => events.iter().any(|event| event.counts_until() >= expiry.happened_before),
        Going::All => false,
    }
}

/// Removes what may still go, with all that it counts for, in one transaction.
async fn remove(
    connection: &mut PgConnection,
    calendar: &Calendar,
    going: Going<'_>,
    step: &[Expired],
) -> Result<Removed, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes: BTreeSet<i16> = step.iter().map(|expired| stripe_of(&expired.aggregate.shop_id)).collect();
    let held = hold(&mut transaction, &stripes).await?;
    counting::check(&mut transaction, calendar.zone()).await?;
    // Since they were found, events may have joined them, or another sweep may have removed them.
    let found: Vec<&Aggregate> = step.iter().map(|expired| &expired.aggregate).collect();
    let aggregates = match going {
        Going::Expired(expiry) => rows::still_expired(&mut transaction, &found, expiry).await?,
        Going::All => found,
    };
    let keys: Vec<(&Aggregate, i64)> = aggregates.iter().map(|aggregate| (*aggregate, i64::MAX)).collect();
    let loaded = event::load_before(&mut transaction, &keys).await?;
    let exclusions = if held.values().any(|stripe| stripe.has_exclusions) {
        excluded::active_of(&mut transaction, &aggregates).await?
    } else {
        HashMap::new()
    };
    let mut changes = CountChanges::default();
    let (mut gone, mut touched): (Vec<&Event>, u64) = (Vec::new(), 0);
    // A product's last mark stays, and no longer says how things were before it.
    let mut last_day: Option<NaiveDate> = None;
    for (aggregate, events) in aggregates.iter().copied().zip(&loaded) {
        if counts_later(going, events) {
            continue;
        }
        let excluded = exclusions.get(aggregate).map(Vec::as_slice).unwrap_or_default();
        let lasting = match going {
            Going::Expired(_) => lasting_event(aggregate.kind, events.iter()),
            Going::All => None,
        };
        let before = fold(aggregate.kind, events.iter(), excluded, calendar);
        let after = fold(aggregate.kind, lasting.into_iter(), excluded, calendar);
        changes.replace(aggregate, &before, &after, calendar);
        let kept = gone.len();
        gone.extend(events.iter().filter(|event| lasting.is_none_or(|lasting| lasting.id != event.id)));
        if gone.len() > kept {
            touched += 1;
            last_day = last_day.max(events.iter().map(|event| calendar.day(event.counts_until())).max());
        }
    }
    if gone.is_empty() {
        transaction.rollback().await?;
        return Ok(Removed::default());
    }
    // In the same transaction: a snapshot that shows the removal shows from which day on counts are whole.
    // A shop that is gone has no windows that could lack something.
    if let (Going::Expired(_), Some(last_day)) = (going, last_day) {
        rows::note_whole_from(&mut transaction, last_day + Days::new(1)).await?;
    }
    // Counts last: creators' rows are shared with the writers of other stripes.
    aggregate::remove(&mut transaction, &gone).await?;
    count::add(&mut transaction, &count::KEPT, changes.clone(), LateStamp::of(&held)).await?;
    rows::delete_empty_counts(&mut transaction, &changes).await?;
    transaction.commit().await?;
    Ok(Removed { aggregates: touched, events: gone.len() as u64 })
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;
