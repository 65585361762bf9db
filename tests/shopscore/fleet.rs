//! Many subjects at once: the fleet's cards, benchmarks and rule sets agree with the single answers.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shopscore::domain::decimal::Decimal;

use crate::support::answers::{Scored, items, metrics, millionths, pages, scored, send, service_knowing};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

/// The short cards that the single scores of a date make beside those of the date before, by kind and rule set.
async fn cards(service: &TestService, all: &[Scored]) -> HashMap<(&'static str, &'static str), Vec<Value>> {
    let mut cards: HashMap<(&'static str, &'static str), Vec<Value>> = HashMap::new();
    for scored in all {
        let score = service.read(&scored.path("score")).await;
        let (_, before) = service.get(&scored.path("score?date=2026-11-19")).await;
        let id_field = scored.id_field();
        let tier = &score["tier"];
        let mut card = json!({id_field: scored.id, "name": null, "tier_level": tier["level"],
                              "previous_tier_level": before["tier"]["level"],
                              "gap": tier["next_up"]["gap"], "margin": tier["next_down"]["margin"]});
        for name in ["category_id", "status", "signed_orders", "score"] {
            card[name] = score[name].clone();
        }
        let change = millionths(&score["score"]).zip(millionths(&before["score"])).map(|(now, then)| now - then);
        card["change"] = change.map_or(Value::Null, |change| {
            serde_json::from_str(&Decimal::from_millionths(change).fixed(2)).expect("a number")
        });
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
        let by = millionths(&card[sort.trim_start_matches('-')]);
        let place = match sort {
            "" | "id" => 0,
            falling if falling.starts_with('-') => by.map_or(i64::MAX, |by| -by),
            _ => by.unwrap_or(i64::MAX),
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
    let levels = |card: &Value| card["tier_level"].as_i64().zip(card["previous_tier_level"].as_i64());
    filters.push(("&moved=up".to_owned(), Box::new(move |card| levels(card).is_some_and(|(now, then)| now < then))));
    filters.push(("&moved=down".to_owned(), Box::new(move |card| levels(card).is_some_and(|(now, then)| now > then))));
    filters.push(("&q=P-1".to_owned(), Box::new(|card| id(card).contains("p-1"))));
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
        let (early, late) = stream.events.split_at(stream.events.len() * 8 / 10);
        let service = service_knowing(&stream, early).await;
        service.run(date("2026-11-19")).await;
        send(&service, late).await;
        service.run(date("2026-11-20")).await;
        let (mut found, mut moved) = (0, 0);
        for ((kind, rule_set), cards) in cards(&service, &scored(&stream.shops, &stream.creators)).await {
            for (filter, keeps) in filters(&cards, &mut rng) {
                for sort in ["", "id", "score", "-score", "change", "-change", "gap", "margin"] {
                    let sort = if sort.is_empty() { String::new() } else { format!("&sort={sort}") };
                    let path = format!("/v1/scores?kind={kind}&rule_set={rule_set}{filter}{sort}");
                    let mut expected: Vec<Value> = cards.iter().filter(|card| keeps(card)).cloned().collect();
                    arrange(&mut expected, sort.trim_start_matches("&sort="));
                    let listed = items(&pages(&service, &path, rng.random_range(1..6)).await);
                    assert_eq!(listed, expected, "seed {seed}: {path}");
                    found += listed.len();
                    moved += if filter.contains("moved") { listed.len() } else { 0 };
                }
            }
        }
        assert!(found > 0 && moved > 0, "seed {seed}: {found} found, {moved} moved");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_counts_what_the_fleet_lists() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let (early, late) = stream.events.split_at(stream.events.len() * 8 / 10);
        let service = service_knowing(&stream, early).await;
        service.run(date("2026-11-19")).await;
        let first = service.read("/v1/scores/summary").await;
        assert_eq!((&first["previous_date"], &first["moves"]["by_tier"]), (&Value::Null, &json!([])), "seed {seed}");
        send(&service, late).await;
        service.run(date("2026-11-20")).await;
        let all = cards(&service, &scored(&stream.shops, &stream.creators)).await;
        for ((kind, rule_set), cards) in &all {
            for category_id in [None, Some("food"), Some("nowhere")] {
                let of = category_id.map(|id| format!("&category_id={id}")).unwrap_or_default();
                let path = format!("/v1/scores/summary?kind={kind}&rule_set={rule_set}{of}");
                let summary = service.read(&path).await;
                let cards: Vec<&Value> =
                    cards.iter().filter(|card| category_id.is_none_or(|id| card["category_id"] == id)).collect();
                assert_summary(&summary, &cards, &format!("seed {seed}: {path}"));
            }
        }
        service.stop().await;
    }
}

/// Fails unless a summary counts some cards.
fn assert_summary(summary: &Value, cards: &[&Value], about: &str) {
    let count = |is_counted: &dyn Fn(&Value) -> bool| json!(cards.iter().filter(|card| is_counted(card)).count());
    assert_eq!(summary["subjects"], json!(cards.len()), "{about}");
    assert_eq!(summary["scored"], count(&|card| !card["score"].is_null()), "{about}");
    assert_eq!(summary["insufficient_volume"], count(&|card| card["score"].is_null()), "{about}");
    assert_quantiles(&summary["score"], cards.iter().filter_map(|card| millionths(&card["score"])).collect(), about);
    for (level, tier) in summary["tiers"].as_array().expect("tiers").iter().enumerate() {
        assert_eq!(tier["subjects"], count(&|card| card["tier_level"] == json!(level)), "{about}: tier {level}");
        let (least, most) = (millionths(&tier["at_least"]), millionths(&tier["below"]));
        let is_inside = |card: &Value| {
            millionths(&card["score"])
                .is_some_and(|score| least.is_none_or(|least| score >= least) && most.is_none_or(|most| score < most))
        };
        assert_eq!(tier["subjects"], count(&is_inside), "{about}: tier {level}");
        assert_eq!(tier["penalties"].as_array().expect("penalties").is_empty(), level == 0, "{about}");
    }
    let bars = summary["histogram"].as_array().expect("bars");
    for bar in bars {
        let [from, to] = ["from", "to"].map(|end| millionths(&bar[end]).expect("a score"));
        assert_eq!(to - from, 50_000, "{about}: scores go up to 5");
        let is_inside = |card: &Value| millionths(&card["score"]).is_some_and(|score| (from..to).contains(&score));
        assert_eq!(bar["subjects"], count(&is_inside), "{about}: {bar}");
    }
    let in_bars: i64 = bars.iter().filter_map(|bar| bar["subjects"].as_i64()).sum();
    assert_eq!(json!(in_bars), summary["scored"], "{about}");
    let levels = |card: &Value| (card["previous_tier_level"].as_i64(), card["tier_level"].as_i64());
    let moves = &summary["moves"];
    assert_eq!(moves["up"], count(&|card| matches!(levels(card), (Some(then), Some(now)) if now < then)), "{about}");
    assert_eq!(moves["down"], count(&|card| matches!(levels(card), (Some(then), Some(now)) if now > then)), "{about}");
    assert_eq!(moves["entered"], count(&|card| matches!(levels(card), (None, Some(_)))), "{about}");
    assert_eq!(moves["left"], count(&|card| matches!(levels(card), (Some(_), None))), "{about}");
    for category in summary["categories"].as_array().expect("categories") {
        let is_inside = |card: &Value| card["category_id"] == category["category_id"];
        assert_eq!(category["subjects"], count(&is_inside), "{about}: {category}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_shows_the_names_and_the_histories_that_the_single_answers_have() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seeds(1)[0]));
    let service = service_knowing(&stream, &stream.events).await;
    for day in ["2026-11-10", "2026-11-17", "2026-11-18", "2026-11-20"] {
        service.run(date(day)).await;
    }
    let shop = &stream.shops[0];
    let named = service.client.put(service.url(&format!("/v1/shops/{shop}"))).json(&json!({"name": "好味_100% 官方"}));
    assert_eq!(named.send().await.expect("an answer").status(), 200);
    for (q, wanted) in [("好味", 1), ("_100%25", 1), ("_1001", 0), ("%25", 1)] {
        let found = service.read(&format!("/v1/scores?q={q}")).await;
        assert_eq!(found["items"].as_array().expect("items").len(), wanted, "{q}: {found}");
    }
    let fleet = service.read("/v1/scores?rule_set=shop-few&history=5").await;
    assert_eq!(fleet["history_dates"], json!(["2026-11-17", "2026-11-18", "2026-11-20"]));
    let mut scores = 0;
    for card in items(&[fleet]) {
        let path = format!("/v1/shops/{}/scores?rule_set=shop-few&from=2026-11-16", id(&card));
        let history = service.read(&path).await;
        let single: Vec<Value> =
            history["scores"].as_array().expect("scores").iter().map(|past| past["score"].clone()).collect();
        scores += single.iter().filter(|score| !score.is_null()).count();
        assert_eq!(card["history"], json!(single), "{path}");
    }
    assert!(scores > 0);
    assert_eq!(service.read("/v1/scores").await["history_dates"], Value::Null, "nobody asked");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_shows_the_percentiles_of_the_peers_that_it_stands_among() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seeds(1)[0]));
    let service = service_knowing(&stream, &stream.events).await;
    service.run(date("2026-11-20")).await;
    let mut all = Vec::new();
    for scored in scored(&stream.shops, &stream.creators) {
        let answer = service.read(&scored.path("metrics")).await;
        all.push((scored, answer));
    }
    let mut compared = [0, 0];
    for (scored, answer) in &all {
        for (place, metric) in metrics(answer).iter().enumerate() {
            let about = format!("{} of {} under {}", metric["id"], scored.id, scored.rule_set);
            let basis = metric["basis"].as_str().unwrap_or_default();
            let mut told = answer["peers"].as_array().expect("peers").iter().filter(|told| told["id"] == metric["id"]);
            let told = told.next().map(|told| (told, told["basis"].as_str().expect("basis")));
            if !["category", "market"].contains(&basis) {
                assert!(told.is_none(), "{about}: {told:?}");
                continue;
            }
            let (told, told_basis) = told.expect("what the peers have");
            assert_eq!(told_basis, basis, "{about}");
            let peers = all.iter().filter(|(other, peer)| {
                let is_near = basis == "market" || peer["category_id"] == answer["category_id"];
                (other.kind, other.rule_set) == (scored.kind, scored.rule_set) && is_near
            });
            let assessed = peers.map(|(_, peer)| &metrics(peer)[place]).filter(|peer| peer["assessed"] == true);
            let values: Vec<i64> = assessed.filter_map(|peer| millionths(&peer["value"])).collect();
            assert_eq!(metric["peers"], json!(values.len()), "{about}");
            assert_quantiles(told, values, &about);
            compared[usize::from(basis == "market")] += 1;
        }
    }
    assert!(compared.iter().all(|compared| *compared > 0), "{compared:?}");
    service.stop().await;
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
        ("douyin-2026-09", "shop", false, include_str!("../../rules/douyin-2026-09.toml")),
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
