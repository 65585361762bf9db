//! What the tests of answers share: seeds, the scores that there are, exact numbers, pages of lists, and the ways to
//! take facts back.

use std::sync::Arc;

use serde_json::{Value, json};
use shopscore::domain::decimal::Decimal;
use shopscore::domain::rules::file;

use crate::support::stream::Stream;
use crate::support::{Choices, TestService};

const SHOP_RULES: [&str; 3] = ["shop-v1", "shop-v2", "shop-few"];
const CREATOR_RULES: [&str; 2] = ["creator-v1", "creator-few"];

/// One subject under one rule set.
#[derive(Clone, Debug)]
pub struct Scored {
    pub kind: &'static str,
    pub id: String,
    pub rule_set: &'static str,
}

impl Scored {
    /// The path of a route of the subject, which may have a query, with the rule set asked for.
    pub fn path(&self, route: &str) -> String {
        let joint = if route.contains('?') { '&' } else { '?' };
        format!("/v1/{}/{}/{route}{joint}rule_set={}", self.kind, self.id, self.rule_set)
    }

    /// The field by which answers name the subject.
    pub fn id_field(&self) -> &'static str {
        if self.kind == "shops" { "shop_id" } else { "creator_id" }
    }
}

/// Shops and creators under every rule set of [`service_with_few`].
pub fn scored(shops: &[String], creators: &[String]) -> Vec<Scored> {
    let shops =
        shops.iter().flat_map(|id| SHOP_RULES.map(|rule_set| Scored { kind: "shops", id: id.clone(), rule_set }));
    let creators = creators
        .iter()
        .flat_map(|id| CREATOR_RULES.map(|rule_set| Scored { kind: "creators", id: id.clone(), rule_set }));
    shops.chain(creators).collect()
}

/// The same under the built-in rule sets alone.
pub fn scored_built_in(stream: &Stream) -> Vec<Scored> {
    let mut scored = scored(&stream.shops, &stream.creators);
    scored.retain(|scored| !scored.rule_set.ends_with("-few"));
    scored
}

/// A service that has two rule sets more, whose minimums are so small that a few subjects make a peer group.
pub async fn service_with_few() -> TestService {
    let mut choices = Choices::default();
    let few = [("shop-v2", "shop-few"), ("creator-v1", "creator-few")].map(|(of, id)| {
        let source = &choices.rules.get(of).expect("a built-in rule set").source;
        let source = source
            .replace(&format!("id = \"{of}\""), &format!("id = \"{id}\""))
            .replace("default = true", "default = false")
            .replace("signed_orders = 30", "signed_orders = 8")
            .replace("metric_count = 5", "metric_count = 2")
            .replace("peers = 10", "peers = 3");
        Arc::new(file::parse(&source).expect("a valid rule set"))
    });
    choices.rules.rule_sets.extend(few);
    TestService::start_with(choices).await
}

/// Such a service with a registered stream, of which it knows the events given.
pub async fn service_knowing(stream: &Stream, events: &[String]) -> TestService {
    let service = service_with_few().await;
    service.register(&stream.shops, &stream.creators).await;
    send(&service, events).await;
    service
}

/// Sends events, none of which may be rejected.
pub async fn send(service: &TestService, events: &[String]) {
    for batch in events.chunks(5_000) {
        let answer = service.send(batch).await;
        assert_eq!(answer["rejected"], json!(0), "{}", answer["results"]);
    }
}

/// The exact millionths of a number, from its text; `None` of null.
pub fn millionths(number: &Value) -> Option<i64> {
    match number {
        Value::Null => None,
        number => Some(number.to_string().parse::<Decimal>().expect("a number of at most six decimals").millionths()),
    }
}

/// A whole number of an answer.
pub fn whole(answer: &Value, name: &str) -> i64 {
    answer[name].as_i64().unwrap_or_else(|| panic!("{name} is no whole number in {answer}"))
}

/// The metrics of an answer or of one of its parts.
pub fn metrics(answer: &Value) -> &[Value] {
    answer["metrics"].as_array().unwrap_or_else(|| panic!("no metrics in {answer}"))
}

/// All pages of a list, from its first one on.
pub async fn pages(service: &TestService, path: &str, limit: usize) -> Vec<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let first = service.read(&format!("{path}{joint}limit={limit}")).await;
    let mut pages = vec![first];
    while let Some(cursor) = pages[pages.len() - 1]["next_cursor"].as_str() {
        assert!(!items(&pages[pages.len() - 1..]).is_empty(), "an empty page of {path} has a next one");
        let next = service.read(&format!("{path}{joint}limit={limit}&cursor={cursor}")).await;
        pages.push(next);
    }
    let too_long = pages.iter().find(|page| items(std::slice::from_ref(*page)).len() > limit);
    assert!(too_long.is_none(), "a page of {path} has more than {limit} items");
    pages
}

/// The items of pages.
pub fn items(pages: &[Value]) -> Vec<Value> {
    pages.iter().flat_map(|page| page["items"].as_array().expect("items")).cloned().collect()
}

/// The retraction of an event.
pub fn retraction(event: &str) -> String {
    let event: Value = serde_json::from_str(event).expect("an event");
    let mut fields = ["order_id", "session_id", "product_id"].into_iter();
    let aggregate = fields.find(|field| !event["data"][field].is_null()).expect("an aggregate");
    let id = event["id"].as_str().expect("id");
    json!({"id": format!("x-{id}"), "type": "event.retracted", "shop_id": event["shop_id"],
           "time": "2026-11-20T08:00:00+08:00", "data": {"event_id": id, aggregate: event["data"][aggregate]}})
    .to_string()
}

/// Excludes what an event speaks of. `None` where that cannot be excluded, or is already.
pub async fn exclude(service: &TestService, event: &str) -> Option<String> {
    let event: Value = serde_json::from_str(event).expect("an event");
    let data = &event["data"];
    let id_of = |target: &str| data[format!("{target}_id")].clone();
    let part = ["review", "aftersale", "complaint"].into_iter().find(|part| !id_of(part).is_null());
    let target = part.or_else(|| ["session", "order"].into_iter().find(|whole| !id_of(whole).is_null()))?;
    let mut body = json!({"shop_id": event["shop_id"], "target": target, "id": id_of(target), "reason": "sham",
                          "decided_by": "test"});
    if part.is_some() {
        body["order_id"] = id_of("order");
    }
    let (status, answer) = service.post("/v1/exclusions", &body).await;
    assert!(matches!(status, 201 | 409), "{answer}");
    (status == 201).then(|| answer["exclusion_id"].as_str().expect("exclusion_id").to_owned())
}
