//! The laws of scoring (§9), as properties of random streams of events sent through the real door. Every case prints
//! its seed when it fails; `SHOPSCORE_LAW_SEED` runs that one again.

use chrono::NaiveDate;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::scoring::rebuild;

use crate::support::answers::{exclude, retraction};
use crate::support::stream::{Stream, random_stream};
use crate::support::{TestService, seeds};

/// Random markets that each law is tried on.
const CASES: u64 = 4;

fn score_date() -> NaiveDate {
    "2026-11-20".parse().expect("date")
}

/// Everything that is published of all subjects, without what names the run.
async fn published(service: &TestService, stream: &Stream) -> Vec<Value> {
    let mut cards = Vec::new();
    let shops = stream
        .shops
        .iter()
        .flat_map(|shop| ["shop-v1", "shop-v2", "douyin-2026-09"].map(|rules| ("shops", shop, rules)));
    let creators = stream.creators.iter().map(|creator| ("creators", creator, "creator-v1"));
    for (kind, id, rules) in shops.chain(creators) {
        for route in ["score", "metrics"] {
            let (status, mut card) = service.get(&format!("/v1/{kind}/{id}/{route}?rule_set={rules}")).await;
            if status == 404 {
                // A subject that was never named has no card; that is what an empty card would say too.
                continue;
            }
            assert_eq!(status, 200, "{card}");
            for name in ["run_id", "published_at", "revision"] {
                card.as_object_mut().expect("object").remove(name);
            }
            cards.push(card);
        }
    }
    cards
}

async fn scored(stream: &Stream, events: &[String], batch: usize) -> (TestService, Vec<Value>) {
    let service = TestService::start().await;
    service.register(&stream.shops, &stream.creators).await;
    for batch in events.chunks(batch) {
        service.send(batch).await;
    }
    service.run(score_date()).await;
    let cards = published(&service, stream).await;
    (service, cards)
}

