//! Subscribing: webhooks as somebody makes and changes them. Every change is noted in the audit trail.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};

use crate::domain::audit::{Action, Actor};
use crate::domain::id::Id;
use crate::domain::webhook::HookEvent;
use crate::storage::StoreError;
use crate::storage::audit::{self, Change};
use crate::storage::delivery::{self, NewDelivery};
use crate::storage::webhook::{self, Subscription, WebhookRow};

/// Bytes of a secret.
const SECRET_BYTES: usize = 32;
/// How long the secret before signs beside a new one.
pub(crate) const SECRET_GRACE: TimeDelta = TimeDelta::hours(24);
/// Webhooks of the shops of one key, and of all together.
const WEBHOOKS_OF_KEY_MAX: i64 = 20;
const WEBHOOKS_MAX: i64 = 20_000;

/// A secret as its holder knows it.
pub(crate) fn shown_secret(secret: &[u8]) -> String {
    format!("whsec_{}", BASE64.encode(secret))
}

/// Whether a webhook is told of alerts.
pub(crate) fn is_warned(row: &WebhookRow) -> bool {
    row.wants(HookEvent::MetricAlert)
}

/// Who asks, and for which shops alone, if for some.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub actor: Actor,
    pub shops: Option<BTreeSet<Id>>,
    pub now: DateTime<Utc>,
}

impl Asker {
    pub(super) fn shop_ids(&self) -> Option<Vec<String>> {
        self.shops.as_ref().map(|shops| shops.iter().map(Id::to_string).collect())
    }

    /// The same who asks, for a webhook that is there: what it is told stays among the shops that own it, whoever asks.
    pub(crate) fn about(&self, row: &WebhookRow) -> Asker {
        let owners = |ids: &Vec<String>| ids.iter().map(|id| Id::stored(id)).collect();
        Asker { shops: row.owner_shop_ids.as_ref().map(owners).or_else(|| self.shops.clone()), ..self.clone() }
    }

    /// Whether a webhook is there for the one who asks: one that is bound sees those of its own shops.
    pub(crate) fn sees(&self, row: &WebhookRow) -> bool {
        let Some(shops) = &self.shops else { return true };
        let owners = row.owner_shop_ids.as_deref().unwrap_or_default();
        !owners.is_empty() && owners.iter().all(|id| shops.iter().any(|shop| shop.as_str() == id))
    }
}

/// The most webhooks that the asker may have, where that many are there.
pub(crate) async fn lacks_room(connection: &mut PgConnection, asker: &Asker) -> Result<Option<i64>, StoreError> {
    let most = if asker.shops.is_some() { WEBHOOKS_OF_KEY_MAX } else { WEBHOOKS_MAX };
    let there = webhook::count(connection, asker.shop_ids().as_deref()).await?;
    Ok((there >= most).then_some(most))
}

/// Subscribes. The secret is part of the row.
pub(crate) async fn create(
    connection: &mut PgConnection,
    (wanted, is_enabled): (&Subscription, bool),
    asker: &Asker,
) -> Result<WebhookRow, StoreError> {
    let mut transaction = connection.begin().await?;
    let secret: [u8; SECRET_BYTES] = rand::random();
    let owners = asker.shops.as_ref().and(wanted.shop_ids.as_deref());
    let made = (secret.as_slice(), asker.actor.key_id());
    let mut row = webhook::insert(&mut transaction, wanted, owners, made, asker.now).await?;
    if !is_enabled {
        row = webhook::update(&mut transaction, row.webhook_id, wanted, false, asker.now).await?;
    }
    note(&mut transaction, Action::WebhookCreated, (None, Some(&row)), asker).await?;
    transaction.commit().await?;
    Ok(row)
}

/// Changes a webhook that the asker sees; `None` if there is none. One that is told nothing any more gives up what is on
/// its way.
pub(crate) async fn change(
    connection: &mut PgConnection,
    webhook_id: i64,
    (wanted, is_enabled): (&Subscription, bool),
    asker: &Asker,
) -> Result<Option<WebhookRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    let Some(before) = held(&mut transaction, webhook_id, asker).await? else { return Ok(None) };
    let row = webhook::update(&mut transaction, webhook_id, wanted, is_enabled, asker.now).await?;
    note(&mut transaction, Action::WebhookChanged, (Some(&before), Some(&row)), asker).await?;
    transaction.commit().await?;
    Ok(Some(row))
}

