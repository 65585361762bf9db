//! What is not kept for ever, and its removal once a business day.
//!
//! Full cards go by the age of their score date; short cards stay. Events go, if the operator wants it so, by whole
//! orders and sessions, and by shelf marks but the last: what they counted for is taken back in the same transaction,
//! so counts kept equal counts rebuilt at any moment. Whatever happened inside a window of a full card that is still
//! kept stays, so that its records can be listed.
//!
//! A sweep is a walk over all shops in steps. A step takes its stripe like any writer, and only for a moment. Several
//! sweeps at a time do no harm: each step looks again under the lock.

use std::time::Duration;

use chrono::{Days, NaiveDate, TimeDelta};
use sqlx::Connection;
use tokio::time::sleep;

use super::removal::{Bounds, Going, read_bounds, remove_step, steps};
use crate::context::Context;
use crate::domain::event::Aggregate;
use crate::domain::id::Id;
use crate::storage::retention as rows;
use crate::storage::{
    StoreError, announcement, api_key, audit, bi, delivery_upkeep, freshness, intake, peer_group, preview, push_part,
    unread_message,
};

/// Full cards that one statement deletes.
const CARDS_STEP: i64 = 5_000;
/// Shops that are read at a time.
const SHOPS_PAGE: i64 = 1_000;
/// Orders, sessions and products of a shop that are looked for at a time; one transaction removes at most as many.
const FOUND_PAGE: i64 = 500;
/// How often a process looks whether a new business day has begun.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long senders' mistakes are remembered.
const MISTAKES_KEPT: TimeDelta = TimeDelta::days(30);
/// How long it is known which orders are in a parcel or a return that a platform told of.
const PARTS_KEPT: TimeDelta = TimeDelta::days(180);
/// How long messages that arrived are kept, and those that did not; what they were made from stays for longer.
const DELIVERED_KEPT: TimeDelta = TimeDelta::days(7);
const FAILED_KEPT: TimeDelta = TimeDelta::days(30);
const ANNOUNCED_KEPT: TimeDelta = TimeDelta::days(90);
/// How often in a row the database may fail before retention is given up, and the pause after the first failure.
const FAILURES_MAX: u32 = 8;
const PAUSE: Duration = Duration::from_millis(500);

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Full cards.
    pub cards: u64,
    /// Orders, sessions and products that lost events.
    pub aggregates: u64,
    pub events: u64,
    /// Entries of the audit trail.
    pub audit_entries: u64,
}

