//! The golden cases: results computed by an independent model, matched to the last digit through the HTTP API.

use std::io::Read;

use chrono::NaiveDate;
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use crate::support::TestService;

const TRAPS: &str = include_str!("../golden/traps.ndjson");
const EVENTS: &[u8] = include_bytes!("../golden/market/events.ndjson.gz");
const EXPECTED: &[u8] = include_bytes!("../golden/market/expected.json.gz");
const EXPECTED_EXCLUDED: &[u8] = include_bytes!("../golden/market/expected-excluded.json.gz");
const REGISTRY: &str = include_str!("../golden/market/registry.json");
const EXCLUSIONS: &str = include_str!("../golden/market/exclusions.json");

fn score_date() -> NaiveDate {
    "2026-11-20".parse().expect("date")
}

fn unpack(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).expect("gzip of text");
    text
}

pub fn market_events() -> Vec<String> {
    unpack(EVENTS).lines().map(str::to_owned).collect()
}

fn expected(bytes: &[u8]) -> Value {
    serde_json::from_str(&unpack(bytes)).expect("expected cards")
}

/// The counts of a shop under the two rule sets of shops, metrics whose two counts are 0 left out.
async fn counts(service: &TestService, shop: &str) -> Value {
    let mut counts = Map::new();
    for rule_set in ["shop-v1", "shop-v2"] {
        let answer = service.read(&format!("/v1/shops/{shop}/metrics?rule_set={rule_set}")).await;
        for metric in answer["metrics"].as_array().expect("metrics") {
            if metric["numerator"] != json!(0) || metric["denominator"] != json!(0) {
                let id = metric["id"].as_str().expect("id").to_owned();
                counts.insert(id, json!([metric["numerator"], metric["denominator"]]));
            }
        }
    }
    Value::Object(counts)
}

