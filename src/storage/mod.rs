//! PostgreSQL: connections, migrations, rows and SQL. Free functions that take a connection; what the rows mean for a
//! score is not known here.

pub(crate) mod adjustment;
pub(crate) mod aggregate;
pub(crate) mod alert;
pub(crate) mod announcement;
pub(crate) mod api_key;
pub(crate) mod audit;
pub mod bi;
pub(crate) mod card;
pub(crate) mod comparison;
pub mod count;
pub mod counting;
pub(crate) mod cursor_secret;
pub(crate) mod delivery;
pub(crate) mod delivery_upkeep;
pub mod dump;
pub(crate) mod erasure;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod excluded;
pub(crate) mod exclusion;
pub(crate) mod fleet;
pub(crate) mod freshness;
pub(crate) mod full_card;
pub(crate) mod intake;
pub mod late_count;
pub mod lease;
pub(crate) mod live;
pub mod measure_columns;
pub(crate) mod new_aggregate;
pub(crate) mod packed_event;
pub(crate) mod packing;
pub(crate) mod peer_group;
pub(crate) mod preview;
pub(crate) mod preview_score;
pub mod private;
pub(crate) mod push_part;
pub mod record;
pub(crate) mod registry;
mod repack;
pub mod retention;
pub(crate) mod revocation;
pub(crate) mod row_type;
pub mod rule_set;
pub mod run;
pub(crate) mod schedule;
pub mod schema;
pub(crate) mod score;
pub mod settled_sum;
pub mod snapshot;
pub mod stripe;
pub(crate) mod touched;
pub(crate) mod unread_message;
pub(crate) mod webhook;
pub(crate) mod webhook_lease;
pub(crate) mod window_sum;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

pub use error::StoreError;

/// How long anything waits for a connection before the database counts as unavailable.
const ACQUIRE_WAIT: Duration = Duration::from_millis(2_500);
/// How long a first connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Connections by purpose, so that a run or a slow reader never starves ingest.
#[derive(Clone, Debug)]
pub struct Store {
    pub ingest: PgPool,
    pub read: PgPool,
    pub run: PgPool,
}

/// Fails where the database cannot be connected to, for the reason that a pool would not tell.
pub async fn reach(options: &PgConnectOptions) -> Result<(), StoreError> {
    let connecting = tokio::time::timeout(CONNECT_WAIT, options.connect()).await;
    let connection = connecting.map_err(|_| sqlx::Error::PoolTimedOut)??;
    Ok(connection.close().await?)
}

/// How many connections each purpose may hold.
#[derive(Clone, Copy, Debug)]
pub struct PoolSizes {
    pub ingest: u32,
    pub read: u32,
    pub run: u32,
}

/// Settings of writing connections. The planner must read by key even where a fresh table has no statistics yet: joins
/// by hash or merge, and scans of whole tables, are out of the question on the write path. The timeouts free the
/// stripes of a writer that died inside its transaction, and end statements whose client is gone.
const INGEST_SESSION: &str = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; \
    set enable_bitmapscan = off; set plan_cache_mode = force_generic_plan; set jit = off; \
    set lock_timeout = '2s'; set statement_timeout = '4s'; set idle_in_transaction_session_timeout = '10s'";
// Nobody waits longer for what a statement reads.
const READ_SESSION: &str =
    "set jit = off; set statement_timeout = '3s'; set idle_in_transaction_session_timeout = '10s'";
/// Settings of the connections of runs. Nothing is forbidden to the planner: a run reads single days through the key,
/// and whole windows by scanning the table.
const RUN_SESSION: &str = "set jit = off; set work_mem = '64MB'; set idle_in_transaction_session_timeout = '10min'";

impl Store {
    /// Opens the pools. Connections are made when they are first needed.
    pub fn open(options: &PgConnectOptions, sizes: PoolSizes) -> Store {
        let pool = |size: u32, session: &'static str, is_tested: bool| {
            PgPoolOptions::new()
                .max_connections(size)
                .acquire_timeout(ACQUIRE_WAIT)
                .test_before_acquire(is_tested)
                .after_connect(move |connection, _| {
                    Box::pin(async move { connection.execute(session).await.map(drop) })
                })
                .connect_lazy_with(options.clone().disable_statement_logging())
        };
        Store {
            // A writer that finds its connection broken tries again, and a reader is told to.
            ingest: pool(sizes.ingest, INGEST_SESSION, false),
            read: pool(sizes.read, READ_SESSION, false),
            // Long work must not fail for that, and a round trip to test the connection costs little beside it.
            run: pool(sizes.run, RUN_SESSION, true),
        }
    }

    /// How many connections this process opens at most, and how many the database allows for all together, where that is
    /// fewer.
    pub async fn lacking_connections(&self) -> Result<Option<(u32, i32)>, StoreError> {
        let allowed = "select least(current_setting('max_connections')::integer
                     - current_setting('superuser_reserved_connections')::integer,
                   (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user),
                   (select nullif(datconnlimit, -1) from pg_database where datname = current_database()))";
        let allowed: i32 = sqlx::query_scalar(allowed).fetch_one(&self.run).await?;
        let pools = [&self.ingest, &self.read, &self.run].map(|pool| pool.options().get_max_connections());
        let wanted: u32 = pools.iter().sum();
        Ok((i64::from(allowed) < i64::from(wanted)).then_some((wanted, allowed)))
    }

    pub async fn close(&self) {
        self.ingest.close().await;
        self.read.close().await;
        self.run.close().await;
    }
}