/// Sweeps whenever a business day begins, until the task is aborted.
pub async fn sweep_daily(context: Context) {
    loop {
        if let Err(error) = forget_requests(&context).await {
            tracing::debug!(%error, "what makes requests for keys repeatable is forgotten later");
        }
        match sweep_if_due(&context).await {
            Ok(Some(swept)) if swept != Swept::default() => tracing::info!(?swept, "applied the retention policy"),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "retention did not finish; it continues the next day")
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn forget_requests(context: &Context) -> Result<(), StoreError> {
    let mut connection = context.store.run.acquire().await?;
    api_key::forget_requests(&mut connection, context.now() - api_key::REPEATABLE_FOR).await
}

/// Sweeps unless this process or another one has begun to on this business day. What a process leaves undone, because
/// it ends or the database is unavailable for long, the next day's sweep finds.
pub async fn sweep_if_due(context: &Context) -> Result<Option<Swept>, StoreError> {
    let today = context.today();
    let mut connection = context.store.run.acquire().await?;
    let taken = rows::take_day(&mut connection, today).await?;
    if taken {
        let now = context.now();
        intake::forget(&mut connection, now - MISTAKES_KEPT).await?;
        while delivery_upkeep::forget(&mut connection, (now - DELIVERED_KEPT, now - FAILED_KEPT), CARDS_STEP).await? > 0
        {
        }
        delivery_upkeep::forget_orphans(&mut connection).await?;
        announcement::forget(&mut connection, now - ANNOUNCED_KEPT).await?;
        preview::forget(&mut connection, now).await?;
        unread_message::forget(&mut connection, now - MISTAKES_KEPT).await?;
        push_part::forget(&mut connection, now - PARTS_KEPT).await?;
        bi::forget_before(&mut connection, today - Days::new(context.retention.card_days.into())).await?;
    }
    drop(connection);
    if taken { sweep(context).await.map(Some) } else { Ok(None) }
}

/// Removes all that is not kept any more.
pub async fn sweep(context: &Context) -> Result<Swept, StoreError> {
    let mut sweep = Sweep::default();
    let mut failures = 0;
    loop {
        let before = sweep.clone();
        match sweep.go_on(context).await {
            Ok(()) => return Ok(sweep.swept),
            Err(error) if error.is_passing() => {
                failures = if sweep == before { failures + 1 } else { 1 };
                if failures > FAILURES_MAX {
                    return Err(error);
                }
                tracing::debug!(%error, "retention continues after a pause");
                sleep(PAUSE * failures).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A sweep under way: what it removed, and the last shop that it is done with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sweep {
    swept: Swept,
    place: Option<Id>,
}

impl Sweep {
    async fn go_on(&mut self, context: &Context) -> Result<(), StoreError> {
        let now = context.now();
        let today = context.calendar().day(now);
        if let Some(audit_days) = context.retention.audit_days {
            let mut connection = context.store.run.acquire().await?;
            let oldest = now - TimeDelta::days(audit_days.into());
            self.swept.audit_entries += audit::forget(&mut connection, oldest).await?;
        }
        self.sweep_cards(context, today - Days::new(context.retention.card_days.into())).await?;
        if let Some(event_days) = context.retention.event_days {
            let bounds = read_bounds(context, now, event_days).await?;
            self.sweep_events(context, &bounds).await?;
        }
        Ok(())
    }

    /// Removes the full cards of dates before `date`.
    async fn sweep_cards(&mut self, context: &Context, date: NaiveDate) -> Result<(), StoreError> {
        let mut connection = context.store.run.acquire().await?;
        let runs = rows::runs_with_cards_before(&mut connection, date).await?;
        for run_id in &runs {
            loop {
                let deleted = rows::delete_cards(&mut connection, *run_id, CARDS_STEP).await?;
                self.swept.cards += deleted;
                if deleted < CARDS_STEP as u64 {
                    break;
                }
            }
            // Answers that processes keep in memory may come from these cards. A run is listed as long as it has peers,
            // so the note is not forgotten when a sweep breaks off.
            let mut transaction = connection.begin().await?;
            peer_group::delete(&mut transaction, *run_id).await?;
            freshness::note_publication(&mut transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn sweep_events(&mut self, context: &Context, bounds: &Bounds) -> Result<(), StoreError> {
        loop {
            let mut connection = context.store.run.acquire().await?;
            let shops = rows::shops_after(&mut connection, self.place.as_ref(), SHOPS_PAGE).await?;
            drop(connection);
            if shops.is_empty() {
                return Ok(());
            }
            for shop_id in shops {
                self.sweep_shop(context, bounds, &shop_id).await?;
                self.place = Some(shop_id);
            }
        }
    }

    async fn sweep_shop(&mut self, context: &Context, bounds: &Bounds, shop_id: &Id) -> Result<(), StoreError> {
        let mut after: Option<Aggregate> = None;
        loop {
            let mut connection = context.store.run.acquire().await?;
            let found = rows::expired_of_shop(&mut connection, shop_id, after.as_ref(), &bounds.expiry, FOUND_PAGE);
            let found = found.await?;
            drop(connection);
            let Some(last) = found.last() else { return Ok(()) };
            after = Some(last.aggregate.clone());
            for step in steps(&found) {
                match remove_step(context, Going::Expired(&bounds.expiry), step).await {
                    Ok(removed) => {
                        self.swept.aggregates += removed.aggregates;
                        self.swept.events += removed.events;
                    }
                    Err(StoreError::Corrupt(what)) => tracing::error!(%shop_id, %what, "old events were not removed"),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