/// Gives a webhook another secret.
pub(crate) async fn rotate(
    connection: &mut PgConnection,
    webhook_id: i64,
    asker: &Asker,
) -> Result<Option<WebhookRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    let Some(before) = held(&mut transaction, webhook_id, asker).await? else { return Ok(None) };
    let secret: [u8; SECRET_BYTES] = rand::random();
    let until = asker.now + SECRET_GRACE;
    let row = webhook::rotate(&mut transaction, webhook_id, &secret, until, asker.now).await?;
    note(&mut transaction, Action::WebhookRotated, (Some(&before), Some(&row)), asker).await?;
    transaction.commit().await?;
    Ok(Some(row))
}

/// Removes a webhook with its alert rules and all that was on its way.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    webhook_id: i64,
    asker: &Asker,
) -> Result<Option<WebhookRow>, StoreError> {
    let mut transaction = connection.begin().await?;
    let Some(row) = held(&mut transaction, webhook_id, asker).await? else { return Ok(None) };
    webhook::delete(&mut transaction, webhook_id).await?;
    note(&mut transaction, Action::WebhookDeleted, (Some(&row), None), asker).await?;
    transaction.commit().await?;
    Ok(Some(row))
}

/// The webhook of an id, if it is there for the asker.
pub(crate) async fn find(
    connection: &mut PgConnection,
    webhook_id: i64,
    asker: &Asker,
) -> Result<Option<WebhookRow>, StoreError> {
    Ok(webhook::get(connection, webhook_id).await?.filter(|row| asker.sees(row)))
}

async fn held(connection: &mut PgConnection, webhook_id: i64, asker: &Asker) -> Result<Option<WebhookRow>, StoreError> {
    Ok(webhook::hold(connection, webhook_id).await?.filter(|row| asker.sees(row)))
}

/// A page of the webhooks that are there for the asker.
pub(crate) async fn list(
    connection: &mut PgConnection,
    asker: &Asker,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<WebhookRow>, StoreError> {
    webhook::list(connection, asker.shop_ids().as_deref(), before, limit).await
}

/// Puts a message on its way that says nothing but that it arrived; where one is on its way still, there is no second one.
pub(crate) async fn test(
    connection: &mut PgConnection,
    row: &WebhookRow,
    now: DateTime<Utc>,
) -> Result<Option<i64>, StoreError> {
    let mut transaction = connection.begin().await?;
    // Who asks at the same time waits, and finds it.
    webhook::hold(&mut transaction, row.webhook_id).await?;
    if let Some(pending) = delivery::pending_test(&mut transaction, row.webhook_id).await? {
        return Ok(Some(pending));
    }
    let data = serde_json::json!({ "webhook_id": row.webhook_id.to_string() });
    let new = NewDelivery {
        webhook_id: row.webhook_id,
        event: HookEvent::WebhookTest,
        subject: None,
        announcement_id: None,
        data: Some(data),
    };
    let made = delivery::insert(&mut transaction, &[new], now).await?.pop();
    transaction.commit().await?;
    Ok(made)
}

/// Sends messages of a webhook again: one, or all that failed since a moment. Returns the new deliveries; of one that is sent again
/// already and not there yet, that delivery.
pub(crate) async fn retry(
    connection: &mut PgConnection,
    row: &WebhookRow,
    (delivery_id, failed_since): (Option<i64>, Option<DateTime<Utc>>),
    asker: &Asker,
) -> Result<Vec<i64>, StoreError> {
    let mut transaction = connection.begin().await?;
    webhook::hold(&mut transaction, row.webhook_id).await?;
    if let Some(delivery_id) = delivery_id
        && let Some(pending) = delivery::pending_message(&mut transaction, row.webhook_id, delivery_id).await?
    {
        return Ok(vec![pending]);
    }
    let again = delivery::repeat(&mut transaction, row.webhook_id, delivery_id, failed_since, asker.now).await?;
    if !again.is_empty() {
        let change = Change {
            action: Action::DeliveriesRetried,
            subject: None,
            target: Some(row.webhook_id.to_string()),
            before: None,
            after: Some(serde_json::json!({ "deliveries": again.len() })),
        };
        audit::note(&mut transaction, asker.actor, asker.now, &[change]).await?;
    }
    transaction.commit().await?;
    Ok(again)
}

/// Notes a change of a webhook.
async fn note(
    connection: &mut PgConnection,
    action: Action,
    (before, after): (Option<&WebhookRow>, Option<&WebhookRow>),
    asker: &Asker,
) -> Result<(), StoreError> {
    let change = Change {
        action,
        subject: None,
        target: before.or(after).map(|row| row.webhook_id.to_string()),
        before: before.map(WebhookRow::audited),
        after: after.map(WebhookRow::audited),
    };
    audit::note(connection, asker.actor, asker.now, &[change]).await
}
