//! What is on its way to a webhook, and sending it again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::webhooks::{WebhookPath, asker, found, found_enabled};
use crate::access::Scope;
use crate::domain::subject::SubjectKind;
use crate::domain::webhook::DeliveryState;
use crate::http::auth::Caller;
use crate::http::page::Page;
use crate::http::param_types::{Instant, OneOf, PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{DeliveryNotFound, WebhookDisabled, WebhookNotFound, WrongParameter};
use crate::http::state::{App, AppState};
use crate::http::terms::{DeliveryStateTerm, HookEventTerm, KindTerm, Term};
use crate::storage::delivery::{self, Attempt, DeliveryRow};
use crate::storage::webhook::WebhookRow;
use crate::webhooks::{message_id, subscription};

/// One attempt to deliver a message.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryAttempt {
    pub at: DateTime<Utc>,
    /// The status that the receiver answered; null where it did not.
    #[schema(required)]
    pub status: Option<u16>,
    pub duration_ms: u64,
    /// Why there was no answer.
    #[schema(required)]
    pub error: Option<String>,
    /// The first kilobyte of the answer, for keys with the scope `admin` alone.
    #[schema(required)]
    pub answer: Option<String>,
}

/// A message on its way to a webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct WireDelivery {
    pub delivery_id: String,
    /// The `webhook-id` header of the message: the same whenever it is sent.
    pub message_id: String,
    pub event: HookEventTerm,
    /// What it is about; null for a run.
    #[schema(required)]
    pub subject_kind: Option<KindTerm>,
    #[schema(required)]
    pub subject_id: Option<String>,
    pub state: DeliveryStateTerm,
    pub created_at: DateTime<Utc>,
    /// Of one that is pending.
    #[schema(required)]
    pub next_attempt_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
    pub attempts: Vec<DeliveryAttempt>,
}

impl WireDelivery {
    pub(super) fn of(row: DeliveryRow, webhook: &WebhookRow, shows_answers: bool) -> WireDelivery {
        let attempt = |Attempt { at, status, duration_ms, error, answer }| {
            let answer = if shows_answers { answer } else { None };
            DeliveryAttempt { at, status, duration_ms, error, answer }
        };
        let kind = SubjectKind::from_code(row.subject_kind);
        WireDelivery {
            delivery_id: row.delivery_id.to_string(),
            message_id: message_id(webhook, row.message()),
            event: Term(row.event),
            subject_kind: kind.map(Term),
            subject_id: kind.map(|_| row.subject_id),
            state: Term(row.state),
            created_at: row.created_at,
            next_attempt_at: (row.state == DeliveryState::Pending).then_some(row.next_attempt_at),
            finished_at: row.finished_at,
            attempts: row.history.0.into_iter().map(attempt).collect(),
        }
    }
}

/// Sends a message of the type `webhook.test`. The deliveries of the webhook tell what became of it. While one is on its way still, the
/// answer is that one, and no second one is sent.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/test",
    tag = "webhooks",
    params(WebhookPath),
    responses(
        (status = 202, description = "On its way.", body = WireDelivery),
        WebhookNotFound,
        WebhookDisabled
    )
)]
pub(crate) async fn test_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<WebhookPath>,
) -> Result<Response, Problem> {
    let webhook = found_enabled(&state, &caller, &path).await?;
    let mut connection = state.source.connection().await?;
    let made = subscription::test(&mut connection, &webhook, state.context.now()).await?;
    on_its_way(&state, &webhook, made, caller.has(Scope::Admin)).await
}

parameters! {
    /// Which deliveries are listed.
    pub(crate) struct DeliveriesQuery {
        webhook: WebhookPath,
        /// `pending`, `delivered` or `failed`.
        state: OneOf<DeliveryState>,
        page: PageQuery,
    }
}

