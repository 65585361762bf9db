//! What can go wrong between the service and PostgreSQL, sorted by what the caller can do about it.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::migrate::MigrateError;

use super::schema::SchemaError;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, busy or broke the connection: the same work may succeed when it is tried again.
    #[error("the database is not available: {0}")]
    Unavailable(sqlx::Error),
    /// A statement ran into its timeout: less work at once may succeed.
    #[error("the database took too long: {0}")]
    TooSlow(sqlx::Error),
    /// PostgreSQL refused a value: trying the same work again cannot succeed.
    #[error("the database refused the data: {0}")]
    Data(sqlx::Error),
    #[error("the database schema could not be migrated: {0}")]
    Migration(MigrateError),
    /// The schema is of another version.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A row that this service cannot have written.
    #[error("the database holds data that this version cannot read: {0}")]
    Corrupt(String),
    /// The database was changed in a way that this process was not started for.
    #[error("{0}")]
    Settings(String),
    #[error("the database answered with an error: {0}")]
    Other(sqlx::Error),
}

/// Errors of the database that this process met since it began, whoever met them: away, too slow, other.
static MET: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// How often the database failed this process, by how.
pub(crate) fn met() -> [(&'static str, u64); 3] {
    let [away, slow, other] = MET.each_ref().map(|count| count.load(Ordering::Relaxed));
    [("unavailable", away), ("too_slow", slow), ("other", other)]
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        let error = StoreError::sorted(error);
        let place = match &error {
            StoreError::Unavailable(_) => 0,
            StoreError::TooSlow(_) => 1,
            _ => 2,
        };
        MET[place].fetch_add(1, Ordering::Relaxed);
        error
    }
}

impl StoreError {
    fn sorted(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => StoreError::Unavailable(error),
            sqlx::Error::Database(database) => match database.code().as_deref().map(class_and_code) {
                Some((_, QUERY_CANCELED)) => StoreError::TooSlow(error),
                Some((class, code)) if is_passing(class, code) => StoreError::Unavailable(error),
                Some(("22" | "23" | "54", _)) => StoreError::Data(error),
                _ => StoreError::Other(error),
            },
            _ => StoreError::Other(error),
        }
    }
}

/// SQLSTATE of a statement that ran into its timeout.
const QUERY_CANCELED: &str = "57014";

fn class_and_code(code: &str) -> (&str, &str) {
    (code.get(..2).unwrap_or(code), code)
}

/// SQLSTATEs that pass by themselves: connection exceptions, serialization failures and deadlocks, lack of resources,
/// operator intervention (shutdown, timeouts), a standby that is read-only until it is promoted, a full disk.
fn is_passing(class: &str, code: &str) -> bool {
    matches!(class, "08" | "40" | "53" | "57" | "58") || matches!(code, "25006" | "25P03" | "55P03")
}

impl StoreError {
    /// What PostgreSQL or the connection to it says, without an introduction.
    pub fn cause(&self) -> String {
        match self {
            StoreError::Unavailable(error)
            | StoreError::TooSlow(error)
            | StoreError::Data(error)
            | StoreError::Other(error) => match error {
                sqlx::Error::Database(database) => database.message().to_owned(),
                sqlx::Error::Io(error) => error.to_string(),
                other => other.to_string(),
            },
            other => other.to_string(),
        }
    }

    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::TooSlow(_))
    }
}
