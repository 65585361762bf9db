//! The schema: what is applied, what this program wants, and how it gets there.

use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use super::{Store, StoreError, repack};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How far a database's schema is.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The newest migration that was applied; `None` for none.
    pub applied: Option<i64>,
    /// The migrations that are missing, with what they are about.
    pub pending: Vec<(i64, String)>,
}

impl Schema {
    /// The schema of this program.
    pub fn wanted() -> i64 {
        MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
    }
}

/// Why this program cannot work on a database's schema.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    #[error("the database is empty; run shopscore migrate, or shopscore serve")]
    Empty,
    #[error(
        "the database has schema {0}, and shopscore {version} works on {wanted}; run shopscore migrate, when no process of the \
         older version runs any more",
        version = env!("CARGO_PKG_VERSION"),
        wanted = Schema::wanted()
    )]
    Older(i64),
    #[error(
        "the database has schema {0}, of a newer version than shopscore {version}, which works on {wanted}; use the newer one",
        version = env!("CARGO_PKG_VERSION"),
        wanted = Schema::wanted()
    )]
    Newer(i64),
    #[error(
        "the events of the version before are not packed yet; run shopscore migrate, or wait for the one that runs"
    )]
    Unpacked,
}

impl Store {
    /// Brings the schema up to date. Safe when several processes start at once: sqlx holds a lock while it migrates.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self.schema().await? {
            Schema { applied: Some(applied), .. } if applied > Schema::wanted() => {
                Err(SchemaError::Newer(applied).into())
            }
            _ => {
                MIGRATIONS.run(&self.run).await.map_err(StoreError::Migration)?;
                self.repack().await?;
                self.define_bi().await
            }
        }
    }

    /// Fails if the schema is not the one of this program.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let mut connection = self.run.acquire().await?;
        Ok(check(&mut connection).await??)
    }

    /// What the database holds, and what this program would add.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut connection = self.run.acquire().await?;
        let applied = applied(&mut connection).await?;
        let is_pending = |version: i64| applied.is_none_or(|applied| version > applied);
        let pending = MIGRATIONS.iter().filter(|migration| is_pending(migration.version));
        let pending = pending.map(|migration| (migration.version, migration.description.to_string())).collect();
        Ok(Schema { applied, pending })
    }
}

/// Whether the schema is the one of this program.
pub(crate) async fn check(connection: &mut PgConnection) -> Result<Result<(), SchemaError>, StoreError> {
    let wanted = Schema::wanted();
    Ok(match applied(connection).await? {
        Some(applied) if applied == wanted && repack::is_pending(connection).await? => Err(SchemaError::Unpacked),
        Some(applied) if applied == wanted => Ok(()),
        Some(applied) if applied > wanted => Err(SchemaError::Newer(applied)),
        Some(applied) => Err(SchemaError::Older(applied)),
        None => Err(SchemaError::Empty),
    })
}

/// The newest migration that was applied; `None` for none.
async fn applied(connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("select max(version) from _sqlx_migrations where success").fetch_one(connection).await?)
}