#[tokio::test(flavor = "multi_thread")]
async fn law_1_shuffling_repeating_and_splitting_change_no_score() {
    for seed in seeds(CASES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let (plain, expected) = scored(&stream, &stream.events, 10_000).await;
        let mut shuffled = stream.events.clone();
        let repeated: Vec<String> = shuffled.iter().filter(|_| rng.random_bool(0.3)).cloned().collect();
        shuffled.extend(repeated);
        shuffled.shuffle(&mut rng);
        let (other, cards) = scored(&stream, &shuffled, rng.random_range(1..300)).await;
        assert_eq!(cards, expected, "seed {seed}");
        other.assert_counts_equal_a_rebuild().await;
        plain.stop().await;
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_2_an_event_and_its_retraction_or_an_exclusion_and_its_revocation_equal_neither() {
    for seed in seeds(CASES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let (without, kept): (Vec<&String>, Vec<&String>) =
            stream.events.iter().partition(|event| !event.contains("event.retracted") && rng.random_bool(0.05));
        let kept: Vec<String> = kept.into_iter().cloned().collect();
        let (plain, expected) = scored(&stream, &kept, 10_000).await;

        let retractions: Vec<String> = without.iter().map(|event| retraction(event)).collect();
        let mut all = [stream.events.clone(), retractions].concat();
        all.shuffle(&mut rng);
        let (retracted, cards) = scored(&stream, &all, 97).await;
        assert_eq!(cards, expected, "seed {seed}: retracted");
        retracted.assert_counts_equal_a_rebuild().await;

        let mut ids = Vec::new();
        for event in &kept {
            if rng.random_bool(0.05) {
                ids.extend(exclude(&plain, event).await);
            }
        }
        plain.assert_counts_equal_a_rebuild().await;
        for id in ids {
            let path = format!("/v1/exclusions/{id}");
            assert_eq!(
                plain
                    .client
                    .delete(plain.url(&path))
                    .json(&json!({"revoked_by": "ops"}))
                    .send()
                    .await
                    .expect("an answer")
                    .status(),
                200
            );
        }
        plain.run(score_date()).await;
        assert_eq!(published(&plain, &stream).await, expected, "seed {seed}: excluded and revoked");
        plain.stop().await;
        retracted.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_3_and_5_counts_kept_equal_counts_rebuilt_and_give_the_same_scores() {
    for seed in seeds(CASES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut stream = random_stream(&mut rng);
        stream.events.shuffle(&mut rng);
        let (service, expected) = scored(&stream, &stream.events, 53).await;
        service.assert_counts_equal_a_rebuild().await;
        rebuild::rebuild(&service.context.store, &service.context.calendar(), &rebuild::unwatched)
            .await
            .expect("a rebuild");
        service.assert_counts_equal_a_rebuild().await;
        assert_eq!(service.run(score_date()).await["revision"], json!(2));
        assert_eq!(published(&service, &stream).await, expected, "seed {seed}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_4_renaming_shops_permutes_results_and_faultless_orders_never_worsen_a_shop() {
    for seed in seeds(CASES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let (service, expected) = scored(&stream, &stream.events, 10_000).await;
        let renamed = stream.renamed("shop-", "zz-laden-");
        let (other, cards) = scored(&renamed, &renamed.events, 10_000).await;
        let named_back: Vec<Value> = cards
            .iter()
            .map(|card| serde_json::from_str(&card.to_string().replace("zz-laden-", "shop-")).expect("a card"))
            .collect();
        assert_eq!(named_back, expected, "seed {seed}");
        other.stop().await;

        let shop = &stream.shops[rng.random_range(0..stream.shops.len())];
        let rates = |cards: Vec<Value>| -> Vec<(String, i64, i64)> {
            let of_shop = cards.into_iter().filter(|card| card["shop_id"] == *shop && !card["metrics"].is_null());
            let metrics: Vec<Value> =
                of_shop.flat_map(|card| card["metrics"].as_array().expect("metrics").clone()).collect();
            let watched = ["bad_review_rate", "quality_return_rate", "negative_feedback_rate"];
            let rate = |metric: &Value| {
                let id = metric["id"].as_str().expect("id").to_owned();
                let count = |name: &str| metric[name].as_i64().expect("a count");
                watched.contains(&id.as_str()).then(|| (id, count("numerator"), count("denominator")))
            };
            metrics.iter().filter_map(rate).collect()
        };
        service.send(&faultless_order(shop, &mut rng)).await;
        service.run(score_date()).await;
        let after = rates(published(&service, &stream).await);
        for ((id, before_n, before_d), (_, n, d)) in rates(expected).into_iter().zip(after) {
            let worse = before_d > 0 && n * before_d > before_n * d;
            assert!(!worse, "seed {seed}: {id} of {shop} went from {before_n}/{before_d} to {n}/{d}");
        }
        service.stop().await;
    }
}

fn faultless_order(shop: &str, rng: &mut ChaCha8Rng) -> Vec<String> {
    let day = rng.random_range(1..28);
    let event = |id: &str, event_type: &str, time: String, data: Value| {
        json!({"id": id, "type": event_type, "shop_id": shop, "time": time, "data": data}).to_string()
    };
    vec![
        event(
            "n1",
            "order.paid",
            format!("2026-10-{day:02}T10:00:00+08:00"),
            json!({"order_id": "new", "product_id": "p"}),
        ),
        event("n2", "order.signed", format!("2026-10-{day:02}T20:00:00+08:00"), json!({"order_id": "new"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn law_6_a_published_revision_never_changes() {
    for seed in seeds(CASES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let (early, late) = stream.events.split_at(stream.events.len() / 2);
        let (service, _) = scored(&stream, early, 10_000).await;
        let revision_1 = format!("/v1/shops/{}/metrics?date=2026-11-20&revision=1", stream.shops[0]);
        let published = service.read(&revision_1).await;
        service.send(late).await;
        assert_eq!(service.run(score_date()).await["revision"], json!(2));
        service.register_in(&stream.shops, "elsewhere").await;
        assert_eq!(service.run(score_date()).await["revision"], json!(3));
        assert_eq!(service.read(&revision_1).await, published, "seed {seed}");
        let newest = service.read(&format!("/v1/shops/{}/metrics", stream.shops[0])).await;
        assert_eq!((&newest["revision"], &newest["category_id"]), (&json!(3), &json!("elsewhere")));
        service.stop().await;
    }
}
