//! Many subjects at once: the fleet's cards, benchmarks and rule sets agree with the single answers.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::answers::{Scored, items, metrics, millionths, pages, scored, send, service_knowing};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

/// The short cards that the single scores make, by kind and rule set.
async fn cards(service: &TestService, all: &[Scored]) -> HashMap<(&'static str, &'static str), Vec<Value>> {
    let mut cards: HashMap<(&'static str, &'static str), Vec<Value>> = HashMap::new();
    for scored in all {
        let score = service.read(&scored.path("score")).await;
        let id_field = scored.id_field();
        let mut card = json!({id_field: scored.id, "tier_level": score["tier"]["level"]});
        for name in ["category_id", "status", "signed_orders", "score"] {
            card[name] = score[name].clone();
        }
        cards.entry((scored.kind, scored.rule_set)).or_default().push(card);
    }
    cards
}

fn id(card: &Value) -> &str {
    card["shop_id"].as_str().or(card["creator_id"].as_str()).expect("an id")
}

/// Sorts cards as a query does; without a score they come last.
fn arrange(cards: &mut [Value], sort: &str) {
    cards.sort_by_key(|card| {
        let score = millionths(&card["score"]);
        let place = match sort {
            "score" => score.unwrap_or(i64::MAX),
            "-score" => score.map_or(i64::MAX, |score| -score),
            _ => 0,
        };
        (place, id(card).to_owned())
    });
}

/// A query's filter and what it keeps.
type Filter = (String, Box<dyn Fn(&Value) -> bool>);

fn filters(cards: &[Value], rng: &mut ChaCha8Rng) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for category_id in ["food", "beauty", "nowhere"] {
        filters.push((
            format!("&category_id={category_id}"),
            Box::new(move |card: &Value| card["category_id"] == category_id),
        ));
    }
    for status in ["scored", "insufficient_volume"] {
        filters.push((format!("&status={status}"), Box::new(move |card: &Value| card["status"] == status)));
    }
    for level in 0..5 {
        filters.push((
            format!("&tier_level={level}"),
            Box::new(move |card: &Value| card["tier_level"].as_i64() == Some(level)),
        ));
    }
    let bounds = [rng.random_range(350..500), 500, rng.random_range(350..500)];
    // A score that there is tells whether the bound itself is below.
    let published = cards.iter().find_map(|card| millionths(&card["score"]));
    for bound in bounds.map(|hundredths: i64| hundredths * 10_000).into_iter().chain(published) {
        let text = format!("&below={}.{:02}", bound / 1_000_000, bound / 10_000 % 100);
        filters
            .push((text, Box::new(move |card: &Value| millionths(&card["score"]).is_some_and(|score| score < bound))));
    }
    filters.push((String::new(), Box::new(|_: &Value| true)));
    let mut ids: Vec<String> = cards.iter().filter(|_| rng.random_bool(0.4)).map(|card| id(card).to_owned()).collect();
    ids.push("nobody".to_owned());
    let text = format!("&ids={}&category_id=beauty", ids.join(","));
    let keeps = move |card: &Value| card["category_id"] == "beauty" && ids.iter().any(|other| other == id(card));
    filters.push((text, Box::new(keeps)));
    filters
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_and_sort_of_the_fleet_agrees_with_the_single_scores() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-20")).await;
        let mut found = 0;
        for ((kind, rule_set), cards) in cards(&service, &scored(&stream.shops, &stream.creators)).await {
            for (filter, keeps) in filters(&cards, &mut rng) {
                for sort in ["", "&sort=id", "&sort=score", "&sort=-score"] {
                    let path = format!("/v1/scores?kind={kind}&rule_set={rule_set}{filter}{sort}");
                    let mut expected: Vec<Value> = cards.iter().filter(|card| keeps(card)).cloned().collect();
                    arrange(&mut expected, sort.trim_start_matches("&sort="));
                    let listed = items(&pages(&service, &path, rng.random_range(1..6)).await);
                    assert_eq!(listed, expected, "seed {seed}: {path}");
                    found += listed.len();
                }
            }
        }
        assert!(found > 0, "seed {seed}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_in_the_revision_that_they_began_with() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let (early, late) = stream.events.split_at(stream.events.len() * 7 / 10);
        let service = service_knowing(&stream, early).await;
        let run = service.run(date("2026-11-20")).await;
        for (sort, late) in ["id", "score", "-score"].into_iter().zip(late.chunks(late.len() / 3 + 1)) {
            let path = format!("/v1/scores?rule_set=shop-few&sort={sort}");
            let whole = service.read(&path).await;
            let mut pages = vec![service.read(&format!("{path}&limit=5")).await];
            send(&service, late).await;
            let newer = service.run(date("2026-11-20")).await;
            while let Some(cursor) = pages[pages.len() - 1]["next_cursor"].as_str() {
                let next = service.read(&format!("{path}&limit=5&cursor={cursor}")).await;
                pages.push(next);
            }
            assert_eq!(pages.len(), 3, "seed {seed}: twelve shops");
            for page in &pages {
                for name in ["run_id", "revision", "date", "published_at"] {
                    assert_eq!(page[name], whole[name], "seed {seed}: {name} by {sort}");
                }
            }
            assert_eq!(json!(items(&pages)), whole["items"], "seed {seed}: by {sort}");
            assert_eq!(service.read(&format!("{path}&limit=5")).await["run_id"], newer["run_id"], "seed {seed}");
        }
        let first = service.read("/v1/scores?rule_set=shop-few&date=2026-11-20&revision=1").await;
        assert_eq!(first["run_id"], run["run_id"], "seed {seed}");
        service.stop().await;
    }
}

