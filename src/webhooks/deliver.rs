//! Sending what waits: one process at a time for each endpoint, one message at a time for each subject of it, and endpoints
//! beside each other, so that none waits for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, future, stream};
use sqlx::Connection;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::attempt::{Tried, attempt};
use super::{Hub, message};
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::webhook::{ASKED_PAUSE_MAX, DeliveryState, FAILING_MAX, is_given_up, pause_after, rest_after};
use crate::otel::SPANS;
use crate::storage::delivery::{self, Attempted, DeliveryRow};
use crate::storage::webhook::WebhookRow;
use crate::storage::webhook_lease::{self, Condition};

/// How often it is looked for endpoints to which something can be sent.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Endpoints that one process delivers to at a time.
const ENDPOINTS_MAX: usize = 1_000;
/// Messages that are fetched at a time.
const BATCH: i64 = 512;
/// Messages that are on their way to one endpoint at a time: so many at first, and at most. An endpoint that fails is sent
/// fewer, one that keeps up more.
const AT_ONCE_FIRST: usize = 4;
const AT_ONCE_MAX: usize = 32;
/// For how long messages are begun between two renewals of the lease: with the time that an answer may take it stays below it.
const SEND_MAX: Duration = Duration::from_secs(8);
/// A lease that is older is renewed before anything is sent.
const RENEW_AFTER: Duration = Duration::from_secs(3);
/// How long an endpoint is left alone to which nothing can be sent yet, though something waits.
const BLOCKED_PAUSE: TimeDelta = TimeDelta::seconds(2);

/// Delivers until told to stop; then ends what is on its way.
pub(super) async fn keep_delivering(source: Source, hub: Hub) {
    let mut workers: JoinSet<()> = JoinSet::new();
    while !hub.is_stopping() {
        while workers.try_join_next().is_some() {}
        let leased = Instant::now();
        let room = ENDPOINTS_MAX.saturating_sub(workers.len());
        match claim(&source, room).await {
            Ok(claimed) => {
                for webhook in claimed {
                    let worker = Worker { source: source.clone(), hub: hub.clone(), at_once: AT_ONCE_FIRST, leased };
                    workers.spawn(worker.deliver_all(webhook));
                }
            }
            Err(error) => tracing::debug!(%error, "it cannot be seen what waits to be delivered"),
        }
        hub.wait(LOOK_EVERY).await;
    }
    while workers.join_next().await.is_some() {}
}

async fn claim(source: &Source, room: usize) -> Result<Vec<WebhookRow>, ReadError> {
    if room == 0 {
        return Ok(Vec::new());
    }
    let mut connection = source.context.store.run.acquire().await?;
    Ok(webhook_lease::claim(&mut connection, source.context.now(), room as i64).await?)
}

/// Delivers to one endpoint.
struct Worker {
    source: Source,
    hub: Hub,
    at_once: usize,
    /// A moment before the lease was last renewed.
    leased: Instant,
}

/// What may be sent next, with its texts; and, where something waits that may not, until when the endpoint is left alone.
struct Due {
    rows: Vec<DeliveryRow>,
    texts: HashMap<i64, String>,
    blocked_until: Option<DateTime<Utc>>,
}

impl Worker {
    async fn deliver_all(mut self, webhook: WebhookRow) {
        let webhook_id = webhook.webhook_id;
        if let Err(error) = self.deliver(webhook).await {
            // Its lease runs out, and it is taken up again.
            tracing::warn!(%error, webhook_id, "deliveries stopped; they go on in a moment");
        }
    }

    async fn deliver(&mut self, mut webhook: WebhookRow) -> Result<(), ReadError> {
        let mut after = 0;
        loop {
            let due = self.due(&webhook, after).await?;
            let last = due.rows.last().map(|row| row.delivery_id);
            if last.is_none() && after > 0 {
                // Those that came meanwhile, or had to wait for one before them.
                after = 0;
                continue;
            }
            after = last.unwrap_or(0);
            let mut condition = condition_of(&webhook);
            condition.paused_until = due.blocked_until;
            // With many endpoints it takes a while until each has its turn at the database.
            if last.is_some() && self.leased.elapsed() > RENEW_AFTER {
                match self.note(&webhook, &[], &condition, false).await? {
                    Some(renewed) => webhook = renewed,
                    None => return Ok(()),
                }
            }
            let attempted = self.send(&webhook, due, &mut condition).await;
            let is_done = last.is_none()
                || condition.paused_until.is_some()
                || condition.disabled_reason.is_some()
                || self.hub.is_stopping();
            match self.note(&webhook, &attempted, &condition, is_done).await? {
                Some(renewed) if !is_done && renewed.disabled_at.is_none() => webhook = renewed,
                _ => return Ok(()),
            }
        }
    }

    async fn due(&self, webhook: &WebhookRow, after: i64) -> Result<Due, ReadError> {
        let _turn = self.hub.database_turn().await;
        let mut connection = self.source.connection().await?;
        let now = self.source.context.now();
        // An endpoint that failed again and again is tried with one message.
        let limit = if rest_after(webhook.failures.unsigned_abs()).is_some() { 1 } else { BATCH };
        // Asked first: what comes between the two questions is found by the second one.
        let is_waiting = after == 0 && delivery::is_waiting(&mut connection, webhook.webhook_id, now).await?;
        let rows = delivery::due(&mut connection, webhook.webhook_id, after, now, limit).await?;
        // From the moment that was asked about: what becomes due after it waits for no pause.
        let blocked_until = (rows.is_empty() && is_waiting).then(|| now + BLOCKED_PAUSE);
        let texts = message::texts(&mut connection, &self.source, &rows).await?;
        Ok(Due { rows, texts, blocked_until })
    }

