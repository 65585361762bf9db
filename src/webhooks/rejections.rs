//! What events of shops were rejected for, summed per minute for those who want to be told. Kept in memory: it is no ground truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::Hub;
use super::message::{joined, subject_value};
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::fault::Code;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::webhook::HookEvent;
use crate::storage::delivery::{self, NewDelivery};
use crate::storage::webhook;

/// How long rejections are summed.
const SUMMED_FOR: TimeDelta = TimeDelta::minutes(1);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most shops whose rejections are summed at a time, and the ids that are told of each.
const SHOPS_MAX: usize = 10_000;
const IDS_TOLD: usize = 10;
/// Characters of an id that a sender wrote.
const ID_LENGTH_MAX: usize = 128;

/// Cloning is cheap.
#[derive(Clone, Default)]
pub(crate) struct Rejections(Arc<Mutex<HashMap<Id, Sum>>>);

struct Sum {
    from: DateTime<Utc>,
    by_code: BTreeMap<&'static str, u64>,
    first_ids: Vec<String>,
}

impl Rejections {
    /// Notes that an event of a shop was rejected.
    pub(crate) fn note(&self, shop_id: &Id, code: Code, event_id: Option<&str>, now: DateTime<Utc>) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() >= SHOPS_MAX && !sums.contains_key(shop_id) {
            return;
        }
        let new = || Sum { from: now, by_code: BTreeMap::new(), first_ids: Vec::new() };
        let sum = sums.entry(shop_id.clone()).or_insert_with(new);
        *sum.by_code.entry(code.as_str()).or_default() += 1;
        if let Some(id) = event_id.filter(|_| sum.first_ids.len() < IDS_TOLD) {
            let printed = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
            sum.first_ids.push(id.chars().take(ID_LENGTH_MAX).map(printed).collect());
        }
    }

    /// Takes the sums that are as old as `age`.
    fn take(&self, now: DateTime<Utc>, age: TimeDelta) -> Vec<(Id, Sum)> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.extract_if(|_, sum| now >= sum.from + age).collect()
    }
}

/// Tells of rejections, minute by minute, until told to stop.
pub(super) async fn keep_telling(source: &Source, hub: &Hub) {
    while !hub.is_stopping() {
        tell_older(source, hub, SUMMED_FOR).await;
        hub.pause(LOOK_EVERY).await;
    }
}

/// Tells of what was summed in the minute that is not over yet. For the end, after the last request.
pub(crate) async fn tell_last(source: &Source, hub: &Hub) {
    tell_older(source, hub, TimeDelta::zero()).await;
}

async fn tell_older(source: &Source, hub: &Hub, age: TimeDelta) {
    let over = hub.rejections().take(source.context.now(), age);
    if !over.is_empty()
        && let Err(error) = tell(source, hub, over).await
    {
        tracing::debug!(%error, "rejections of a minute are not told");
    }
}

async fn tell(source: &Source, hub: &Hub, sums: Vec<(Id, Sum)>) -> Result<(), ReadError> {
    let now = source.context.now();
    let mut connection = source.connection().await?;
    let mut webhooks = webhook::enabled_at(&mut connection, now).await?;
    webhooks.retain(|webhook| webhook.wants(HookEvent::EventRejected));
    let mut new = Vec::new();
    for (shop_id, sum) in sums {
        let subject = Subject { kind: SubjectKind::Shop, id: shop_id };
        let rejected: u64 = sum.by_code.values().sum();
        let data = json!({
            "from": sum.from, "to": (sum.from + SUMMED_FOR).min(now), "rejected": rejected, "by_code": sum.by_code,
            "first_ids": sum.first_ids,
        });
        for webhook in webhooks.iter().filter(|webhook| webhook.is_told_of(&subject)) {
            new.push(NewDelivery {
                webhook_id: webhook.webhook_id,
                event: HookEvent::EventRejected,
                subject: Some(subject.clone()),
                announcement_id: None,
                data: Some(joined(subject_value(&subject), data.clone())),
            });
        }
    }
    delivery::insert(&mut connection, &new, now).await?;
    if !new.is_empty() {
        hub.wake();
    }
    Ok(())
}
