//! The numbers by which a process sees that what it keeps in memory is no longer current: they count up in the very
//! transaction that publishes scores or changes keys, and listeners are told when it commits.

use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPool};

use super::StoreError;

/// The channel that says: look at the numbers.
const CHANNEL: &str = "shopscore_freshness";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    pub publications: i64,
    pub keys: i64,
}

pub(crate) async fn versions(connection: &mut PgConnection) -> Result<Versions, StoreError> {
    let (publications, keys) = sqlx::query_as("select publications, keys from freshness").fetch_one(connection).await?;
    Ok(Versions { publications, keys })
}

/// Notes that scores are published when this transaction commits.
pub(crate) async fn note_publication(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("update freshness set publications = publications + 1").execute(&mut *connection).await?;
    notify(connection).await
}

/// Notes that keys change when this transaction commits.
pub(crate) async fn note_keys(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("update freshness set keys = keys + 1").execute(&mut *connection).await?;
    notify(connection).await
}

async fn notify(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(connection).await?;
    Ok(())
}

/// A connection that is told of changes. Behind a pooler that does not pass notifications on it hears nothing.
pub(crate) async fn listen(pool: &PgPool) -> Result<PgListener, StoreError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
