//! What is sent: a type, a moment, and data; of cards beside those that were told before.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::numbers::{Places, Shortest};
use crate::domain::rules::{PenaltyRule, RuleSet};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tier::Tier;
use crate::domain::webhook::HookEvent;
use crate::storage::announcement::{self, AnnouncementRow};
use crate::storage::delivery::DeliveryRow;
use crate::storage::fleet::RunVersion;
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::{self, RunRow};
use crate::storage::score::ShortCard;

/// A run with the rule set that is told of a kind.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub run: RunRow,
    pub used: UsedRuleSet,
}

impl Told {
    /// The default of a kind in a run; `None` without a run, or where it has no rule set of the kind.
    pub(super) async fn of(
        connection: &mut PgConnection,
        source: &Source,
        run: Option<&RunRow>,
        kind: SubjectKind,
    ) -> Result<Option<Told>, ReadError> {
        let Some(run) = run else { return Ok(None) };
        match source.used_rule_set(connection, run, kind, None).await {
            Ok(used) => Ok(Some(Told { run: run.clone(), used })),
            Err(ReadError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn version(&self) -> RunVersion {
        RunVersion { run_id: self.run.run_id, version: self.used.version }
    }

    fn rule_set(&self) -> &RuleSet {
        &self.used.rule_set
    }
}

#[derive(Serialize)]
struct WirePenalty {
    code: String,
    below: Shortest,
    /// The dimension whose score is below; null: the whole score is.
    dimension: Option<String>,
}

#[derive(Serialize)]
struct WireTier {
    level: usize,
    penalties: Vec<WirePenalty>,
}

/// A tier of a score, as messages tell it.
pub(super) fn tier_value(rule_set: &RuleSet, tier: Option<Tier<'_>>) -> Value {
    let penalty = |penalty: &&PenaltyRule| WirePenalty {
        code: penalty.code.clone(),
        below: Shortest(penalty.below),
        dimension: penalty.dimension.map(|dimension| rule_set.dimensions[dimension].id.clone()),
    };
    let told = tier.map(|tier| WireTier { level: tier.level, penalties: tier.penalties.iter().map(penalty).collect() });
    json!(told)
}

/// A card, as messages tell it.
pub(super) fn card_value(told: &Told, card: &ShortCard) -> Value {
    json!({
        "date": told.run.date,
        "revision": told.run.revision,
        "run_id": told.run.run_id.to_string(),
        "rule_set": told.rule_set().id,
        "rule_set_version": told.rule_set().hash,
        "status": card.status().as_str(),
        "score": card.score().map(|score| Places(score, told.rule_set().score_places)),
        "tier": tier_value(told.rule_set(), card.tier(told.rule_set())),
        "signed_orders": card.signed_orders,
        "category_id": card.category_id,
    })
}

/// A run, as messages tell it.
pub(super) fn run_value(run: &RunRow) -> Value {
    json!({
        "run_id": run.run_id.to_string(),
        "date": run.date,
        "revision": run.revision,
        "trigger": run.trigger.as_str(),
        "state": run.state.as_str(),
        "late": run.late,
        "reason": run.reason,
        "subjects": run.subjects_total,
        "started_at": run.started_at,
        "published_at": run.published_at,
        "error": run.error,
    })
}

/// The day whose slot ended without a run.
pub(super) fn late_value(date: NaiveDate, slot_end: DateTime<Utc>) -> Value {
    json!({ "date": date, "slot_end": slot_end })
}

/// The codes of the penalties of a card.
fn penalties(told: &Told, card: &ShortCard) -> Vec<String> {
    let in_force = card.tier(told.rule_set()).map(|tier| tier.penalties).unwrap_or_default();
    in_force.iter().map(|penalty| penalty.code.clone()).collect()
}

/// Whether two cards are of different tiers: another level, or other penalties.
pub(super) fn is_other_tier((now, card): (&Told, &ShortCard), (before, former): (&Told, &ShortCard)) -> bool {
    let sorted = |mut codes: Vec<String>| {
        codes.sort();
        codes
    };
    card.tier_level != former.tier_level || sorted(penalties(now, card)) != sorted(penalties(before, former))
}

/// The subject under the name of its kind.
pub(super) fn subject_value(subject: &Subject) -> Value {
    match subject.kind {
        SubjectKind::Shop => json!({ "kind": "shop", "shop_id": subject.id.as_str() }),
        SubjectKind::Creator => json!({ "kind": "creator", "creator_id": subject.id.as_str() }),
    }
}

/// Adds the members of one object to another.
pub(super) fn joined(mut one: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (one.as_object_mut(), more) {
        members.extend(more);
    }
    one
}

/// A card that is told, beside the one that was told before it.
fn told_card(
    event: HookEvent,
    subject: &Subject,
    (now, card): (&Told, &ShortCard),
    former: Option<(&Told, &ShortCard)>,
) -> Value {
    let change = former.and_then(|(_, former)| Some(card.score()?.minus(former.score()?)));
    let mut data = joined(
        subject_value(subject),
        json!({
            "card": card_value(now, card),
            "previous": former.map(|(before, former)| card_value(before, former)),
            "change": change.map(|change| Places(change, now.rule_set().score_places)),
        }),
    );
    if event == HookEvent::TierChanged {
        let (has, had) =
            (penalties(now, card), former.map(|(before, former)| penalties(before, former)).unwrap_or_default());
        let gained: Vec<&String> = has.iter().filter(|code| !had.contains(code)).collect();
        let lost: Vec<&String> = had.iter().filter(|code| !has.contains(code)).collect();
        let rules_changed = former.is_some_and(|(before, _)| before.rule_set().hash != now.rule_set().hash);
        data = joined(data, json!({ "gained": gained, "lost": lost, "rules_changed": rules_changed }));
    }
    data
}

/// A message as it is sent.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event: &'a str,
    timestamp: DateTime<Utc>,
    data: &'a Value,
}

/// The text of a message.
fn text(event: HookEvent, timestamp: DateTime<Utc>, data: &Value) -> String {
    serde_json::to_string(&Message { event: event.as_str(), timestamp, data }).unwrap_or_default()
}

/// The texts of deliveries. A card that is gone leaves none.
pub(super) async fn texts(
    connection: &mut PgConnection,
    source: &Source,
    rows: &[DeliveryRow],
) -> Result<HashMap<i64, String>, ReadError> {
    let mut texts = HashMap::with_capacity(rows.len());
    let mut ids: Vec<i64> = rows.iter().filter_map(|row| row.announcement_id).collect();
    ids.sort_unstable();
    ids.dedup();
    for announced in announcement::of_ids(connection, &ids).await? {
        for kind in SubjectKind::ALL {
            let is_of = |row: &&DeliveryRow| {
                row.announcement_id == Some(announced.announcement_id) && row.subject_kind == kind.code()
            };
            let of_kind: Vec<&DeliveryRow> = rows.iter().filter(is_of).collect();
            if !of_kind.is_empty() {
                texts.extend(card_texts(connection, source, &announced, kind, &of_kind).await?);
            }
        }
    }
    for row in rows {
        if let Some(data) = &row.data {
            texts.insert(row.delivery_id, text(row.event, row.created_at, &data.0));
        }
    }
    Ok(texts)
}

async fn card_texts(
    connection: &mut PgConnection,
    source: &Source,
    announced: &AnnouncementRow,
    kind: SubjectKind,
    rows: &[&DeliveryRow],
) -> Result<Vec<(i64, String)>, ReadError> {
    let (now, before) = told_runs(connection, source, announced, kind).await?;
    let Some(now) = now else { return Ok(Vec::new()) };
    let ids: Vec<&str> = rows.iter().map(|row| row.subject_id.as_str()).collect();
    let cards = by_subject(announcement::cards_of(connection, now.version(), &ids).await?);
    let former = match &before {
        Some(before) => by_subject(announcement::cards_of(connection, before.version(), &ids).await?),
        None => HashMap::new(),
    };
    let mut texts = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(subject), Some(card)) = (row.subject(), cards.get(&row.subject_id)) else { continue };
        let former = before.as_ref().zip(former.get(&row.subject_id));
        let data = told_card(row.event, &subject, (&now, card), former);
        texts.push((row.delivery_id, text(row.event, announced.announced_at, &data)));
    }
    Ok(texts)
}

/// What is told of a kind in an announcement, and what was told before.
pub(super) async fn told_runs(
    connection: &mut PgConnection,
    source: &Source,
    announced: &AnnouncementRow,
    kind: SubjectKind,
) -> Result<(Option<Told>, Option<Told>), ReadError> {
    let run = match announced.run_id {
        Some(run_id) => run::get(connection, run_id).await?,
        None => None,
    };
    let told = match announced.told_run_id {
        Some(run_id) => run::get(connection, run_id).await?,
        None => None,
    };
    Ok((
        Told::of(connection, source, run.as_ref(), kind).await?,
        Told::of(connection, source, told.as_ref(), kind).await?,
    ))
}

pub(super) fn by_subject(cards: Vec<ShortCard>) -> HashMap<String, ShortCard> {
    cards.into_iter().map(|card| (card.subject_id.clone(), card)).collect()
}