/// Lists the deliveries of a webhook with their attempts, newest first. Those that arrived are kept for 7 days, those that did not
/// for 30.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook_id}/deliveries",
    tag = "webhooks",
    params(DeliveriesQuery),
    responses(
        (status = 200, description = "A page, newest first.", body = Page<WireDelivery>),
        WebhookNotFound,
        WrongParameter
    )
)]
pub(crate) async fn list_deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<DeliveriesQuery>,
) -> Result<Json<Page<WireDelivery>>, Problem> {
    let webhook = found(&state, &caller, &query.webhook).await?;
    let (limit, before) = (query.page.limit.0, query.page.cursor.after);
    let mut connection = state.source.connection().await?;
    let mut rows = delivery::list(&mut connection, webhook.webhook_id, query.state.0, before, limit as i64 + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| query.page.cursor.signer.close(&last.delivery_id));
    let shows_answers = caller.has(Scope::Admin);
    let items = rows.into_iter().map(|row| WireDelivery::of(row, &webhook, shows_answers)).collect();
    Ok(Json(Page { items, next_cursor }))
}

parameters! {
    /// Which delivery is meant.
    pub(crate) struct DeliveryPath {
        webhook: WebhookPath,
        delivery_id: TextSegment,
    }
}

/// Sends a message again, as a new delivery with the same message id. While that is on its way still, the answer is that delivery, and
/// no further one is made.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry",
    tag = "webhooks",
    params(DeliveryPath),
    responses(
        (status = 202, description = "On its way.", body = WireDelivery),
        DeliveryNotFound,
        WebhookDisabled
    )
)]
pub(crate) async fn retry_delivery(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<DeliveryPath>,
) -> Result<Response, Problem> {
    let webhook = found_enabled(&state, &caller, &path.webhook).await?;
    let not_found = || Problem::no_such(Kind::DeliveryNotFound, "delivery", &path.delivery_id.0);
    let number = whole_number(&path.delivery_id.0).ok_or_else(not_found)?;
    let mut connection = state.source.connection().await?;
    let asker = asker(&caller, &state);
    let again = subscription::retry(&mut connection, &webhook, (Some(number), None), &asker).await?;
    let made = again.first().copied().ok_or_else(not_found)?;
    on_its_way(&state, &webhook, Some(made), caller.has(Scope::Admin)).await
}

/// Answers with a delivery that was made a moment ago.
async fn on_its_way(
    state: &App,
    webhook: &WebhookRow,
    delivery_id: Option<i64>,
    shows_answers: bool,
) -> Result<Response, Problem> {
    let gone = || Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR);
    let mut connection = state.source.connection().await?;
    let row = delivery::get(&mut connection, delivery_id.ok_or_else(gone)?).await?.ok_or_else(gone)?;
    state.hub.wake();
    Ok((StatusCode::ACCEPTED, Json(WireDelivery::of(row, webhook, shows_answers))).into_response())
}

parameters! {
    /// Which deliveries are repeated.
    pub(crate) struct RetryQuery {
        webhook: WebhookPath,
        /// Only those that were given up at this moment or later (RFC 3339).
        since: Instant,
    }
}

/// How many messages are sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetriedAnswer {
    pub deliveries: usize,
}

/// Sends messages again that failed, up to 10,000 at a time, as new deliveries with the same message ids; those that were sent
/// again already are left out.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/retry-failed",
    tag = "webhooks",
    params(RetryQuery),
    responses(
        (status = 202, description = "On their way.", body = RetriedAnswer),
        WebhookNotFound,
        WebhookDisabled,
        WrongParameter
    )
)]
pub(crate) async fn retry_failed(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<RetryQuery>,
) -> Result<Response, Problem> {
    let webhook = found_enabled(&state, &caller, &query.webhook).await?;
    let mut connection = state.source.connection().await?;
    let asker = asker(&caller, &state);
    let again = subscription::retry(&mut connection, &webhook, (None, query.since.0), &asker).await?;
    state.hub.wake();
    Ok((StatusCode::ACCEPTED, Json(RetriedAnswer { deliveries: again.len() })).into_response())
}
