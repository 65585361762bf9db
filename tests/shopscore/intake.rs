//! What a shop's senders can know of what they send: what came, what did not, what was rejected, what is unknown.

use std::time::Duration;

use serde_json::{Value, json};
use shopscore::domain::event::EventType;

use crate::keys::{get, guarded, make, post};
use crate::support::TestService;

fn event(id: &str, event_type: &str, data: Value) -> Value {
    json!({"id": id, "type": event_type, "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": data})
}

/// The intake of a shop, when so many rejections are noted: they are written a moment after their answer.
async fn intake(service: &TestService, shop: &str, rejections: usize) -> Value {
    let began = std::time::Instant::now();
    loop {
        let (status, answer) = service.get(&format!("/v1/shops/{shop}/intake")).await;
        let noted = answer["rejections"].as_array().map_or(0, Vec::len);
        if status == 200 && noted >= rejections {
            return answer;
        }
        assert!(began.elapsed().as_secs() < 20, "{rejections} rejections of {shop}: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of_type<'a>(answer: &'a Value, event_type: &str) -> &'a Value {
    answer["types"].as_array().expect("types").iter().find(|one| one["type"] == event_type).expect("a type")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_of_a_shop_shows_what_came_and_what_is_wrong() {
    let service = guarded().await;
    let (key, key_id) = make(&service, &["events:write", "scores:read"], &["s-1"]).await;
    let paid = event(
        "p",
        "order.paid",
        json!({"order_id": "o-1", "product_id": "p-1", "creatorId": "c", "buyer_phone": "138"}),
    );
    let signed = |order: &str| event("s", "order.signed", json!({"order_id": order}));
    let (_, answer) = post(&service, &key, "/v1/events", &json!([paid, signed("o-1"), signed("o-2")])).await;
    assert_eq!(answer["accepted"], json!(3), "{answer}");
    let mistakes = json!([
        event("a", "order.delivered", json!({"order_id": "o-1"})),
        event("b", "order.signed", json!({})),
        {"id": "c"},
        "no event",
    ]);
    let taken_back = event("s-back", "event.retracted", json!({"order_id": "o-3", "event_id": "p"}));
    let paid_3 = event("p", "order.paid", json!({"order_id": "o-3", "product_id": "p-1"}));
    assert_eq!(service.post("/v1/events", &json!([paid_3, taken_back])).await.1["accepted"], json!(2));
    assert_eq!(post(&service, &key, "/v1/events", &mistakes).await.1["rejected"], json!(4));
    assert_eq!(
        post(
            &service,
            &key,
            "/v1/events",
            &event("d", "review.posted", json!({"order_id": "o-1", "review_id": "r", "product_stars": 1}))
        )
        .await
        .0,
        422
    );
    // Rehearsals, and what a key says of another shop, are nobody's mistakes here.
    assert_eq!(post(&service, &key, "/v1/events?dry_run=true", &mistakes).await.0, 200);
    let mut of_another = signed("o-9");
    of_another["shop_id"] = json!("s-2");
    assert_eq!(post(&service, &key, "/v1/events", &of_another).await.0, 422);

    // A text that PostgreSQL cannot hold hides nobody's mistakes.
    assert_eq!(
        post(&service, &key, "/v1/events", &event("e\u{0}", "order.signed", json!({"order_id": "o-1"}))).await.0,
        422
    );
    let answer = intake(&service, "s-1", 7).await;
    assert_eq!(answer["rejections"][0]["code"], json!("nul_character"));
    let mut answer = answer;
    answer["rejections"].as_array_mut().expect("rejections").remove(0);
    let rejections: Vec<(&str, Option<&str>, Option<&str>)> = answer["rejections"]
        .as_array()
        .expect("rejections")
        .iter()
        .map(|one| (one["code"].as_str().expect("code"), one["event_id"].as_str(), one["type"].as_str()))
        .collect();
    let expected = [
        ("forbidden_shop", Some("s"), Some("order.signed")),
        ("forbidden_type", Some("d"), Some("review.posted")),
        ("not_an_object", None, None),
        ("missing_field", Some("c"), None),
        ("missing_field", Some("b"), Some("order.signed")),
        ("unknown_type", Some("a"), Some("order.delivered")),
    ];
    assert_eq!(rejections, expected, "{answer}");
    assert_eq!(answer["rejections"][0]["key_id"], json!(key_id.to_string()));
    assert_eq!(answer["orders_without_payment"], json!({"orders": 2, "order_ids": ["o-2", "o-3"]}));
    let members: Vec<&str> =
        answer["unknown_members"].as_array().expect("members").iter().flat_map(|one| one["member"].as_str()).collect();
    assert_eq!(members, ["buyer_phone", "creatorId"]);
    assert!(!answer.to_string().contains("138"), "values are not kept: {answer}");
    let of_signed = of_type(&answer, "order.signed");
    assert_eq!((&of_signed["events"], &of_signed["last_24_hours"]), (&json!(2), &json!(2)));
    assert_eq!(of_signed["first_time"], json!("2026-11-08T02:00:00Z"));
    let reviews = of_type(&answer, "review.posted");
    assert_eq!((&reviews["events"], &reviews["last_time"]), (&json!(0), &Value::Null));
    assert_eq!(answer["types"].as_array().map(Vec::len), Some(EventType::ALL.len()));

    let (status, of_key) = get(&service, &key, "/v1/shops/s-1/intake").await;
    assert_eq!((status, &of_key["rejections"][0]["key_id"]), (200, &Value::Null));
    assert_eq!(get(&service, &key, "/v1/shops/s-2/intake").await.0, 404);
    assert_eq!(service.get("/v1/shops/s-2/intake").await.0, 404, "nothing is said of a shop that others spoke of");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_hundred_rejections_of_a_shop_are_kept_and_a_stop_loses_none() {
    let service = TestService::start().await;
    let wrong = |number: usize| event(&format!("e-{number}"), "order.gone", json!({"order_id": "o"}));
    let other = |number: usize| {
        let mut one = wrong(number);
        one["shop_id"] = json!("s-3");
        one
    };
    for batch in 0..4 {
        let events: Value = (0..60).map(|number| wrong(batch * 60 + number)).chain([other(batch)]).collect();
        service.post("/v1/events", &events).await;
    }
    let database = service.database();
    service.stop().await;
    let service = TestService::start_on(database, crate::support::Choices::default()).await;
    let answer = intake(&service, "s-1", 100).await;
    let ids: Vec<&str> =
        answer["rejections"].as_array().expect("rejections").iter().flat_map(|one| one["event_id"].as_str()).collect();
    let newest: Vec<String> = (140..240).rev().map(|number| format!("e-{number}")).collect();
    assert_eq!(ids, newest);
    assert_eq!(intake(&service, "s-3", 4).await["rejections"].as_array().map(Vec::len), Some(4));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_says_which_kinds_of_events_it_has_none_of() {
    let service = TestService::start().await;
    let order = |number: usize| {
        let data = json!({"order_id": format!("o-{number}"), "product_id": "p"});
        let signed = json!({"order_id": format!("o-{number}")});
        [event(&format!("p-{number}"), "order.paid", data), event(&format!("s-{number}"), "order.signed", signed)].map(
            |mut one| {
                one["time"] = json!("2026-10-08T10:00:00+08:00");
                one
            },
        )
    };
    let events: Value = (0..40).flat_map(order).collect();
    assert_eq!(service.post("/v1/events", &events).await.1["accepted"], json!(80));
    service.run("2026-11-20".parse().expect("a date")).await;
    for path in ["score", "metrics"] {
        let answer = service.read(&format!("/v1/shops/s-1/{path}")).await;
        let types: Vec<&str> =
            answer["coverage"].as_array().expect("coverage").iter().flat_map(|gap| gap["type"].as_str()).collect();
        let missing = [
            "review.posted",
            "order.picked_up",
            "complaint.filed",
            "aftersale.completed",
            "im.session_started",
            "im.rated",
        ];
        assert_eq!(types, missing, "{path}");
        assert!(
            answer["coverage"][0]["about"]["zh"].as_str().is_some_and(|text| text.contains("review.posted")),
            "{answer}"
        );
    }
    service.stop().await;
}
