//! A subject's products: together they have the counts of its metrics, and they come in the order that was asked for.

use std::cmp::Ordering;
use std::collections::HashSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::answers::{items, metrics, pages, scored_built_in, send, whole};
use crate::support::stream::random_stream;
use crate::support::{TestService, date, seeds};

const RATES: [&str; 3] = ["bad_review_rate", "quality_return_rate", "complaint_rate"];

/// How two products compare by what they are sorted by; one without a rate is the least.
fn compare(sort: &str, one: &Value, other: &Value) -> Ordering {
    if sort == "paid_orders" {
        return whole(one, sort).cmp(&whole(other, sort));
    }
    let counts = |product: &Value| (whole(&product[sort], "numerator"), whole(&product[sort], "denominator"));
    match (counts(one), counts(other)) {
        ((_, 0), (_, 0)) => Ordering::Equal,
        ((_, 0), _) => Ordering::Less,
        (_, (_, 0)) => Ordering::Greater,
        ((one, of_one), (other, of_other)) => (one * of_other).cmp(&(other * of_one)),
    }
}

/// A payment that names no product names one: what has none is in no list of products.
fn with_product(event: &str) -> String {
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    if event["type"] == "order.paid" && event["data"]["product_id"].is_null() {
        event["data"]["product_id"] = json!("p0");
    }
    event.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn products_together_have_the_counts_of_the_metrics_in_the_order_asked_for() {
    for seed in seeds(1) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stream = random_stream(&mut rng);
        let service = TestService::start().await;
        service.register(&stream.shops, &stream.creators).await;
        let events: Vec<String> = stream.events.iter().map(|event| with_product(event)).collect();
        send(&service, &events).await;
        service.run(date("2026-11-20")).await;
        let (mut compared, mut left_out) = (0, 0);
        for scored in scored_built_in(&stream) {
            let published = service.read(&scored.path("metrics")).await;
            let signed_orders = whole(&service.read(&scored.path("score")).await, "signed_orders");
            for (sort, order) in [RATES[0], RATES[1], RATES[2], "paid_orders"].map(|sort| (sort, rng.random_bool(0.5)))
            {
                let about = format!("seed {seed}: {scored:?} by {sort}");
                let word = if order { "asc" } else { "desc" };
                let limit = rng.random_range(1..6);
                let path = scored.path(&format!("products?sort={sort}&order={word}"));
                let products = items(&pages(&service, &path, limit).await);
                let sorted = products.is_sorted_by(|one, next| {
                    if order { compare(sort, one, next).is_le() } else { compare(sort, one, next).is_ge() }
                });
                assert!(sorted, "{about} {word}: {products:?}");
                let named: HashSet<[String; 2]> = products
                    .iter()
                    .map(|product| ["shop_id", "product_id"].map(|field| product[field].to_string()))
                    .collect();
                assert_eq!(named.len(), products.len(), "{about} in pages of {limit}: one is named twice");
                let sum = |count: &dyn Fn(&Value) -> i64| products.iter().map(count).sum::<i64>();
                assert_eq!(sum(&|product: &Value| whole(product, "signed_orders")), signed_orders, "{about}");
                for metric in metrics(&published) {
                    let id = metric["id"].as_str().expect("id");
                    if RATES.contains(&id) {
                        for side in ["numerator", "denominator"] {
                            let of_all = sum(&|product: &Value| whole(&product[id], side));
                            assert_eq!(of_all, whole(metric, side), "{about}: {side} of {id}");
                        }
                        compared += 1;
                    }
                    if id == "product_base_score" {
                        let reviews = |product: &Value| {
                            if product["in_base_score"] == true { whole(product, "reviews") } else { 0 }
                        };
                        assert_eq!(sum(&reviews), whole(metric, "denominator"), "{about}: reviews");
                        left_out += sum(&|product: &Value| whole(product, "reviews")) - sum(&reviews);
                    }
                }
            }
        }
        assert!(compared > 0 && left_out > 0, "seed {seed}: every product counts in the product base score");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_the_rule_set_does_not_score_has_its_usual_window() {
    let service = TestService::start().await;
    let event = |id: &str, event_type: &str, order: &str, data: Value| {
        let mut event = json!({"id": id, "type": event_type, "shop_id": "s-1", "time": "2026-08-12T10:00:00+08:00"});
        event["data"] = data;
        event["data"]["order_id"] = json!(order);
        event.to_string()
    };
    let paid = |order: &str| event("1", "order.paid", order, json!({"product_id": "p"}));
    let opened = json!({"aftersale_id": "a", "kind": "return_refund", "reason": "quality"});
    let completed = json!({"aftersale_id": "a", "outcome": "refunded"});
    let case = [event("2", "aftersale.opened", "o-1", opened), event("3", "aftersale.completed", "o-1", completed)];
    service.send(&[vec![paid("o-1"), paid("o-2")], case.to_vec()].concat()).await;
    // The payments are 100 days old: outside of the near window, inside of the one in which returns have come in.
    service.run(date("2026-11-20")).await;
    let products = service.read("/v1/shops/s-1/products?rule_set=shop-v2").await;
    let rate = &products["items"][0]["quality_return_rate"];
    assert_eq!((&rate["numerator"], &rate["denominator"]), (&json!(1), &json!(2)), "{products}");
    let metrics = service.read("/v1/shops/s-1/metrics?rule_set=shop-v2").await;
    assert!(!metrics.to_string().contains("quality_return_rate"), "the rule set scores it now: take another one");
    service.stop().await;
}
