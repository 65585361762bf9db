//! One group of events through one transaction, and what happens when that fails.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use super::writer::{Atomicity, Attempts, write};
use super::{Outcome, SentEvent, Unavailable, WriteContext};
use crate::storage::StoreError;

/// How long a group is tried again while the store is away. Clients are told within this time.
pub const TRY_FOR: Duration = Duration::from_millis(2_500);
/// How long one transaction may take before its connection is given up.
const TRANSACTION_MAX: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// Writes a group. What passes by itself (lost connections, deadlocks, serialization failures) is tried again. A group
/// that PostgreSQL refuses is split until the event to blame is alone, so that it takes no neighbour along; so is one
/// that is too much for a slow store. The
/// results stand in the order of the events.
pub async fn write_group(
    pool: &PgPool,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &WriteContext,
) -> Vec<Result<Outcome, Unavailable>> {
    match try_write(pool, events, atomicity, context).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(StoreError::Data(cause)) if events.len() == 1 || atomicity == Atomicity::AllOrNothing => {
            tracing::warn!(%cause, events = events.len(), "PostgreSQL refused events");
            vec![Ok(Outcome::Refused); events.len()]
        }
        Err(StoreError::Data(_) | StoreError::Corrupt(_) | StoreError::TooSlow(_))
            if events.len() > 1 && atomicity == Atomicity::EachAlone =>
        {
            let (left, right) = events.split_at(events.len() / 2);
            let mut results = Box::pin(write_group(pool, left, atomicity, context)).await;
            results.extend(Box::pin(write_group(pool, right, atomicity, context)).await);
            results
        }
        Err(cause) => {
            tracing::error!(%cause, events = events.len(), "events could not be stored");
            vec![Err(Unavailable); events.len()]
        }
    }
}

async fn try_write(
    pool: &PgPool,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &WriteContext,
) -> Result<Vec<Outcome>, StoreError> {
    let deadline = Instant::now() + TRY_FOR;
    let mut pause = PAUSE_MIN;
    let mut attempts = Attempts::default();
    loop {
        match write_once(pool, events, atomicity, context, &mut attempts).await {
            Err(error) if matches!(error, StoreError::Unavailable(_)) && Instant::now() + pause < deadline => {
                tracing::debug!(%error, "trying a group again");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            result => return result,
        }
    }
}

async fn write_once(
    pool: &PgPool,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &WriteContext,
    attempts: &mut Attempts,
) -> Result<Vec<Outcome>, StoreError> {
    let mut connection = pool.acquire().await?;
    match timeout(TRANSACTION_MAX, write(&mut connection, events, atomicity, context, attempts)).await {
        Ok(Ok(outcomes)) => Ok(outcomes),
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
