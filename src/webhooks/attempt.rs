//! One attempt to deliver a message: signed (Standard Webhooks 1.0), sent, and what the receiver answered.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use standardwebhooks::Webhook;

use super::endpoint::Sender;
use crate::storage::delivery::Attempt;
use crate::storage::webhook::WebhookRow;

/// Bytes of an answer that are kept.
const ANSWER_BYTES_MAX: usize = 1_024;

/// What a receiver answers that is not there any more (RFC 9110, section 15.5.11).
const GONE: u16 = 410;

/// What an attempt came to.
pub(super) struct Tried {
    pub attempt: Attempt,
    /// For how long the receiver wants to be left alone.
    pub asked: Option<TimeDelta>,
    /// Whether there was anything to send.
    has_text: bool,
}

impl Tried {
    /// What the message was made from is not kept any more.
    pub(super) fn without_text(at: DateTime<Utc>) -> Tried {
        let error = "the card that it tells of is not kept any more".to_owned();
        let attempt = Attempt { at, status: None, duration_ms: 0, error: Some(error), answer: None };
        Tried { attempt, asked: None, has_text: false }
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.attempt.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver says that nobody is there any more.
    pub(super) fn is_gone(&self) -> bool {
        self.attempt.status == Some(GONE)
    }

    /// Whether a failure says something of the endpoint.
    pub(super) fn is_the_endpoints(&self) -> bool {
        self.has_text
    }

    pub(super) fn can_be_repeated(&self) -> bool {
        self.has_text && !self.is_gone()
    }
}

/// Sends a message once. `message` is the same number whenever the message is sent.
pub(super) async fn attempt(
    sender: &Sender,
    webhook: &WebhookRow,
    message: i64,
    text: &str,
    at: DateTime<Utc>,
) -> Tried {
    let began = Instant::now();
    let answered = send(sender, webhook, message, text, at).await;
    let mut attempt = Attempt { at, status: None, duration_ms: 0, error: None, answer: None };
    let mut asked = None;
    match answered {
        Ok(response) => {
            attempt.status = Some(response.status().as_u16());
            asked = asked_pause(response.headers(), at);
            attempt.answer = beginning(response).await;
        }
        Err(error) => attempt.error = Some(error),
    }
    attempt.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Tried { attempt, asked, has_text: true }
}

async fn send(
    sender: &Sender,
    webhook: &WebhookRow,
    message: i64,
    text: &str,
    at: DateTime<Utc>,
) -> Result<Response, String> {
    let (client, url) = sender.client(&webhook.url)?;
    let id = message_id(webhook, message);
    let signed = |secret: &[u8]| -> Result<String, String> {
        let signer = Webhook::from_bytes(secret.to_vec()).map_err(|error| error.to_string())?;
        signer.sign(&id, at.timestamp(), text.as_bytes()).map_err(|error| error.to_string())
    };
    let signatures: Vec<String> = webhook.secrets(at).into_iter().map(signed).collect::<Result<_, _>>()?;
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", at.timestamp())
        .header("webhook-signature", signatures.join(" "))
        .body(text.to_owned());
    request.send().await.map_err(|error| root_of(&error))
}

/// The id of a message: the same whenever it is sent, and another one on every service.
pub(crate) fn message_id(webhook: &WebhookRow, message: i64) -> String {
    let made = webhook.created_at.timestamp_micros();
    format!("msg_{made:x}_{}_{message}", webhook.webhook_id)
}

/// The innermost cause of a failure, which says most.
fn root_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// What Retry-After asks for: seconds, or a moment (RFC 9110, section 10.2.3).
fn asked_pause(headers: &HeaderMap, now: DateTime<Utc>) -> Option<TimeDelta> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = || TimeDelta::try_seconds(text.parse().ok()?);
    let moment = || Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now);
    seconds().or_else(moment).filter(|pause| *pause > TimeDelta::zero())
}

/// The beginning of an answer, as text that prints.
async fn beginning(mut response: Response) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    let printed =
        |letter: char| if letter.is_control() && letter != '\n' { char::REPLACEMENT_CHARACTER } else { letter };
    let text: String = String::from_utf8_lossy(&bytes).chars().map(printed).collect();
    (!text.is_empty()).then_some(text)
}
