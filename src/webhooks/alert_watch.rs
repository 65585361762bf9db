//! Alert rules on the projection: every quarter of an hour over the shops that moved.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::Connection;

use super::Hub;
use super::alerts::{Rule, crossed, warning};
use super::message::tier_value;
use crate::answers::outlook::Projection;
use crate::answers::published::ReadError;
use crate::answers::source::Source;
use crate::domain::id::Id;
use crate::domain::numbers::Places;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tier::tier_of;
use crate::ingest::moved::Moved;
use crate::storage::alert::AlertRow;
use crate::storage::{StoreError, delivery, registry};

/// How often rules on the projection are looked at.
const EVERY: TimeDelta = TimeDelta::minutes(15);
/// How often it is seen whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long one round projects; what is left comes next in the round after it.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// Shops that are projected between two moments at which others come first.
const TOGETHER: usize = 50;

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
