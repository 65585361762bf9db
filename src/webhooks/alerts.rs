//! Alert rules: which are in force, what crosses them, and those on what is published, which are looked at when it is told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::message::{Told, card_value, joined, subject_value};
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::alert::Quantity;
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::numbers::Shortest;
use crate::domain::score::Card;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::webhook::HookEvent;
use crate::storage::StoreError;
use crate::storage::alert::{self, AlertRow};
use crate::storage::delivery::NewDelivery;
use crate::storage::full_card::CardsOf;
use crate::storage::score::ShortCard;
use crate::storage::webhook::{self, WebhookRow};

/// Rules on what is published.
pub(super) struct Rules(Vec<Rule>);

/// A rule with the webhook that it warns, which is told of some shops and not of others.
pub(super) struct Rule {
    pub alert: AlertRow,
    webhook: WebhookRow,
}

impl Rule {
    /// The rules in force, on the projection or on what is published.
    pub(super) async fn in_force(connection: &mut PgConnection, on_projection: bool) -> Result<Vec<Rule>, StoreError> {
        let alerts = alert::in_force(connection, on_projection).await?;
        if alerts.is_empty() {
            return Ok(Vec::new());
        }
        let webhooks = webhook::enabled(connection).await?;
        let webhooks: HashMap<i64, WebhookRow> = webhooks.into_iter().map(|row| (row.webhook_id, row)).collect();
        let rule = |alert: AlertRow| Some(Rule { webhook: webhooks.get(&alert.webhook_id)?.clone(), alert });
        Ok(alerts.into_iter().filter_map(rule).collect())
    }

    /// Whether it is about a shop that its webhook is told of.
    pub(super) fn covers(&self, shop_id: &str, category_id: Option<&str>) -> bool {
        let subject = Subject { kind: SubjectKind::Shop, id: Id::stored(shop_id) };
        self.alert.covers(shop_id, category_id) && self.webhook.is_told_of(&subject)
    }
}

impl Rules {
    /// The rules that the cards of a kind are held against. Rules are about shops.
    pub(super) async fn published(connection: &mut PgConnection, kind: SubjectKind) -> Result<Rules, StoreError> {
        match kind {
            SubjectKind::Shop => Ok(Rules(Rule::in_force(connection, false).await?)),
            SubjectKind::Creator => Ok(Rules(Vec::new())),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Warns of cards that are beyond a rule since now.
    pub(super) async fn crossed(
        &self,
        connection: &mut PgConnection,
        source: &Source,
        told: &Told,
        cards: &[ShortCard],
    ) -> Result<Vec<NewDelivery>, ReadError> {
        let mut new = Vec::new();
        if self.0.is_empty() {
            return Ok(new);
        }
        let by_id: HashMap<&str, &ShortCard> = cards.iter().map(|card| (card.subject_id.as_str(), card)).collect();
        let covered = |rule: &Rule| -> Vec<&ShortCard> {
            cards.iter().filter(|card| rule.covers(&card.subject_id, card.category_id.as_deref())).collect()
        };
        // Unpacked once, however many rules are about metrics.
        let rules: Vec<(&Rule, Vec<&ShortCard>)> = self.0.iter().map(|rule| (rule, covered(rule))).collect();
        let on_metrics = rules.iter().filter(|(rule, _)| matches!(rule.alert.quantity(), Some(Quantity::Metric(_))));
        let ids: BTreeSet<&str> =
            on_metrics.flat_map(|(_, cards)| cards).map(|card| card.subject_id.as_str()).collect();
        let full = full_cards(connection, source, told, &ids).await?;
        for (rule, cards) in rules {
            let values = values(told, &rule.alert, &cards, &full);
            if values.is_empty() {
                continue;
            }
            for (shop_id, value) in crossed(connection, &rule.alert, &values, source).await? {
                let card = by_id.get(shop_id.as_str()).map(|card| card_value(told, card));
                new.push(warning(&rule.alert, &shop_id, value, json!({ "card": card })));
            }
        }
        Ok(new)
    }
}

/// The full cards of shops, by id.
async fn full_cards(
    connection: &mut PgConnection,
    source: &Source,
    told: &Told,
    shops: &BTreeSet<&str>,
) -> Result<HashMap<Id, Card>, ReadError> {
    if shops.is_empty() {
        return Ok(HashMap::new());
    }
    let mut of_run = source.context.archive.all_of_run(connection, &told.run).await?;
    of_run.retain(|used| used.rule_set.kind == SubjectKind::Shop);
    let (run_id, kind, version) = (told.run.run_id, SubjectKind::Shop, told.used.version);
    let ids: Vec<&str> = shops.iter().copied().collect();
    let full = CardsOf { run_id, kind, rule_sets: &of_run, version }.of_ids(connection, &ids).await?;
    Ok(full.into_iter().collect())
}

/// What the published cards of shops say of a rule's quantity.
fn values(told: &Told, rule: &AlertRow, cards: &[&ShortCard], full: &HashMap<Id, Card>) -> BTreeMap<String, Decimal> {
    let Some(quantity) = rule.quantity() else { return BTreeMap::new() };
    let value = |card: &&ShortCard| {
        let value = match quantity {
            Quantity::Metric(_) => quantity.of(&told.used.rule_set, full.get(&Id::stored(&card.subject_id))?),
            Quantity::Score | Quantity::ProjectedScore => card.score(),
        };
        Some((card.subject_id.clone(), value?))
    };
    cards.iter().filter_map(value).collect()
}

/// The shops that are beyond a rule since now, with their values.
pub(super) async fn crossed(
    connection: &mut PgConnection,
    rule: &AlertRow,
    values: &BTreeMap<String, Decimal>,
    source: &Source,
) -> Result<Vec<(String, Decimal)>, StoreError> {
    let is_beyond = |value: &Decimal| rule.op.is_crossed(*value, rule.value());
    let (beyond, within): (Vec<_>, Vec<_>) = values.iter().partition(|(_, value)| is_beyond(value));
    let ids = |some: Vec<(&String, &Decimal)>| -> Vec<String> { some.into_iter().map(|(id, _)| id.clone()).collect() };
    let (beyond, within) = (ids(beyond), ids(within));
    let (beyond, within): (Vec<&str>, Vec<&str>) =
        (beyond.iter().map(String::as_str).collect(), within.iter().map(String::as_str).collect());
    let new = alert::cross(connection, rule.alert_id, (&beyond, &within), source.context.now()).await?;
    Ok(new.into_iter().filter_map(|id| values.get(&id).map(|value| (id.clone(), *value))).collect())
}

pub(super) fn warning(rule: &AlertRow, shop_id: &str, value: Decimal, what: Value) -> NewDelivery {
    let subject = Subject { kind: SubjectKind::Shop, id: Id::stored(shop_id) };
    let data = json!({
        "alert": {
            "alert_id": rule.alert_id.to_string(),
            "quantity": rule.quantity,
            "op": rule.op.as_str(),
            "value": Shortest(rule.value()),
        },
        "value": Shortest(value),
    });
    NewDelivery {
        webhook_id: rule.webhook_id,
        event: HookEvent::MetricAlert,
        data: Some(joined(joined(subject_value(&subject), data), what)),
        subject: Some(subject),
        announcement_id: None,
    }
}
