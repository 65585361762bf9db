//! What is known of one order, session or product, and whether what a sender names is there at all.

use serde_json::{Value, json};

use crate::keys::{get, guarded, make};
use crate::support::TestService;
use crate::support::answers::{retraction, whole};

fn event(id: &str, event_type: &str, time: &str, data: Value) -> Value {
    json!({"id": id, "type": event_type, "shop_id": "s-1", "time": time, "data": data})
}

/// An order that was signed twice, once by mistake, and reviewed.
fn order() -> Vec<Value> {
    vec![
        event("signed", "order.signed", "2026-11-10T01:00:00+08:00", json!({"order_id": "o-1"})),
        event(
            "paid",
            "order.paid",
            "2026-11-08T23:30:00+08:00",
            json!({"order_id": "o-1", "product_id": "p-1", "creator_id": "c-1"}),
        ),
        event("early", "order.signed", "2026-11-01T10:00:00+08:00", json!({"order_id": "o-1"})),
        event("back", "event.retracted", "2026-11-11T10:00:00+08:00", json!({"order_id": "o-1", "event_id": "early"})),
        event(
            "bad",
            "review.posted",
            "2026-11-12T10:00:00+08:00",
            json!({"order_id": "o-1", "review_id": "r-1", "product_stars": 1}),
        ),
        event("off", "product.delisted", "2026-11-12T10:00:00+08:00", json!({"product_id": "p-1"})),
        event("im", "im.session_started", "2026-11-12T10:00:00+08:00", json!({"session_id": "i-1"})),
    ]
}

/// The amounts of an answer by measure, with their days.
fn counts(answer: &Value) -> Vec<(String, i64, String)> {
    let counts = answer["counts"].as_array().expect("counts");
    let text = |one: &Value, name: &str| one[name].as_str().expect("text").to_owned();
    counts.iter().map(|one| (text(one, "measure"), whole(one, "amount"), text(one, "day"))).collect()
}

fn states(answer: &Value) -> Vec<(&str, &str)> {
    let events = answer["events"].as_array().expect("events");
    events.iter().map(|one| (one["id"].as_str().expect("id"), one["state"].as_str().expect("state"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_shows_its_events_and_what_they_count_for_on_which_day() {
    let service = guarded().await;
    assert_eq!(service.post("/v1/events", &json!(order())).await.1["accepted"], json!(7));
    let answer = service.read("/v1/shops/s-1/orders/o-1").await;
    let of_all = [
        ("early", "retracted"),
        ("paid", "in_force"),
        ("signed", "in_force"),
        ("back", "retraction"),
        ("bad", "in_force"),
    ];
    assert_eq!(states(&answer), of_all);
    assert_eq!((&answer["product_id"], &answer["creator_id"]), (&json!("p-1"), &json!("c-1")));
    let of = |measure: &str, day: &str| (measure.to_owned(), 1, day.to_owned());
    let counted = counts(&answer);
    for one in [of("paid_orders", "2026-11-08"), of("signed_orders", "2026-11-10"), of("bad_reviews_2", "2026-11-10")] {
        assert!(counted.contains(&one), "{one:?} in {counted:?}");
    }
    let signed = answer["counts"].as_array().expect("counts").iter().find(|one| one["measure"] == "negative_orders_2");
    let in_metric = &signed.expect("a negative order")["metrics"][0];
    assert_eq!(
        in_metric,
        &json!({"metric": "negative_feedback_rate", "side": "numerator", "first_date": "2026-11-11", "last_date": "2027-02-08"})
    );

    let exclusion =
        json!({"shop_id": "s-1", "target": "review", "id": "r-1", "order_id": "o-1", "reason": "x", "decided_by": "y"});
    let (status, excluded) = service.post("/v1/exclusions", &exclusion).await;
    assert_eq!((status, &excluded["matched"]), (201, &json!(true)));
    let answer = service.read("/v1/shops/s-1/orders/o-1").await;
    assert_eq!(states(&answer).last(), Some(&("bad", "excluded")));
    assert!(counts(&answer).iter().all(|(measure, _, _)| !measure.starts_with("bad_reviews")));
    let paid = order().swap_remove(1).to_string();
    service.send(&[retraction(&paid)]).await;
    assert_eq!(
        counts(&service.read("/v1/shops/s-1/orders/o-1").await),
        [],
        "an order without a payment counts for nothing"
    );

    let product = service.read("/v1/shops/s-1/products/p-1").await;
    assert_eq!(product["off_shelf"], json!([{"from": "2026-11-12", "until": null}]));
    let session = service.read("/v1/shops/s-1/sessions/i-1").await;
    assert_eq!(session["session_id"], json!("i-1"));

    assert_eq!(service.get("/v1/shops/s-1/orders/o-2").await.0, 404);
    let (key, _) = make(&service, &["scores:read"], &["s-2"]).await;
    for path in ["orders/o-1", "sessions/i-1", "products/p-1"] {
        assert_eq!(get(&service, &key, &format!("/v1/shops/s-1/{path}")).await.0, 404, "another shop's key");
    }
    let (key, _) = make(&service, &["scores:read"], &["s-1"]).await;
    assert_eq!(get(&service, &key, "/v1/shops/s-1/orders/o-1").await.0, 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_says_whether_its_target_is_there_and_a_missing_score_what_it_takes() {
    let service = TestService::start().await;
    assert_eq!(service.post("/v1/events", &json!(order())).await.1["accepted"], json!(7));
    for (target, id, order_id, matched) in [
        ("order", "o-1", None, true),
        ("order", "typo", None, false),
        ("review", "typo", Some("o-1"), false),
        ("review", "r-1", Some("o-2"), false),
        ("aftersale", "r-1", Some("o-1"), false),
        ("session", "i-1", None, true),
        ("session", "o-1", None, false),
    ] {
        let body = json!({"shop_id": "s-1", "target": target, "id": id, "order_id": order_id, "reason": "x", "decided_by": "y"});
        let (status, excluded) = service.post("/v1/exclusions", &body).await;
        assert_eq!((status, &excluded["matched"]), (201, &json!(matched)), "{body}");
        let path = format!("/v1/exclusions/{}", excluded["exclusion_id"].as_str().expect("an id"));
        assert_eq!(service.read(&path).await["matched"], json!(matched), "{body}");
    }
    let listed = service.read("/v1/exclusions").await;
    let matched = listed["items"].as_array().expect("items").iter().filter(|one| one["matched"] == true).count();
    assert_eq!(matched, 2);
    service.run("2026-11-20".parse().expect("a date")).await;
    for path in ["score", "metrics"] {
        let answer = service.read(&format!("/v1/shops/s-1/{path}")).await;
        assert_eq!((&answer["status"], &answer["needed"]), (&json!("insufficient_volume"), &json!(30)), "{path}");
    }
    service.stop().await;
}
