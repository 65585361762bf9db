//! The settings under which counts are kept: they change only by a rebuild.

use std::sync::LazyLock;

use chrono_tz::Tz;
use sqlx::PgConnection;

use super::{StoreError, measure_columns};

/// What this version counts.
static MEASURES: LazyLock<String> = LazyLock::new(measure_columns::fingerprint);

/// Why counts are not what this process would make of the same events.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Mismatch {
    #[error(
        "the counts in this database are kept in the time zone {kept}, but {wanted} is configured; \
         set --time-zone {kept}, or rebuild the counts: shopscore rebuild --time-zone {wanted}"
    )]
    TimeZone { kept: String, wanted: Tz },
    #[error(
        "the counts in this database were made by a version that has other measures; rebuild them: shopscore rebuild"
    )]
    Measures,
}

/// How the settings of the counts differ from those of this process, if they do. An empty database takes this
/// process's.
pub async fn compare(connection: &mut PgConnection, zone: Tz) -> Result<Option<Mismatch>, StoreError> {
    sqlx::query("insert into counting (time_zone, measures) values ($1, $2) on conflict do nothing")
        .bind(zone.name())
        .bind(MEASURES.as_str())
        .execute(&mut *connection)
        .await?;
    compare_kept(connection, zone).await
}

async fn compare_kept(connection: &mut PgConnection, zone: Tz) -> Result<Option<Mismatch>, StoreError> {
    let (kept, measures): (String, String) =
        sqlx::query_as("select time_zone, measures from counting").fetch_one(connection).await?;
    if kept != zone.name() {
        return Ok(Some(Mismatch::TimeZone { kept, wanted: zone }));
    }
    Ok((measures != *MEASURES).then_some(Mismatch::Measures))
}

/// Fails if the counts are not this process's any more: another process may have rebuilt them under other settings.
pub async fn check(connection: &mut PgConnection, zone: Tz) -> Result<(), StoreError> {
    let message = match compare_kept(connection, zone).await? {
        None => return Ok(()),
        Some(Mismatch::TimeZone { kept, .. }) => {
            format!("the counts are kept in {kept} now; restart with --time-zone {kept}")
        }
        Some(Mismatch::Measures) => {
            "the counts were rebuilt by another version of shopscore; run that version".to_owned()
        }
    };
    Err(StoreError::Settings(message))
}

/// Notes the settings of counts that were just rebuilt under them.
pub async fn note(connection: &mut PgConnection, zone: Tz) -> Result<(), StoreError> {
    sqlx::query(
        "insert into counting (time_zone, measures) values ($1, $2)
         on conflict (only_row) do update set time_zone = excluded.time_zone, measures = excluded.measures",
    )
    .bind(zone.name())
    .bind(MEASURES.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
