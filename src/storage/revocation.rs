//! Revoking an entry of a ledger: the record of it stays.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::StoreError;

/// A table of entries that can be revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ledger {
    Exclusions,
    Adjustments,
}

impl Ledger {
    /// The table and its key.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Ledger::Exclusions => ("exclusion", "exclusion_id"),
            Ledger::Adjustments => ("adjustment", "adjustment_id"),
        }
    }
}

/// Who revokes an entry, and why.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub revoked_by: String,
    pub note: Option<String>,
}

/// Marks an entry as revoked, with a key and under a number; one that was revoked before stays as it is. Tells whether it was
/// revoked now.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    ledger: Ledger,
    id: i64,
    revocation: &Revocation,
    (key_id, seq): (Option<i32>, i64),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let (table, key) = ledger.names();
    let revoked = sqlx::query(AssertSqlSafe(format!(
        "update {table} set revoked_at = $2, revoked_by = $3, revoke_note = $4, revoked_seq = $5, revoked_by_key_id = $6
         where {key} = $1 and revoked_at is null",
    )))
    .bind(id)
    .bind(now)
    .bind(&revocation.revoked_by)
    .bind(&revocation.note)
    .bind(seq)
    .bind(key_id)
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected() > 0)
}
