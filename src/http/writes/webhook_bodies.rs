//! The bodies of webhooks: what they are told, and how they are shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::subject::SubjectKind;
use crate::http::json_body::RequestBody;
use crate::http::terms::{HookEventTerm, KindTerm, Term};
use crate::storage::webhook::WebhookRow;
use crate::webhooks::subscription::shown_secret;
use crate::webhooks::wish::Wish;

/// What a webhook is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookBody {
    /// Where messages are posted: an https URL on the internet, or one inside the networks that the operator opens.
    #[schema(max_length = 2000)]
    pub url: String,
    #[schema(value_type = Vec<HookEventTerm>, min_items = 1)]
    pub events: Vec<String>,
    /// For people.
    #[schema(max_length = 500)]
    pub description: Option<String>,
    /// Only subjects of these kinds.
    #[schema(value_type = Option<Vec<KindTerm>>)]
    pub kinds: Option<Vec<String>>,
    /// Only these shops, and the creators of `creator_ids`. Without both all, or the shops of a bound key.
    pub shop_ids: Option<Vec<String>>,
    pub creator_ids: Option<Vec<String>>,
    /// Whether it is told anything, true if not said. One that is not gives up what is on its way.
    pub enabled: Option<bool>,
}

impl WebhookBody {
    /// What is wished for, and whether the webhook is told anything.
    pub(super) fn wish(self) -> (Wish, bool) {
        let WebhookBody { url, events, description, kinds, shop_ids, creator_ids, enabled } = self;
        (Wish { url, description, events, kinds, shop_ids, creator_ids }, enabled.unwrap_or(true))
    }
}

impl RequestBody for WebhookBody {
    /// Room for as many ids as a webhook can name.
    const BYTES_MAX: usize = 2 * 1024 * 1024;
}

/// A webhook without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WireWebhook {
    pub webhook_id: String,
    pub url: String,
    #[schema(required)]
    pub description: Option<String>,
    #[schema(value_type = Vec<HookEventTerm>)]
    pub events: Vec<String>,
    #[schema(required)]
    pub kinds: Option<Vec<KindTerm>>,
    #[schema(required)]
    pub shop_ids: Option<Vec<String>>,
    #[schema(required)]
    pub creator_ids: Option<Vec<String>>,
    pub enabled: bool,
    #[schema(required)]
    pub disabled_at: Option<DateTime<Utc>>,
    /// Why it is told nothing any more.
    #[schema(required)]
    pub disabled_reason: Option<String>,
    /// Since when no message arrived; null if the last attempt succeeded.
    #[schema(required)]
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before the present one signs, too.
    #[schema(required)]
    pub previous_secret_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// The key with which it was made; null where no keys are asked for.
    #[schema(required)]
    pub created_by_key_id: Option<String>,
    pub updated_at: DateTime<Utc>,
}

impl From<WebhookRow> for WireWebhook {
    fn from(row: WebhookRow) -> WireWebhook {
        let kinds = |codes: Vec<i16>| codes.into_iter().filter_map(SubjectKind::from_code).map(Term).collect();
        WireWebhook {
            webhook_id: row.webhook_id.to_string(),
            url: row.url,
            description: row.description,
            events: row.events,
            kinds: row.kinds.map(kinds),
            shop_ids: row.shop_ids,
            creator_ids: row.creator_ids,
            enabled: row.disabled_at.is_none(),
            disabled_at: row.disabled_at,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            previous_secret_until: row.previous_until,
            created_at: row.created_at,
            created_by_key_id: row.created_by_key_id.map(|id| id.to_string()),
            updated_at: row.updated_at,
        }
    }
}

/// A webhook with its secret, which is shown only here.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookWithSecret {
    /// Messages are signed with it (Standard Webhooks 1.0).
    pub secret: String,
    #[serde(flatten)]
    pub described: WireWebhook,
}

impl From<WebhookRow> for WebhookWithSecret {
    fn from(row: WebhookRow) -> WebhookWithSecret {
        WebhookWithSecret { secret: shown_secret(&row.secret), described: row.into() }
    }
}
