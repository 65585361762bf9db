//! Erasing a shop at somebody's wish: its events with all that they count for, in the steps of the retention, then its
//! registration and its scores. Any process may take the work over; every step looks again under the shop's stripe.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::removal::{Going, remove_step, steps};
use crate::context::Context;
use crate::domain::event::Aggregate;
use crate::domain::id::Id;
use crate::domain::rules::file;
use crate::domain::subject::SubjectKind;
use crate::storage::erasure::{self as rows, ErasureRow};
use crate::storage::stripe::{hold, stripe_of};
use crate::storage::{StoreError, freshness, preview, rule_set};

/// How often a process looks whether something is to be erased.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Orders, sessions and products that are looked for at a time.
const FOUND_PAGE: i64 = 500;

/// Erases what is asked for until the task is aborted. `wake` is notified when something is.
pub(crate) async fn keep_erasing(context: Context, wake: Arc<Notify>) {
    loop {
        match erase_one(&context).await {
            Ok(Some(erased)) => {
                tracing::info!(shop_id = erased.shop_id, erasure_id = erased.erasure_id, "erased a shop");
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an erasure does not go on; it is tried again"),
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = wake.notified() => {}
        }
    }
}

/// Erases one shop, if there is one to erase and nobody else does. `None` also where it has to wait.
async fn erase_one(context: &Context) -> Result<Option<ErasureRow>, StoreError> {
    let mut connection = context.store.run.acquire().await?;
    let Some(erasure) = rows::claim(&mut connection).await? else { return Ok(None) };
    drop(connection);
    let erased = erase(context, &erasure).await;
    if matches!(erased, Ok(true)) {
        return Ok(Some(erasure));
    }
    let mut connection = context.store.run.acquire().await?;
    rows::let_go(&mut connection, erasure.erasure_id).await?;
    erased.map(|_| None)
}

/// Erases a shop. `false` where it has to wait for a run.
async fn erase(context: &Context, erasure: &ErasureRow) -> Result<bool, StoreError> {
    let shop_id = Id::stored(&erasure.shop_id);
    let emptied_at = match erasure.emptied_at {
        Some(emptied_at) => emptied_at,
        None => empty(context, erasure, &shop_id).await?,
    };
    let mut connection = context.store.run.acquire().await?;
    if rows::is_run_under_way(&mut connection, emptied_at).await? {
        return Ok(false);
    }
    let mut of_shops = Vec::new();
    for (version, source) in rule_set::all_sources(&mut connection).await? {
        // A text that this version cannot read has no cards that it can, either.
        if file::parse_stored(&source).is_ok_and(|rule_set| rule_set.kind == SubjectKind::Shop) {
            of_shops.push(version);
        }
    }
    let mut transaction = connection.begin().await?;
    preview::erase(&mut transaction, &shop_id).await?;
    rows::erase_scores(&mut transaction, &shop_id, &of_shops).await?;
    // Answers that processes keep in memory may show the shop.
    freshness::note_publication(&mut transaction).await?;
    rows::finish(&mut transaction, erasure.erasure_id, context.now()).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Removes a shop's events and its registration. Returns when they were gone.
async fn empty(context: &Context, erasure: &ErasureRow, shop_id: &Id) -> Result<DateTime<Utc>, StoreError> {
    loop {
        remove_events(context, erasure, shop_id).await?;
        let mut connection = context.store.ingest.acquire().await?;
        let mut transaction = connection.begin().await?;
        hold(&mut transaction, &[stripe_of(shop_id)].into()).await?;
        let now = context.now();
        // More may have come meanwhile.
        if rows::erase_registration(&mut transaction, (erasure.erasure_id, shop_id), now).await? {
            transaction.commit().await?;
            return Ok(now);
        }
    }
}

/// Removes the events of a shop in one pass, in key order.
async fn remove_events(context: &Context, erasure: &ErasureRow, shop_id: &Id) -> Result<(), StoreError> {
    let mut after: Option<Aggregate> = None;
    loop {
        let mut connection = context.store.run.acquire().await?;
        let found = rows::aggregates_of(&mut connection, shop_id, after.as_ref(), FOUND_PAGE).await?;
        drop(connection);
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(last.aggregate.clone());
        for step in steps(&found) {
            let removed = remove_step(context, Going::All, step).await?;
            let mut connection = context.store.run.acquire().await?;
            rows::progress(&mut connection, erasure.erasure_id, removed.events).await?;
        }
    }
}
