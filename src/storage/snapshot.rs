//! Transactions that read one moment, and how two connections read the same one.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};

use super::{StoreError, count};

/// Begins a transaction that reads one moment, counts included.
pub async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, StoreError> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read read only").await?;
    count::hold(&mut transaction).await?;
    Ok(transaction)
}

/// The name of a moment that another connection may read too, as long as the transaction that gave it lasts.
pub struct Moment(String);

/// Begins a transaction that reads one moment and may write what goes with it, temporary tables say.
pub async fn begin_shared(connection: &mut PgConnection) -> Result<(Transaction<'_, Postgres>, Moment), StoreError> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read").await?;
    count::hold(&mut transaction).await?;
    let moment = sqlx::query_scalar("select pg_export_snapshot()").fetch_one(&mut *transaction).await?;
    Ok((transaction, Moment(moment)))
}

/// Begins a transaction that reads the moment of another one. It waits for no lock for long: the holder of the lock
/// may itself wait for the other transaction, which waits for this one.
pub async fn begin_at<'c>(
    connection: &'c mut PgConnection,
    Moment(name): &Moment,
) -> Result<Transaction<'c, Postgres>, StoreError> {
    let mut transaction = connection.begin_with("begin isolation level repeatable read read only").await?;
    // The name of a snapshot is PostgreSQL's own and cannot be a parameter.
    let adopt = format!("set transaction snapshot '{}'", name.replace('\'', ""));
    sqlx::query(AssertSqlSafe(adopt)).execute(&mut *transaction).await?;
    sqlx::query("set local lock_timeout = '5s'").execute(&mut *transaction).await?;
    Ok(transaction)
}

/// Turns the idle timeout off for this transaction: long work happens between its statements.
pub async fn disable_idle_timeout(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("set local idle_in_transaction_session_timeout = 0").execute(connection).await?;
    Ok(())
}
