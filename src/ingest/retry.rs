//! Trying a writing transaction again while it fails for what passes by itself: lost connections, deadlocks,
//! serialization failures. Clients are told within seconds when it does not help.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use tokio::time::{Instant, sleep, timeout};

use crate::storage::StoreError;

/// How long a transaction is tried again while the database is unavailable.
const TRY_FOR: Duration = Duration::from_millis(2_500);
/// How long one transaction may take before its connection is given up.
const TRANSACTION_MAX: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// Runs one transaction on a connection, again while it fails for a reason that passes by itself. The work must
/// recognise what an earlier attempt stored: the reply to its commit may have been lost.
///
/// A macro, because a closure that lends its connection to a future hides from the compiler that the future may move
/// between threads.
macro_rules! retrying {
    ($pool:expr, $connection:ident => $work:expr) => {{
        let mut backoff = $crate::ingest::retry::Backoff::default();
        loop {
            let error = match $pool.acquire().await {
                Err(error) => $crate::storage::StoreError::from(error),
                Ok(mut $connection) => match $crate::ingest::retry::bounded($work).await {
                    Ok(done) => break Ok(done),
                    Err(error) => {
                        $crate::ingest::retry::give_up_broken($connection, &error);
                        error
                    }
                },
            };
            if let Err(error) = backoff.wait(error).await {
                break Err(error);
            }
        }
    }};
}
pub(super) use retrying;

/// When to try next, and when to stop trying.
pub(crate) struct Backoff {
    deadline: Instant,
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { deadline: Instant::now() + TRY_FOR, pause: PAUSE_MIN }
    }
}

impl Backoff {
    /// Waits for the next attempt, or gives the error back where another attempt is no use.
    pub(crate) async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !matches!(error, StoreError::Unavailable(_)) || Instant::now() + self.pause >= self.deadline {
            return Err(error);
        }
        tracing::debug!(%error, "trying a transaction again");
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// A transaction that takes no longer than one may.
pub(crate) async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(TRANSACTION_MAX, work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
    }
}

/// After an error that passes the connection may be broken, or in the middle of something; a fresh one costs little.
pub(crate) fn give_up_broken(connection: PoolConnection<Postgres>, error: &StoreError) {
    if error.is_passing() {
        drop(connection.detach());
    }
}
