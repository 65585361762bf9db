//! Rows of `alert`: what subscribers want to be warned of, and which shops are beyond it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use crate::domain::alert::{AlertOp, Quantity};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;

#[derive(Clone, Debug, FromRow)]
pub(crate) struct AlertRow {
    pub alert_id: i64,
    pub webhook_id: i64,
    pub shop_id: Option<String>,
    pub category_id: Option<String>,
    pub quantity: String,
    #[sqlx(try_from = "String")]
    pub op: AlertOp,
    pub value_millionths: i64,
    pub created_at: DateTime<Utc>,
    pub created_by_key_id: Option<i32>,
}

const COLUMNS: &str = "alert_id, webhook_id, shop_id, category_id, quantity, op, value_millionths, created_at,
    created_by_key_id";

impl AlertRow {
    /// `None` of a metric that this version does not know.
    pub(crate) fn quantity(&self) -> Option<Quantity> {
        Quantity::parse(&self.quantity)
    }

    pub(crate) fn value(&self) -> Decimal {
        Decimal::from_millionths(self.value_millionths)
    }

    /// Whether it is about a shop.
    pub(crate) fn covers(&self, shop_id: &str, category_id: Option<&str>) -> bool {
        self.shop_id.as_deref().is_none_or(|id| id == shop_id)
            && self.category_id.as_deref().is_none_or(|id| category_id == Some(id))
    }

    /// What the audit trail shows of it.
    pub(crate) fn audited(&self) -> Value {
        let AlertRow { webhook_id, shop_id, category_id, quantity, op, .. } = self;
        json!({
            "webhook_id": webhook_id.to_string(), "shop_id": shop_id, "category_id": category_id, "quantity": quantity,
            "op": op.as_str(), "value": self.value().to_string(),
        })
    }
}

/// A rule as somebody wants it.
#[derive(Clone, Debug)]
pub(crate) struct NewAlert {
    pub webhook_id: i64,
    pub shop_id: Option<Id>,
    pub category_id: Option<Id>,
    pub quantity: Quantity,
    pub op: AlertOp,
    pub value: Decimal,
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewAlert,
    key_id: Option<i32>,
    now: DateTime<Utc>,
) -> Result<AlertRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into alert (webhook_id, shop_id, category_id, quantity, op, value_millionths, created_at, created_by_key_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning {COLUMNS}"
    )))
    .bind(new.webhook_id)
    .bind(new.shop_id.as_ref().map(Id::as_str))
    .bind(new.category_id.as_ref().map(Id::as_str))
    .bind(new.quantity.id())
    .bind(new.op.as_str())
    .bind(new.value.millionths())
    .bind(now)
    .bind(key_id)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

pub(crate) async fn get(connection: &mut PgConnection, alert_id: i64) -> Result<Option<AlertRow>, StoreError> {
    let sql = format!("select {COLUMNS} from alert where alert_id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(alert_id).fetch_optional(connection).await?)
}

pub(crate) async fn delete(connection: &mut PgConnection, alert_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from alert_crossing where alert_id = $1").bind(alert_id).execute(&mut *connection).await?;
    sqlx::query("delete from alert where alert_id = $1").bind(alert_id).execute(connection).await?;
    Ok(())
}

/// A page of rules, newest first: all, those of a webhook, or those of the webhooks of some shops.
pub(crate) async fn list(
    connection: &mut PgConnection,
    webhook_id: Option<i64>,
    owned_by: Option<&[String]>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AlertRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from alert
         where ($1::bigint is null or webhook_id = $1) and ($3::bigint is null or alert_id < $3)
           and ($2::text[] is null
                or webhook_id in (select webhook.webhook_id from webhook where webhook.owner_shop_ids <@ $2))
         order by alert_id desc limit $4"
    )))
    .bind(webhook_id)
    .bind(owned_by)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The rules of webhooks that are told anything, on the projection or on what is published.
pub(crate) async fn in_force(connection: &mut PgConnection, on_projection: bool) -> Result<Vec<AlertRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from alert
         where (quantity = $1) = $2
           and webhook_id in (select webhook.webhook_id from webhook where disabled_at is null and 'metric.alert' = any(events))
         order by alert_id"
    )))
    .bind(Quantity::ProjectedScore.id())
    .bind(on_projection)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Notes which shops are beyond a rule and which are not. Returns those that are since now.
pub(crate) async fn cross(
    connection: &mut PgConnection,
    alert_id: i64,
    (beyond, within): (&[&str], &[&str]),
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, StoreError> {
    if !within.is_empty() {
        sqlx::query("delete from alert_crossing where alert_id = $1 and shop_id = any($2 collate \"C\")")
            .bind(alert_id)
            .bind(within)
            .execute(&mut *connection)
            .await?;
    }
    if beyond.is_empty() {
        return Ok(BTreeSet::new());
    }
    let new: Vec<String> = sqlx::query_scalar(
        "insert into alert_crossing (alert_id, shop_id, since) select $1, id, $3 from unnest($2::text[]) as beyond (id)
         where exists (select from alert where alert.alert_id = $1)
         on conflict do nothing returning shop_id",
    )
    .bind(alert_id)
    .bind(beyond)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(new.into_iter().collect())
}
