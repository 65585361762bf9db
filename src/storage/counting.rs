//! The settings under which counts are kept.

use chrono_tz::Tz;
use sqlx::PgConnection;

use super::StoreError;

/// The time zone of the counts. An empty database takes `zone`.
pub async fn time_zone(connection: &mut PgConnection, zone: Tz) -> Result<String, StoreError> {
    sqlx::query("insert into counting (time_zone) values ($1) on conflict do nothing")
        .bind(zone.name())
        .execute(&mut *connection)
        .await?;
    Ok(sqlx::query_scalar("select time_zone from counting").fetch_one(connection).await?)
}

/// Fails unless the counts are kept in `zone`: another process may have rebuilt them in another one.
pub async fn check_time_zone(connection: &mut PgConnection, zone: Tz) -> Result<(), StoreError> {
    let kept: String = sqlx::query_scalar("select time_zone from counting").fetch_one(connection).await?;
    match kept == zone.name() {
        true => Ok(()),
        false => {
            Err(StoreError::Settings(format!("the counts are kept in {kept} now; restart with --time-zone {kept}")))
        }
    }
}

/// Notes the time zone of counts that were just rebuilt under it.
pub async fn set_time_zone(connection: &mut PgConnection, zone: Tz) -> Result<(), StoreError> {
    sqlx::query(
        "insert into counting (time_zone) values ($1) on conflict (only_row) do update set time_zone = excluded.time_zone",
    )
    .bind(zone.name())
    .execute(connection)
    .await?;
    Ok(())
}