/// Fails unless quantiles are those of values in millionths, by nearest rank.
fn assert_quantiles(quantiles: &Value, mut values: Vec<i64>, about: &str) {
    values.sort_unstable();
    assert_eq!(quantiles["members"], json!(values.len()), "{about}");
    for (name, hundredths) in [("p10", 10), ("p25", 25), ("p50", 50), ("p75", 75), ("p90", 90)] {
        // The least value that so many of them do not exceed.
        let not_above = |value: &&i64| values.iter().filter(|other| other <= value).count();
        let expected = values.iter().find(|value| not_above(value) * 100 >= values.len() * hundredths);
        assert_eq!(millionths(&quantiles[name]), expected.copied(), "{about}: {name} of {values:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn benchmarks_are_the_quantiles_of_what_the_members_have() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-20")).await;
        let mut answers: HashMap<(&str, &str), Vec<(Value, Value)>> = HashMap::new();
        for scored in scored(&stream.shops, &stream.creators) {
            let score = service.read(&scored.path("score")).await;
            let metrics = service.read(&scored.path("metrics")).await;
            answers.entry((scored.kind, scored.rule_set)).or_default().push((score, metrics));
        }
        let mut members = 0;
        for ((kind, rule_set), answers) in &answers {
            for category_id in ["food", "beauty", "nowhere"] {
                let about = format!("seed {seed}: {category_id} under {rule_set}");
                let path = format!("/v1/categories/{category_id}/benchmarks?kind={kind}&rule_set={rule_set}");
                let benchmarks = service.read(&path).await;
                let of_category: Vec<&(Value, Value)> =
                    answers.iter().filter(|(score, _)| score["category_id"] == category_id).collect();
                let scores = of_category.iter().filter_map(|(score, _)| millionths(&score["score"])).collect();
                assert_quantiles(&benchmarks["score"], scores, &about);
                for (index, benchmark) in metrics(&benchmarks).iter().enumerate() {
                    let about = format!("{about}: {}", benchmark["id"]);
                    let of_metric = of_category.iter().map(|(_, answer)| &metrics(answer)[index]);
                    let mut values = Vec::new();
                    for metric in of_metric.filter(|metric| metric["assessed"] == true) {
                        assert_eq!(metric["id"], benchmark["id"], "{about}");
                        values.extend(millionths(&metric["value"]));
                    }
                    members += values.len();
                    assert_quantiles(benchmark, values, &about);
                }
            }
        }
        assert!(members > 0, "seed {seed}: nobody is in a category");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_sets_are_listed_with_their_texts_and_the_hashes_of_these() {
    let service = TestService::start().await;
    let list = service.read("/v1/rule-sets").await;
    let listed = list["items"].as_array().expect("items");
    let expected = [
        ("shop-v1", "shop", false, include_str!("../../rules/shop-v1.toml")),
        ("shop-v2", "shop", true, include_str!("../../rules/shop-v2.toml")),
        ("creator-v1", "creator", true, include_str!("../../rules/creator-v1.toml")),
    ];
    assert_eq!(listed.len(), expected.len());
    for (id, kind, default, source) in expected {
        let rule_set = listed.iter().find(|rule_set| rule_set["id"] == id).expect(id);
        let version: String = Sha256::digest(source.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&rule_set["source"], &rule_set["version"]), (&json!(source), &json!(version)), "{id}");
        assert_eq!((&rule_set["kind"], &rule_set["default"]), (&json!(kind), &json!(default)), "{id}");
        assert_eq!(service.read(&format!("/v1/rule-sets/{id}")).await, *rule_set, "{id}");
    }
    let (status, problem) = service.get("/v1/rule-sets/shop-v9").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:rule-set-not-found")));
    service.stop().await;
}
