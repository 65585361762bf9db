//! Alert rules as somebody makes and removes them. Every change is noted in the audit trail.

use sqlx::{Connection, PgConnection};

use super::subscription::{Asker, find};
use crate::domain::audit::Action;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::StoreError;
use crate::storage::alert::{self, AlertRow, NewAlert};
use crate::storage::audit::{self, Change};

/// Alert rules of one webhook.
const ALERTS_MAX: i64 = 100;

/// The most alert rules that a webhook may have, where that many are there.
pub(crate) async fn lacks_room(connection: &mut PgConnection, webhook_id: i64) -> Result<Option<i64>, StoreError> {
    let there = alert::list(connection, Some(webhook_id), None, None, ALERTS_MAX).await?;
    Ok((there.len() as i64 >= ALERTS_MAX).then_some(ALERTS_MAX))
}

/// A page of the alert rules whose webhooks are there for the asker: all, or those of one webhook.
pub(crate) async fn list(
    connection: &mut PgConnection,
    asker: &Asker,
    webhook_id: Option<i64>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AlertRow>, StoreError> {
    alert::list(connection, webhook_id, asker.shop_ids().as_deref(), before, limit).await
}

/// Makes an alert rule.
pub(crate) async fn create(
    connection: &mut PgConnection,
    new: &NewAlert,
    asker: &Asker,
) -> Result<AlertRow, StoreError> {
    let mut transaction = connection.begin().await?;
    let row = alert::insert(&mut transaction, new, asker.actor.key_id(), asker.now).await?;
    note(&mut transaction, Action::AlertCreated, &row, asker).await?;
    transaction.commit().await?;
    Ok(row)
}

/// Removes an alert rule.
pub(crate) async fn delete(connection: &mut PgConnection, row: &AlertRow, asker: &Asker) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    alert::delete(&mut transaction, row.alert_id).await?;
    note(&mut transaction, Action::AlertDeleted, row, asker).await?;
    transaction.commit().await?;
    Ok(())
}

/// The alert rule of an id, if its webhook is there for the asker.
pub(crate) async fn find_rule(
    connection: &mut PgConnection,
    alert_id: i64,
    asker: &Asker,
) -> Result<Option<AlertRow>, StoreError> {
    let Some(row) = alert::get(connection, alert_id).await? else { return Ok(None) };
    Ok(find(connection, row.webhook_id, asker).await?.map(|_| row))
}

async fn note(connection: &mut PgConnection, action: Action, row: &AlertRow, asker: &Asker) -> Result<(), StoreError> {
    let shown = Some(row.audited());
    let (before, after) = if action == Action::AlertCreated { (None, shown) } else { (shown, None) };
    let shop = row.shop_id.as_deref().map(|id| Subject { kind: SubjectKind::Shop, id: Id::stored(id) });
    let change = Change { action, subject: shop, target: Some(row.alert_id.to_string()), before, after };
    audit::note(connection, asker.actor, asker.now, &[change]).await
}
