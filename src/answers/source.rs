//! What answers are made from: the data, and whether what is remembered of them is current.

use chrono::NaiveDate;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

use super::freshness::Freshness;
use crate::context::Context;
use crate::storage::StoreError;
use crate::storage::run::{self, RunRow};

/// Cloning is cheap.
#[derive(Clone)]
pub struct Source {
    pub context: Context,
    pub freshness: Freshness,
    runs: RunCache,
}

impl Source {
    pub fn new(context: &Context) -> Source {
        let freshness = Freshness::new(context.store.clone());
        Source { context: context.clone(), freshness, runs: RunCache::default() }
    }

    /// A connection for reading.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.context.store.read.acquire().await?)
    }

    /// The published run that answers for a date (default: the newest) and a revision (default: the newest). The
    /// connection has taken no snapshot yet: one from before the publication is noted could not show the newest run.
    pub async fn published(
        &self,
        connection: &mut PgConnection,
        date: Option<NaiveDate>,
        revision: Option<i32>,
    ) -> Result<Option<RunRow>, StoreError> {
        let publication = self.freshness.publication();
        if let Some((of, run)) = self.runs.runs.get(&(date, revision))
            && publication == Some(of)
        {
            return Ok(Some(run));
        }
        let run = run::published(connection, date, revision).await?;
        if let (Some(publication), Some(run)) = (publication, &run) {
            self.runs.runs.insert((date, revision), (publication, run.clone()));
        }
        Ok(run)
    }
}

/// The published runs that answers were last asked of, by date and revision, each with the publication at which it was
/// looked up.
#[derive(Clone)]
struct RunCache {
    runs: moka::sync::Cache<(Option<NaiveDate>, Option<i32>), (i64, RunRow)>,
}

/// Dates and revisions that are remembered.
const RUNS_MAX: u64 = 1_000;

impl Default for RunCache {
    fn default() -> RunCache {
        RunCache { runs: moka::sync::Cache::new(RUNS_MAX) }
    }
}
