//! Webhooks: subscribing, and changing what is told.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::webhook_bodies::{WebhookBody, WebhookWithSecret, WireWebhook};
use crate::access::Scope;
use crate::domain::subject::SubjectKind;
use crate::http::auth::Caller;
use crate::http::json_body::JsonBody;
use crate::http::page::Page;
use crate::http::param_types::{PageQuery, TextSegment, whole_number};
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidBody, TooManyWebhooks, WebhookNotFound, WrongParameter};
use crate::http::state::{App, AppState};
use crate::storage::webhook::WebhookRow;
use crate::webhooks::subscription::{self, Asker};

/// Answers with a secret, which nobody keeps on the way.
fn with_secret(status: StatusCode, row: WebhookRow) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(WebhookWithSecret::from(row))).into_response()
}

/// As whom a caller asks for webhooks.
pub(super) fn asker(caller: &Caller, state: &App) -> Asker {
    let is_bound = !caller.has(Scope::Admin);
    let shops = caller.bounds().map(|bounds| bounds.of(SubjectKind::Shop).clone());
    Asker {
        actor: caller.actor(),
        // A key that is not for all sees none where it is bound to no shop.
        shops: is_bound.then(|| shops.unwrap_or_default()),
        now: state.context.now(),
    }
}

parameters! {
    /// Which webhook is meant.
    pub(crate) struct WebhookPath {
        webhook_id: TextSegment,
    }
}

impl WebhookPath {
    pub(super) fn not_found(&self) -> Problem {
        Problem::no_such(Kind::WebhookNotFound, "webhook", &self.webhook_id.0)
    }

    pub(super) fn number(&self) -> Result<i64, Problem> {
        whole_number(&self.webhook_id.0).ok_or_else(|| self.not_found())
    }
}

/// Subscribes to what happens. Messages are signed with the secret, which is shown only in this answer.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    tag = "webhooks",
    request_body = WebhookBody,
    responses(
        (status = 201, description = "Subscribed. Store `secret`: it is not shown again.", body = WebhookWithSecret),
        TooManyWebhooks,
        InvalidBody
    )
)]
pub(crate) async fn post_webhook(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<WebhookBody>,
) -> Result<Response, Problem> {
    let asker = asker(&caller, &state);
    let (wish, is_enabled) = body.wish();
    let wanted = wish.check(&asker, state.hub.reach()).map_err(Problem::invalid_body)?;
    let mut connection = state.source.connection().await?;
    if let Some(most) = subscription::lacks_room(&mut connection, &asker).await? {
        let detail = format!("there are {most} webhooks already; change one, or delete one first");
        return Err(Problem::new(Kind::TooManyWebhooks, detail));
    }
    let row = subscription::create(&mut connection, (&wanted, is_enabled), &asker).await?;
    Ok(with_secret(StatusCode::CREATED, row))
}

parameters! {
    /// Which page of webhooks is wanted.
    pub(crate) struct WebhooksQuery {
        page: PageQuery,
    }
}

/// Lists webhooks, newest first. A key that is bound to shops sees those of its own shops.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    tag = "webhooks",
    params(WebhooksQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireWebhook>), WrongParameter)
)]
pub(crate) async fn list_webhooks(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<WebhooksQuery>,
) -> Result<Json<Page<WireWebhook>>, Problem> {
    let limit = query.page.limit.0;
    let mut connection = state.source.connection().await?;
    let before = query.page.cursor.after;
    let rows = subscription::list(&mut connection, &asker(&caller, &state), before, limit as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.webhook_id)))
}

/// One webhook.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook, without its secret.", body = WireWebhook), WebhookNotFound)
)]
pub(crate) async fn get_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<WebhookPath>,
) -> Result<Json<WireWebhook>, Problem> {
    Ok(Json(found(&state, &caller, &path).await?.into()))
}

/// The webhook of a path, if it is there for the caller.
pub(super) async fn found(state: &App, caller: &Caller, path: &WebhookPath) -> Result<WebhookRow, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = subscription::find(&mut connection, number, &asker(caller, state)).await?;
    row.ok_or_else(|| path.not_found())
}

/// The same, if it is told anything.
pub(super) async fn found_enabled(state: &App, caller: &Caller, path: &WebhookPath) -> Result<WebhookRow, Problem> {
    let row = found(state, caller, path).await?;
    match &row.disabled_reason {
        None => Ok(row),
        Some(reason) => {
            let detail = format!("the webhook is told nothing any more ({reason}); set enabled to true first");
            Err(Problem::new(Kind::WebhookDisabled, detail))
        }
    }
}

/// Changes a webhook: what is not in the body is as in a new one. Its secret stays.
#[utoipa::path(
    put,
    path = "/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(WebhookPath),
    request_body = WebhookBody,
    responses((status = 200, description = "Changed.", body = WireWebhook), WebhookNotFound, InvalidBody)
)]
pub(crate) async fn put_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<WebhookPath>,
    JsonBody(body, _room): JsonBody<WebhookBody>,
) -> Result<Json<WireWebhook>, Problem> {
    let asker = asker(&caller, &state);
    let (wish, is_enabled) = body.wish();
    let before = found(&state, &caller, &path).await?;
    let number = before.webhook_id;
    let wanted = wish.check(&asker.about(&before), state.hub.reach()).map_err(Problem::invalid_body)?;
    let mut connection = state.source.connection().await?;
    let row = subscription::change(&mut connection, number, (&wanted, is_enabled), &asker).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| path.not_found())
}

/// Removes a webhook, with its alert rules and what is on its way to it.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{webhook_id}",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook as it was.", body = WireWebhook), WebhookNotFound)
)]
pub(crate) async fn delete_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<WebhookPath>,
) -> Result<Json<WireWebhook>, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = subscription::delete(&mut connection, number, &asker(&caller, &state)).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| path.not_found())
}

/// Gives a webhook a new secret. For 24 hours messages carry signatures with both.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhook_id}/rotate",
    tag = "webhooks",
    params(WebhookPath),
    responses(
        (status = 200, description = "Store `secret`: it is not shown again.", body = WebhookWithSecret),
        WebhookNotFound
    )
)]
pub(crate) async fn rotate_webhook(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<WebhookPath>,
) -> Result<Response, Problem> {
    let number = path.number()?;
    let mut connection = state.source.connection().await?;
    let row = subscription::rotate(&mut connection, number, &asker(&caller, &state)).await?;
    row.map(|row| with_secret(StatusCode::OK, row)).ok_or_else(|| path.not_found())
}
