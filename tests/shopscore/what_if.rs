//! Thought experiments against real ones: more orders, other counts, the least number of orders for a target.

use chrono::{Days, NaiveDate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::support::answers::{Scored, metrics, millionths, scored, send, service_knowing, whole};
use crate::support::stream::{Stream, random_stream};
use crate::support::{Choices, TestService, date, seeds};

fn score_date() -> NaiveDate {
    date("2026-11-20")
}

/// A random market, published.
async fn market(rng: &mut ChaCha8Rng) -> (TestService, Stream) {
    let stream = random_stream(rng);
    let service = service_knowing(&stream, &stream.events).await;
    service.run(score_date()).await;
    (service, stream)
}

async fn what_if(service: &TestService, scored: &Scored, body: &Value) -> Value {
    let (status, answer) = service.post(&scored.path("score/what-if"), body).await;
    assert_eq!(status, 200, "{body} for {scored:?}: {answer}");
    answer
}

/// The score with so many further orders, in millionths.
async fn score_with(service: &TestService, scored: &Scored, orders: i64) -> Option<i64> {
    millionths(&what_if(service, scored, &json!({"add": {"signed_orders": orders}})).await["score"])
}

/// Fails unless an answer says what is published now.
async fn assert_published(service: &TestService, scored: &Scored, answer: &Value, about: &str) {
    let score = service.read(&scored.path("score")).await;
    for name in ["status", "signed_orders", "score", "dimensions", "tier"] {
        assert_eq!(answer[name], score[name], "{about}: {name} of {scored:?}");
    }
    let published = service.read(&scored.path("metrics")).await;
    assert_eq!(answer["metrics"], published["metrics"], "{about}: metrics of {scored:?}");
}

/// Signed orders without faults: paid in the last ten days before the score date, signed on a later day before it, of a
/// product that nobody reviewed.
fn further_orders(turn: usize, shop: &str, creator: Option<&str>, orders: i64, rng: &mut ChaCha8Rng) -> Vec<String> {
    let mut events = Vec::new();
    for order in 0..orders {
        let order_id = format!("further-{turn}-{order}");
        let paid = rng.random_range(2..=10);
        let signed = rng.random_range(1..paid);
        let mut send = |event_type: &str, days_ago: u64, data: Value| {
            let time = format!("{}T10:00:00+08:00", score_date() - Days::new(days_ago));
            let event = json!({"id": event_type, "type": event_type, "shop_id": shop, "time": time, "data": data});
            events.push(event.to_string());
        };
        let attributes = json!({"order_id": order_id, "product_id": "further", "creator_id": creator});
        send("order.paid", paid, attributes);
        send("order.signed", signed, json!({"order_id": order_id}));
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn more_signed_orders_in_thought_are_as_good_as_really_sent_ones() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (service, stream) = market(&mut rng).await;
        let fleet = service.read("/v1/scores?rule_set=shop-v2&sort=id").await;
        let smallest = fleet["items"].as_array().expect("items").iter().min_by_key(|card| whole(card, "signed_orders"));
        let smallest = smallest.expect("a shop")["shop_id"].as_str().expect("shop_id").to_owned();
        // Of shops the first one is in no category; orders of a creator are somebody's, too.
        let subjects = [(&stream.shops[0], None), (&stream.shops[1], None), (&smallest, None)];
        let shared = [(&stream.shops[2], Some(&stream.creators[1])), (&stream.shops[3], Some(&stream.creators[0]))];
        for (turn, (shop, creator)) in subjects.into_iter().chain(shared).enumerate() {
            let orders = rng.random_range(1..40);
            let subject = creator.unwrap_or(shop);
            let mut all = scored(&stream.shops, &stream.creators);
            all.retain(|scored| scored.id == *subject);
            let mut thought = Vec::new();
            for scored in &all {
                let body = json!({"add": {"signed_orders": orders}});
                thought.push(what_if(&service, scored, &body).await);
            }
            let creator = creator.map(String::as_str);
            send(&service, &further_orders(turn, shop, creator, orders, &mut rng)).await;
            service.run(score_date()).await;
            for (scored, thought) in all.iter().zip(&thought) {
                assert_published(&service, scored, thought, &format!("seed {seed}: {orders} further orders")).await;
            }
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_number_of_orders_reaches_a_target_and_no_smaller_one_does() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (service, stream) = market(&mut rng).await;
        let (mut reached, mut beyond_reach) = (0, 0);
        for scored in scored(&stream.shops, &stream.creators) {
            let published = millionths(&service.read(&scored.path("score")).await["score"]);
            let base = published.map_or(400, |score| score / 10_000);
            for target in [base - 5, base + 1, base + rng.random_range(2..25), 500] {
                let target = target.clamp(300, 500);
                let about = format!("seed {seed}: {target} hundredths for {scored:?}, who has {published:?}");
                let body = format!(r#"{{"target_score": {}.{:02}}}"#, target / 100, target % 100);
                let body: Value = serde_json::from_str(&body).expect("a body");
                let answer = what_if(&service, &scored, &body).await;
                let found = &answer["target"];
                let enough = Some(target * 10_000);
                assert_eq!(millionths(&found["score"]), enough, "{about}");
                assert_eq!(found["reachable"], json!(!found["signed_orders"].is_null()), "{about}");
                let Some(orders) = found["signed_orders"].as_i64() else {
                    assert!(score_with(&service, &scored, 1_000_000).await < enough, "{about}: it is reachable");
                    assert_eq!(found["earliest_date"], Value::Null, "{about}");
                    beyond_reach += 1;
                    continue;
                };
                let score = score_with(&service, &scored, orders).await;
                assert!(score >= enough, "{about}: {orders} orders make {score:?}");
                assert_eq!(millionths(&answer["score"]), score, "{about}: the answer is with these orders");
                if orders == 0 {
                    assert_eq!(found["earliest_date"], json!(score_date()), "{about}");
                    continue;
                }
                for fewer in [orders - 1, rng.random_range(0..orders)] {
                    let score = score_with(&service, &scored, fewer).await;
                    assert!(score < enough, "{about}: {fewer} orders do, {orders} are not the least number");
                }
                reached += 1;
            }
        }
        assert!(reached > 0 && beyond_reach > 0, "seed {seed}: {reached} reached, {beyond_reach} beyond reach");
        service.stop().await;
    }
}

/// A metric's counts with something worse about them.
fn worse(metric: &Value, rng: &mut ChaCha8Rng) -> Value {
    let (numerator, denominator) = (whole(metric, "numerator"), whole(metric, "denominator"));
    let step = rng.random_range(1..=denominator);
    let numerator = if metric["better"] == "lower" { numerator + step } else { (numerator - step).max(0) };
    // As far as it can be: no more than all of a ratio, no less than one star each.
    let numerator = match metric["unit"].as_str() {
        Some("ratio") => numerator.min(denominator),
        Some("stars") => numerator.max(denominator),
        _ => numerator,
    };
    json!({"numerator": numerator, "denominator": denominator})
}

#[tokio::test(flavor = "multi_thread")]
async fn published_counts_set_anew_change_nothing_and_worse_ones_never_raise_a_score() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (service, stream) = market(&mut rng).await;
        let mut fallen = 0;
        for scored in scored(&stream.shops, &stream.creators) {
            let published = service.read(&scored.path("metrics")).await;
            let counts = |metric: &Value| {
                let id = metric["id"].as_str().expect("id").to_owned();
                (id, json!({"numerator": metric["numerator"], "denominator": metric["denominator"]}))
            };
            let same: Map<String, Value> = metrics(&published).iter().map(counts).collect();
            let answer = what_if(&service, &scored, &json!({"set": same})).await;
            assert_published(&service, &scored, &answer, &format!("seed {seed}: the published counts")).await;
            let score = millionths(&answer["score"]);
            assert_eq!(millionths(&answer["published_score"]), score, "seed {seed}: {scored:?}");
            for metric in metrics(&published).iter().filter(|metric| whole(metric, "denominator") > 0) {
                let id = metric["id"].as_str().expect("id");
                let body = json!({"set": {id: worse(metric, &mut rng)}});
                let answer = what_if(&service, &scored, &body).await;
                let set = metrics(&answer).iter().find(|metric| metric["id"] == id).expect("the metric");
                assert_eq!(set["numerator"], body["set"][id]["numerator"], "seed {seed}: {body} for {scored:?}");
                assert_eq!(answer["status"], published["status"], "seed {seed}: {body} for {scored:?}");
                let worse = millionths(&answer["score"]);
                assert!(worse <= score, "seed {seed}: {body} raises {score:?} to {worse:?} for {scored:?}");
                fallen += i32::from(worse < score);
            }
        }
        assert!(fallen > 0, "seed {seed}: no score fell");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_bound_to_shops_learns_its_standing_in_tenths() {
    let mut choices = Choices::default();
    let few = choices.rules.get("shop-v2").expect("shop-v2").source.clone();
    let few = few.replace("id = \"shop-v2\"", "id = \"shop-few\"").replace("default = true", "default = false");
    let few = few.replace("signed_orders = 30", "signed_orders = 8").replace("peers = 10", "peers = 3");
    choices.rules.rule_sets.push(std::sync::Arc::new(shopscore::domain::rules::file::parse(&few).expect("valid")));
    let service = crate::keys::guarded_with(choices).await;
    let stream = crate::support::stream::random_stream(&mut ChaCha8Rng::seed_from_u64(4));
    service.register(&stream.shops, &stream.creators).await;
    send(&service, &stream.events).await;
    service.run("2026-11-20".parse().expect("a date")).await;
    let shop = &stream.shops[0];
    let (key, _) = crate::keys::make(&service, &["scores:read"], &[shop.as_str()]).await;
    let path = format!("/v1/shops/{shop}/score/what-if?rule_set=shop-few");
    let mut standings = std::collections::BTreeSet::new();
    for numerator in 0..40 {
        let body = json!({"set": {"negative_feedback_rate": {"numerator": numerator, "denominator": 40}}});
        let (status, answer) = crate::keys::post(&service, &key, &path, &body).await;
        assert_eq!(status, 200, "{answer}");
        for metric in metrics(&answer) {
            assert!(metric["better_peers"].is_null() && metric["peers"].is_null(), "{metric}");
        }
        let metric = metrics(&answer).iter().find(|metric| metric["id"] == "negative_feedback_rate").expect("it");
        standings.extend(millionths(&metric["standing"]));
        let (_, whole) = service.post(&path, &body).await;
        assert!(whole.to_string().contains("\"better_peers\":"), "other keys are told");
    }
    let own = service.read(&format!("/v1/shops/{shop}/metrics?rule_set=shop-few")).await;
    let own =
        metrics(&own).iter().find(|metric| metric["id"] == "negative_feedback_rate").expect("it")["standing"].clone();
    let coarse = |standing: &i64| standing % 100_000 == 0 || Some(*standing) == millionths(&own);
    assert!(standings.iter().all(coarse) && standings.len() > 1, "{standings:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_cannot_be_are_refused() {
    let service = TestService::start().await;
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(4));
    send(&service, &stream.events).await;
    service.run(date("2026-11-20")).await;
    for (metric, numerator, denominator, status) in [
        ("negative_feedback_rate", 1_000, 10, 422),
        ("negative_feedback_rate", 10, 10, 200),
        ("product_base_score", 1_000, 10, 422),
        ("product_base_score", 9, 10, 422),
        ("product_base_score", 50, 10, 200),
        ("delivery_duration", 1_000_000, 10, 200),
        ("pickup_timeliness", 101, 100, 422),
        ("pickup_timeliness", 50, 99, 422),
    ] {
        let body = json!({"set": {metric: {"numerator": numerator, "denominator": denominator}}});
        let (answered, problem) = service.post("/v1/shops/shop-0/score/what-if", &body).await;
        assert_eq!(answered, status, "{body}: {problem}");
        if status == 422 {
            assert_eq!(problem["errors"][0]["pointer"], json!(format!("/set/{metric}")), "{problem}");
        }
    }
    service.stop().await;
}