    /// Sends messages, as many at a time as the endpoint takes, until it fails too often or the time is over.
    async fn send(&mut self, webhook: &WebhookRow, due: Due, condition: &mut Condition) -> Vec<Attempted> {
        let is_over = AtomicBool::new(false);
        let (hub, source, texts, stop, leased) = (&self.hub, &self.source, &due.texts, &is_over, self.leased);
        let begun = stream::iter(due.rows).take_while(|_| {
            let goes_on = !stop.load(Ordering::Relaxed) && leased.elapsed() < SEND_MAX && !hub.is_stopping();
            future::ready(goes_on)
        });
        let mut sending = begun
            .map(|row| async move {
                let tried = match texts.get(&row.delivery_id) {
                    Some(text) => {
                        let (webhook_id, event) = (webhook.webhook_id, row.event.as_str());
                        let span = tracing::span!(SPANS, "deliver", webhook_id, event, delivery_id = row.delivery_id);
                        let attempt = attempt(&hub.0.sender, webhook, row.message(), text, source.context.now());
                        attempt.instrument(span).await
                    }
                    None => Tried::without_text(source.context.now()),
                };
                (row, tried)
            })
            .buffer_unordered(self.at_once);
        let mut attempted = Vec::new();
        let mut has_failed = false;
        while let Some((row, tried)) = sending.next().await {
            let now = source.context.now();
            has_failed |= !tried.is_delivered();
            take_note(condition, &tried, now);
            if condition.paused_until.is_some() || condition.disabled_reason.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
            attempted.push(outcome(&row, tried, now));
        }
        drop(sending);
        self.at_once = if has_failed { (self.at_once / 2).max(1) } else { (self.at_once * 2).min(AT_ONCE_MAX) };
        attempted
    }

    /// Notes what became of attempts, in one transaction with the lease. `None` where another process has the endpoint.
    async fn note(
        &mut self,
        webhook: &WebhookRow,
        attempted: &[Attempted],
        condition: &Condition,
        is_done: bool,
    ) -> Result<Option<WebhookRow>, ReadError> {
        let turn = self.hub.0.database.acquire().await.ok();
        let (now, renewing) = (self.source.context.now(), Instant::now());
        let mut connection = self.source.connection().await?;
        let mut transaction = connection.begin().await?;
        let renewed = webhook_lease::renew(&mut transaction, webhook, condition, is_done, now).await?;
        if renewed.is_some() {
            delivery::note(&mut transaction, attempted, now).await?;
            transaction.commit().await?;
            drop(turn);
            self.leased = renewing;
            self.count(webhook, attempted, condition);
        }
        Ok(renewed)
    }

    fn count(&self, webhook: &WebhookRow, attempted: &[Attempted], condition: &Condition) {
        let figures = &self.hub.0.figures;
        for one in attempted {
            let count = match one.state {
                DeliveryState::Delivered => &figures.delivered,
                DeliveryState::Pending => &figures.failed,
                DeliveryState::Failed => &figures.given_up,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(reason) = &condition.disabled_reason {
            figures.disabled.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(webhook_id = webhook.webhook_id, reason, "a webhook is told nothing any more");
        }
    }
}

fn condition_of(webhook: &WebhookRow) -> Condition {
    let WebhookRow { failing_since, failures, .. } = webhook;
    Condition { failing_since: *failing_since, failures: *failures, paused_until: None, disabled_reason: None }
}

/// What an attempt says of its endpoint.
fn take_note(condition: &mut Condition, tried: &Tried, now: DateTime<Utc>) {
    if tried.is_delivered() {
        (condition.failing_since, condition.failures, condition.paused_until) = (None, 0, None);
        return;
    }
    if !tried.is_the_endpoints() {
        return;
    }
    let since = *condition.failing_since.get_or_insert(now);
    condition.failures = condition.failures.saturating_add(1);
    condition.paused_until = rest_after(condition.failures.unsigned_abs()).map(|rest| now + rest);
    if let Some(asked) = tried.asked {
        condition.paused_until = condition.paused_until.max(Some(now + asked.min(ASKED_PAUSE_MAX)));
    }
    if tried.is_gone() {
        condition.disabled_reason = Some("the receiver answered 410 Gone".to_owned());
    } else if is_given_up(now - since, condition.failures.unsigned_abs()) {
        condition.disabled_reason = Some(format!("nothing arrived for {} days", FAILING_MAX.num_days()));
    }
}

/// What becomes of a delivery after an attempt.
fn outcome(row: &DeliveryRow, tried: Tried, now: DateTime<Utc>) -> Attempted {
    let attempts = u16::try_from(row.attempts).unwrap_or(u16::MAX).saturating_add(1);
    let pause = if tried.can_be_repeated() { pause_after(attempts, rand::random(), tried.asked) } else { None };
    let (state, next_attempt_at) = match (tried.is_delivered(), pause) {
        (true, _) => (DeliveryState::Delivered, None),
        (false, Some(pause)) => (DeliveryState::Pending, Some(now + pause)),
        (false, None) => (DeliveryState::Failed, None),
    };
    Attempted { delivery_id: row.delivery_id, attempt: tried.attempt, state, next_attempt_at }
}
