//! The key under which cursors are signed. All processes of a database share it.

use sqlx::PgConnection;

use super::StoreError;

pub(crate) async fn load(connection: &mut PgConnection) -> Result<Vec<u8>, StoreError> {
    Ok(sqlx::query_scalar("select secret from cursor_secret").fetch_one(connection).await?)
}
