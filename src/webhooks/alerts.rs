//! Alert rules: on what is published, when it is told; on the projection, every quarter of an hour over the shops that moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::Hub;
use super::message::{Told, card_value, joined, subject_value, tier_value};
use crate::answers::outlook::Projection;
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::alert::Quantity;
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::numbers::{Places, Shortest};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tier::tier_of;
use crate::domain::webhook::HookEvent;
use crate::ingest::moved::Moved;
use crate::storage::alert::{self, AlertRow};
use crate::storage::delivery::{self, NewDelivery};
use crate::storage::full_card::CardsOf;
use crate::storage::score::ShortCard;
use crate::storage::webhook::{self, WebhookRow};
use crate::storage::{StoreError, registry};

/// How often rules on the projection are looked at.
const EVERY: TimeDelta = TimeDelta::minutes(15);
/// How often it is seen whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long one round projects; what is left comes next in the round after it.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// Shops that are projected between two moments at which others come first.
const TOGETHER: usize = 50;

/// Rules on what is published.
pub(super) struct Rules(Vec<Rule>);

/// A rule with the webhook that it warns, which is told of some shops and not of others.
struct Rule {
    alert: AlertRow,
    webhook: WebhookRow,
}

impl Rule {
    /// The rules in force, on the projection or on what is published.
    async fn in_force(connection: &mut PgConnection, on_projection: bool) -> Result<Vec<Rule>, StoreError> {
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
    fn covers(&self, shop_id: &str, category_id: Option<&str>) -> bool {
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
        for rule in &self.0 {
            let covered = |card: &&ShortCard| rule.covers(&card.subject_id, card.category_id.as_deref());
            let covered: Vec<&str> = cards.iter().filter(covered).map(|card| card.subject_id.as_str()).collect();
            if covered.is_empty() {
                continue;
            }
            let values = values(connection, source, told, &rule.alert, &covered, &by_id).await?;
            for (shop_id, value) in crossed(connection, &rule.alert, &values, source).await? {
                let card = by_id.get(shop_id.as_str()).map(|card| card_value(told, card));
                new.push(warning(&rule.alert, &shop_id, value, json!({ "card": card })));
            }
        }
        Ok(new)
    }
}

/// What the published cards of shops say of a rule's quantity.
async fn values(
    connection: &mut PgConnection,
    source: &Source,
    told: &Told,
    rule: &AlertRow,
    shops: &[&str],
    cards: &HashMap<&str, &ShortCard>,
) -> Result<BTreeMap<String, Decimal>, ReadError> {
    let Some(quantity) = rule.quantity() else { return Ok(BTreeMap::new()) };
    if quantity == Quantity::Score {
        let score = |id: &&str| Some(((*id).to_owned(), cards.get(id)?.score()?));
        return Ok(shops.iter().filter_map(score).collect());
    }
    let mut of_run = source.context.archive.all_of_run(connection, &told.run).await?;
    of_run.retain(|used| used.rule_set.kind == SubjectKind::Shop);
    let (run_id, kind, version) = (told.run.run_id, SubjectKind::Shop, told.used.version);
    let full = CardsOf { run_id, kind, rule_sets: &of_run, version }.of_ids(connection, shops).await?;
    let value = |(id, card): (Id, _)| Some((id.to_string(), quantity.of(&told.used.rule_set, &card)?));
    Ok(full.into_iter().filter_map(value).collect())
}

/// The shops that are beyond a rule since now, with their values.
async fn crossed(
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

fn warning(rule: &AlertRow, shop_id: &str, value: Decimal, what: Value) -> NewDelivery {
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

/// Looks at rules on the projection until told to stop: every quarter of an hour over the shops whose counts moved, and over all
/// shops that rules are about when this process begins or scores are published, since then other days count.
pub(super) async fn keep_watching(source: &Source, hub: &Hub, moved: &Moved) {
    let (mut next, mut published) = (source.context.now(), None);
    let mut waiting = Waiting::default();
    while !hub.is_stopping() {
        let now = source.context.now();
        if now >= next {
            next = now + EVERY;
            let publication = source.freshness.publication();
            let is_new = publication.is_some() && publication != published;
            waiting.shops.extend(moved.take());
            match watch(source, hub, moved, (&mut waiting, is_new)).await {
                Ok(()) => published = publication.or(published),
                Err(error) => tracing::warn!(%error, "rules on the projection are looked at again later"),
            }
        }
        hub.pause(LOOK_EVERY).await;
    }
}

/// Shops that wait to be projected, and the last that was: rounds that are not long enough for all go on where they stopped.
#[derive(Default)]
struct Waiting {
    shops: BTreeSet<Id>,
    last: Option<Id>,
}

impl Waiting {
    /// The next shops after the last; from the first one on where there are none.
    fn next(&mut self) -> Vec<Id> {
        let after = self.last.take();
        let later = after.iter().flat_map(|last| self.shops.range((Bound::Excluded(last), Bound::Unbounded)));
        let later: Vec<Id> = later.take(TOGETHER).cloned().collect();
        if later.is_empty() { self.shops.iter().take(TOGETHER).cloned().collect() } else { later }
    }

    fn is_done(&mut self, id: Id) {
        self.shops.remove(&id);
        self.last = Some(id);
    }
}

/// One round over the shops that wait; `is_of_all` adds all that rules are about. Those that are done wait no more.
async fn watch(
    source: &Source,
    hub: &Hub,
    moved: &Moved,
    (waiting, is_of_all): (&mut Waiting, bool),
) -> Result<(), ReadError> {
    let began = Instant::now();
    let mut connection = source.connection().await?;
    let rules = Rule::in_force(&mut connection, true).await?;
    let is_first = !moved.is_wanted();
    moved.want(!rules.is_empty());
    if rules.is_empty() {
        waiting.shops.clear();
        return Ok(());
    }
    let registered = registry::all(&mut connection, SubjectKind::Shop).await?;
    drop(connection);
    let covered: BTreeMap<Id, Vec<&AlertRow>> = registered
        .into_iter()
        .filter_map(|(id, category_id)| {
            let category_id = category_id.as_ref().map(Id::as_str);
            let covering = rules.iter().filter(|rule| rule.covers(id.as_str(), category_id));
            let of_shop: Vec<&AlertRow> = covering.map(|rule| &rule.alert).collect();
            (!of_shop.is_empty()).then_some((id, of_shop))
        })
        .collect();
    // What moved before anybody asked is not known.
    if is_of_all || is_first {
        waiting.shops.extend(covered.keys().cloned());
    }
    waiting.shops.retain(|id| covered.contains_key(id));
    while began.elapsed() < ROUND_MAX && !hub.is_stopping() {
        let together = waiting.next();
        if together.is_empty() {
            return Ok(());
        }
        for id in together {
            let of_shop = covered.get(&id).map(Vec::as_slice).unwrap_or_default();
            look_at(source, hub, &id, of_shop).await?;
            waiting.is_done(id);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Holds the projection of one shop against rules.
async fn look_at(source: &Source, hub: &Hub, shop_id: &Id, rules: &[&AlertRow]) -> Result<(), ReadError> {
    let subject = Subject { kind: SubjectKind::Shop, id: shop_id.clone() };
    let projection = match source.projection(subject, None).await {
        Ok(projection) => projection,
        // Nothing is published yet, or the shop was erased meanwhile.
        Err(ReadError::Missing(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(score) = projection.day.card.score else { return Ok(()) };
    let values = BTreeMap::from([(shop_id.to_string(), score)]);
    let mut connection = source.connection().await?;
    let mut transaction = connection.begin().await.map_err(StoreError::from)?;
    let mut new = Vec::new();
    for rule in rules {
        for (id, value) in crossed(&mut transaction, rule, &values, source).await? {
            new.push(warning(rule, &id, value, json!({ "projection": projected(&projection) })));
        }
    }
    delivery::insert(&mut transaction, &new, source.context.now()).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    if !new.is_empty() {
        hub.wake();
    }
    Ok(())
}

/// A projection, as messages tell it.
fn projected(projection: &Projection<'_>) -> Value {
    let (rule_set, card) = (projection.base.rule_set, &projection.day.card);
    json!({
        "date": projection.day.date,
        "as_of": projection.as_of,
        "rule_set": rule_set.id,
        "score": card.score.map(|score| Places(score, rule_set.score_places)),
        "tier": tier_value(rule_set, tier_of(rule_set, card)),
    })
}