fn traps() -> Vec<(String, Vec<String>, Value)> {
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).expect("a case");
        let events = case["events"].as_array().expect("events").iter().map(Value::to_string).collect();
        (case["name"].as_str().expect("name").to_owned(), events, case["counts"].clone())
    };
    TRAPS.lines().map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trap_alone_in_a_fresh_database() {
    for (name, events, expected) in traps() {
        let service = TestService::start().await;
        service.send(&events).await;
        service.run(score_date()).await;
        assert_eq!(counts(&service, &name).await, expected, "{name}");
        service.assert_counts_equal_a_rebuild().await;
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_traps_together() {
    let service = TestService::start().await;
    let events: Vec<String> = traps().into_iter().flat_map(|(_, events, _)| events).collect();
    service.send(&events).await;
    service.run(score_date()).await;
    for (name, _, expected) in traps() {
        assert_eq!(counts(&service, &name).await, expected, "{name}");
    }
}

/// A service that knows the registry of the golden market.
pub async fn market_service() -> TestService {
    let service = TestService::start().await;
    let registry: Value = serde_json::from_str(REGISTRY).expect("registry");
    for kind in ["shops", "creators"] {
        let (status, answer) = service.post(&format!("/v1/{kind}:batch"), &json!({kind: registry[kind]})).await;
        assert_eq!(status, 200, "{answer}");
    }
    service
}

/// Fails unless every subject's card under every rule set is the expected one.
async fn assert_market(service: &TestService, expected: &Value) {
    for (rule_set, cards) in expected.as_object().expect("rule sets") {
        for (id, expected) in cards.as_object().expect("cards") {
            let kind = if id.starts_with("creator") { "creators" } else { "shops" };
            let card = card(service, kind, id, rule_set).await;
            assert_eq!(card, *expected, "{rule_set} {id}");
        }
    }
}

/// A subject's card in the form of the golden files, put together from three routes.
async fn card(service: &TestService, kind: &str, id: &str, rule_set: &str) -> Value {
    let read = |route: &'static str| service.read_owned(format!("/v1/{kind}/{id}/{route}?rule_set={rule_set}"));
    let (score, metrics, penalties) = tokio::join!(read("score"), read("metrics"), read("penalties"));
    let mut card = json!({"status": score["status"], "signed_orders": score["signed_orders"], "score": score["score"]});
    let plain = |value: &Value| value.as_f64().map_or(Value::Null, Value::from);
    card["score"] = plain(&score["score"]);
    let mut dimensions = Map::new();
    for dimension in score["dimensions"].as_array().expect("dimensions") {
        if !dimension["score"].is_null() {
            dimensions.insert(dimension["id"].as_str().expect("id").to_owned(), plain(&dimension["score"]));
        }
    }
    card["dimensions"] = Value::Object(dimensions);
    let mut by_metric = Map::new();
    for metric in metrics["metrics"].as_array().expect("metrics") {
        let mut counts = json!({"numerator": metric["numerator"], "denominator": metric["denominator"]});
        if metric["assessed"] == true {
            counts["basis"] = metric["basis"].clone();
            counts["points"] = plain(&metric["points"]);
            if metric["basis"] != "reference" {
                counts["peers"] = metric["peers"].clone();
                counts["better"] = metric["better_peers"].clone();
            }
        }
        by_metric.insert(metric["id"].as_str().expect("id").to_owned(), counts);
    }
    card["metrics"] = Value::Object(by_metric);
    if !score["tier"].is_null() {
        card["tier_level"] = score["tier"]["level"].clone();
        let codes = penalties["penalties"].as_array().expect("penalties").iter().map(|penalty| penalty["code"].clone());
        card["penalties"] = codes.collect();
        assert_eq!(penalties["tier"]["penalties"], penalties["penalties"], "{id}");
        assert!(
            penalties["penalties"].as_array().expect("all").iter().all(|penalty| penalty["title"]["zh"].is_string())
        );
    }
    // Exact numbers of the answers become the plain ones of the golden files.
    serde_json::from_str(&card.to_string()).expect("a card")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market() {
    let service = market_service().await;
    for batch in market_events().chunks(5_000) {
        service.send(batch).await;
    }
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
    service.assert_counts_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_with_exclusions_and_again_without() {
    let service = market_service().await;
    let exclusions: Vec<Value> = serde_json::from_str(EXCLUSIONS).expect("exclusions");
    let events = market_events();
    let (known_before, known_after) = exclusions.split_at(exclusions.len() / 2);
    let mut ids = Vec::new();
    for exclusion in known_before {
        ids.push(service.post("/v1/exclusions", exclusion).await.1["exclusion_id"].clone());
    }
    for batch in events.chunks(5_000) {
        service.send(batch).await;
    }
    for exclusion in known_after {
        ids.push(service.post("/v1/exclusions", exclusion).await.1["exclusion_id"].clone());
    }
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED_EXCLUDED)).await;
    service.assert_counts_equal_a_rebuild().await;
    for id in ids {
        let path = format!("/v1/exclusions/{}", id.as_str().expect("exclusion_id"));
        let revoked = service
            .client
            .delete(service.url(&path))
            .json(&json!({"revoked_by": "ops"}))
            .send()
            .await
            .expect("an answer");
        assert_eq!(revoked.status(), 200);
    }
    assert_eq!(service.run(score_date()).await["revision"], json!(2));
    assert_market(&service, &expected(EXPECTED)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_sent_backwards() {
    let service = market_service().await;
    let mut events = market_events();
    events.reverse();
    for batch in events.chunks(5_000) {
        service.send(batch).await;
    }
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_sent_twice_in_batches_of_7_and_of_5000() {
    let service = market_service().await;
    let events = market_events();
    for batch in events.chunks(5_000) {
        service.send(batch).await;
    }
    for batch in events.chunks(7) {
        assert_eq!(service.send(batch).await["accepted"], json!(0));
    }
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
    service.assert_counts_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_in_batches_of_7() {
    let service = market_service().await;
    for batch in market_events().chunks(7) {
        service.send(batch).await;
    }
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
}

/// Sends batches from so many connections at once.
async fn send_at_once(service: &TestService, events: Vec<String>, connections: usize, batch: usize) {
    let batches: Vec<Vec<String>> = events.chunks(batch).map(<[String]>::to_vec).collect();
    let senders = (0..connections).map(|lane| {
        let lane: Vec<Vec<String>> = batches.iter().skip(lane).step_by(connections).cloned().collect();
        async move {
            for batch in lane {
                service.send(&batch).await;
            }
        }
    });
    futures_util::future::join_all(senders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_in_batches_of_1_and_from_8_connections() {
    let service = market_service().await;
    send_at_once(&service, market_events(), 8, 1).await;
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
    service.assert_counts_equal_a_rebuild().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_from_8_connections_at_once() {
    let service = market_service().await;
    send_at_once(&service, market_events(), 8, 500).await;
    service.run(score_date()).await;
    assert_market(&service, &expected(EXPECTED)).await;
    service.assert_counts_equal_a_rebuild().await;
}
