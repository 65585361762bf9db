//! Parts of the lists of records: of a day, of a product, and of what differs from an earlier revision.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::contract::order;
use crate::support::answers::{Scored, exclude, items, metrics, pages, retraction, scored_built_in, send, whole};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

const SIDES: [&str; 2] = ["numerator", "denominator"];

fn paths(scored: &Scored, answer: &Value, route: &str) -> Vec<String> {
    let ids = metrics(answer).iter().map(|metric| metric["id"].as_str().expect("id"));
    ids.flat_map(|id| SIDES.map(|side| scored.path(&format!("metrics/{id}/{route}?side={side}")))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_day_and_of_a_product_are_those_of_the_whole_list() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let service = TestService::start().await;
        service.register(&stream.shops, &stream.creators).await;
        send(&service, &stream.events).await;
        service.run(date("2026-11-20")).await;
        let mut scored = scored_built_in(&stream);
        scored.retain(|scored| scored.rule_set != "shop-v1");
        let mut parts = 0;
        for scored in scored.iter().step_by(4) {
            let answer = service.read(&scored.path("metrics")).await;
            for path in paths(scored, &answer, "records") {
                let all = items(&pages(&service, &path, 1_000).await);
                for part in ["day", "product_id"] {
                    let mut values: Vec<&str> = all.iter().filter_map(|record| record[part].as_str()).collect();
                    values.shuffle(&mut rng);
                    let absent = if part == "day" { "2020-02-02" } else { "no-such-product" };
                    for value in values.into_iter().take(2).chain([absent]) {
                        let some = format!("{path}&{part}={value}");
                        let expected: Vec<Value> = all.iter().filter(|record| record[part] == value).cloned().collect();
                        let limit = rng.random_range(1..8);
                        assert_eq!(items(&pages(&service, &some, limit).await), expected, "seed {seed}: {some}");
                        parts += usize::from(!expected.is_empty());
                    }
                }
            }
        }
        assert!(parts > 50, "seed {seed}: {parts}");
        service.stop().await;
    }
}

/// What is one record in both revisions, and what it adds.
fn amounts(records: &[Value]) -> BTreeMap<[String; 4], i64> {
    let identity =
        |record: &Value| ["shop_id", "order_id", "aftersale_id", "session_id"].map(|id| record[id].to_string());
    let mut amounts = BTreeMap::new();
    for record in records {
        *amounts.entry(identity(record)).or_insert(0) += whole(record, "amount");
    }
    amounts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changes_of_records_are_the_difference_of_the_whole_lists() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut stream = random_stream(&mut rng);
        stream.events.shuffle(&mut rng);
        let (early, late) = stream.events.split_at(stream.events.len() * 8 / 10);
        let service = TestService::start().await;
        service.register(&stream.shops, &stream.creators).await;
        send(&service, early).await;
        let mut excluded = Vec::new();
        for event in early.iter().filter(|_| rng.random_bool(0.02)) {
            excluded.extend(exclude(&service, event).await);
        }
        service.run(date("2026-11-18")).await;
        send(&service, late).await;
        let taken_back: Vec<String> =
            early.iter().filter(|_| rng.random_bool(0.02)).map(|one| retraction(one)).collect();
        send(&service, &taken_back).await;
        for id in excluded.iter().step_by(2) {
            let revocation = service.client.delete(service.url(&format!("/v1/exclusions/{id}")));
            let revoked = revocation.json(&json!({"revoked_by": "ops"})).send().await;
            assert_eq!(revoked.expect("an answer").status(), 200);
        }
        service.run(date("2026-11-20")).await;
        // What comes later is in neither.
        for event in early.iter().filter(|_| rng.random_bool(0.01)) {
            exclude(&service, event).await;
        }
        let mut scored = scored_built_in(&stream);
        scored.retain(|scored| scored.rule_set != "shop-v1");
        let mut reasons: BTreeSet<String> = BTreeSet::new();
        for scored in scored.iter().step_by(3) {
            let answer = service.read(&scored.path("metrics")).await;
            let lists = paths(scored, &answer, "records").into_iter().zip(paths(scored, &answer, "records/changes"));
            for (records, changes) in lists {
                let then = amounts(&items(&pages(&service, &format!("{records}&date=2026-11-18"), 1_000).await));
                let now = amounts(&items(&pages(&service, &records, 1_000).await));
                let told = pages(&service, &changes, rng.random_range(5..40)).await;
                let about = format!("seed {seed}: {changes}");
                let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
                let identity = |change: &Value| amounts(std::slice::from_ref(change)).into_keys().next();
                for change in items(&told) {
                    let key = identity(&change).expect("a record");
                    *before.entry(key.clone()).or_insert(0) += whole(&change, "amount_before");
                    *after.entry(key).or_insert(0) += whole(&change, "amount");
                    reasons.insert(change["reason"].to_string());
                }
                let ids: BTreeSet<&[String; 4]> = then.keys().chain(now.keys()).collect();
                for id in ids {
                    let counted = (then.get(id).copied().unwrap_or(0), now.get(id).copied().unwrap_or(0));
                    let said = (before.remove(id), after.remove(id));
                    if counted.0 == counted.1 {
                        assert_eq!(said, (None, None), "{about}: {id:?} counts as before");
                    } else {
                        assert_eq!(said, (Some(counted.0), Some(counted.1)), "{about}: {id:?}");
                    }
                }
                assert!(before.is_empty(), "{about}: {before:?} counts in neither");
                let sum = |amounts: &BTreeMap<[String; 4], i64>| amounts.values().sum::<i64>();
                let totals = (whole(&told[0], "total_before"), whole(&told[0], "total"));
                assert_eq!((sum(&then), sum(&now)), totals, "{about}");
            }
        }
        let all = ["entered", "left", "facts"].map(|reason| json!(reason).to_string());
        assert_eq!(reasons, all.into(), "seed {seed}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_records_go_on_between_the_revisions_that_they_began_with() {
    let orders = |numbers: Range<u32>| -> Vec<String> {
        numbers.flat_map(|number| order("s-1", &format!("o-{number}"), None)).collect()
    };
    let service = TestService::start().await;
    service.send(&orders(0..5)).await;
    service.run(date("2026-11-19")).await;
    service.send(&orders(5..28)).await;
    service.run(date("2026-11-20")).await;
    let path = "/v1/shops/s-1/metrics/negative_feedback_rate/records/changes?side=denominator";
    let all = service.read(path).await;
    assert_eq!((whole(&all, "total_before"), whole(&all, "total")), (5, 28));
    let first = service.read(&format!("{path}&limit=10")).await;
    let (mut given, mut cursor) = (items(std::slice::from_ref(&first)), first["next_cursor"].clone());
    service.send(&orders(28..40)).await;
    service.run(date("2026-11-20")).await;
    while let Some(text) = cursor.as_str() {
        let page = service.read(&format!("{path}&limit=10&cursor={text}")).await;
        assert_eq!((&page["from"], &page["to"]), (&all["from"], &all["to"]));
        given.extend(items(std::slice::from_ref(&page)));
        cursor = page["next_cursor"].clone();
    }
    assert_eq!(given.len(), 23);
    assert_eq!(json!(given), all["items"]);
    let (status, problem) = service.get("/v1/shops/s-1/metrics/no_such/records/changes").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:metric-not-found")));
    service.stop().await;
}
