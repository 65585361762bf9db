//! What senders are told of events that look wrong: warnings, strict requests, rehearsals, and what is not kept.

use serde_json::{Value, json};

use crate::keys::{guarded, make, post};
use crate::support::{Choices, TestService};

fn event(id: &str, event_type: &str, time: &str, mut data: Value) -> Value {
    data["order_id"] = json!("o-1");
    json!({"id": id, "type": event_type, "shop_id": "s-1", "time": time, "data": data})
}

fn paid(data: Value) -> Value {
    let mut data = data;
    data["product_id"] = json!("p-1");
    event("paid", "order.paid", "2026-11-08T10:00:00+08:00", data)
}

/// The codes and pointers of an answer's warnings.
fn warned(answer: &Value) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().expect("text").to_owned();
    let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|one| (text(one, "code"), text(one, "pointer"))).collect()
}

fn pair(code: &str, pointer: &str) -> (String, String) {
    (code.to_owned(), pointer.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn misspelt_members_and_times_that_cannot_follow_each_other_are_told_and_refused_if_asked_for() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let misspelt = paid(json!({"creatorId": "c-1", "type": "virtual", "buyer_phone": "13800000000"}));
    let (status, refused) = service.post("/v1/events?strict=true", &misspelt).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (422, &json!("unknown_member")), "{refused}");
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(2), "{refused}");
    let (status, answer) = service.post("/v1/events", &misspelt).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(warned(&answer), [pair("unknown_member", "/data/creatorId"), pair("unknown_member", "/data/type")]);
    assert!(answer.to_string().contains("did you mean creator_id?"), "{answer}");

    let early = event("signed", "order.signed", "2026-11-01T10:00:00+08:00", json!({}));
    let (status, refused) = service.post("/v1/events?strict=true", &early).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (422, &json!("unlikely_order")), "{refused}");
    let (status, answer) = service.post("/v1/events", &json!([early])).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    assert_eq!(warned(&answer), [pair("unlikely_order", "/time")]);
    assert_eq!(answer["warnings"][0]["index"], json!(0));

    // A wrong event that was taken back doubts nobody.
    let taken_back = event("back", "event.retracted", "2026-11-09T10:00:00+08:00", json!({"event_id": "signed"}));
    let right = event("signed-2", "order.signed", "2026-11-10T10:00:00+08:00", json!({}));
    let shipped = event("shipped", "order.shipped", "2026-11-09T10:00:00+08:00", json!({}));
    let batch = json!([taken_back, right, shipped]);
    let (status, answer) = service.post("/v1/events?strict=true&atomic=true", &batch).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(3)), "{answer}");
    let late = event("picked", "order.picked_up", "2026-11-12T10:00:00+08:00", json!({}));
    let (_, answer) = service.post("/v1/events?strict=true", &json!([late, misspelt])).await;
    assert_eq!((&answer["rejected"], &answer["accepted"]), (&json!(2), &json!(0)), "{answer}");
    assert_eq!(answer["results"][0]["code"], json!("unlikely_order"), "{answer}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_sender_leaves_no_retraction_of_what_was_not_stored() {
    let service = guarded().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
    assert_eq!(service.post("/v1/events", &paid(json!({}))).await.0, 201);
    let early = |id: &str| event(id, "order.signed", "2026-11-01T10:00:00+08:00", json!({}));
    let shipped = event("late", "order.shipped", "2026-11-02T10:00:00+08:00", json!({}));
    let back = |id: &str| {
        event(&format!("{id}-back"), "event.retracted", "2026-11-09T10:00:00+08:00", json!({"event_id": id}))
    };
    // What is taken back at once doubts nobody, and keeps its id.
    let (_, answer) = post(&service, &merchant, "/v1/events?strict=true", &json!([early("x"), back("x")])).await;
    assert_eq!(answer["accepted"], json!(2), "{answer}");
    // What is not stored cannot be taken back: an id that the platform may yet use stays free.
    let (_, answer) = post(&service, &merchant, "/v1/events?strict=true", &json!([early("y"), shipped])).await;
    assert_eq!(answer["rejected"], json!(2), "{answer}");
    let (status, _) = post(&service, &merchant, "/v1/events?strict=true", &back("y")).await;
    assert_eq!(status, 422);
    let review =
        event("y", "review.posted", "2026-11-12T10:00:00+08:00", json!({"review_id": "r", "product_stars": 1}));
    assert_eq!(service.post("/v1/events", &review).await.0, 201);
    let answer = service.read("/v1/shops/s-1/orders/o-1").await;
    let states = answer["events"].as_array().expect("events").iter();
    assert!(states.clone().any(|one| one["id"] == "y" && one["state"] == "in_force"), "{answer}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_bounded_however_many_members_are_misspelt() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let many: serde_json::Map<String, Value> = (0..2_000).map(|number| (format!("kind{number}"), json!(0))).collect();
    let mut wrong = paid(json!({}));
    wrong["data"].as_object_mut().expect("data").extend(many);
    let (status, answer) = service.post("/v1/events", &wrong).await;
    assert_eq!((status, warned(&answer).len()), (201, 5));
    let of = |number: usize| {
        let mut one = wrong.clone();
        one["data"]["order_id"] = json!(format!("o-{number}"));
        one
    };
    let (_, answer) = service.post("/v1/events", &(2..302).map(of).collect::<Value>()).await;
    assert_eq!((&answer["accepted"], warned(&answer).len()), (&json!(300), 1_000));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_become_of_events_and_stores_nothing() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let (status, answer) = service.post("/v1/events", &paid(json!({}))).await;
    assert_eq!(status, 201, "{answer}");
    assert!(answer.get("dry_run").is_none(), "{answer}");
    let other = paid(json!({"kind": "virtual"}));
    let signed = event("signed", "order.signed", "2026-11-01T10:00:00+08:00", json!({}));
    let nothing = json!({"id": "x"});
    let batch = json!([paid(json!({})), other, signed, nothing]);
    for _ in 0..2 {
        let (status, answer) = service.post("/v1/events?dry_run=true", &batch).await;
        assert_eq!((status, &answer["dry_run"]), (200, &json!(true)), "{answer}");
        let counts = ["accepted", "duplicates", "conflicts", "rejected"].map(|name| answer[name].as_i64());
        assert_eq!(counts, [Some(1), Some(1), Some(1), Some(1)], "{answer}");
        assert_eq!(warned(&answer), [pair("unlikely_order", "/time")]);
        let (status, answer) = service.post("/v1/events?dry_run=true", &signed).await;
        assert_eq!((status, &answer["outcome"]), (200, &json!("accepted")), "{answer}");
        let (status, _) = service.post("/v1/events?dry_run=true", &other).await;
        assert_eq!(status, 409);
        let (status, _) = service.post("/v1/events?dry_run=true&atomic=true", &batch).await;
        assert_eq!(status, 422);
    }
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&service.context.store.read).await.expect("events");
    assert_eq!(stored, 1);
    service.stop().await;
}

async fn stored_data(service: &TestService) -> String {
    let data = sqlx::query_scalar("select data::text from event where event_id = 'paid'");
    data.fetch_one(&service.context.store.read).await.expect("an event")
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_no_type_knows_are_not_kept_unless_the_operator_wants_them() {
    let with_phone = paid(json!({"buyer_phone": "13800000000", "kind": "physical"}));
    let service = TestService::start().await;
    assert_eq!(service.post("/v1/events", &with_phone).await.0, 201);
    assert!(!stored_data(&service).await.contains("13800000000"));
    // What is not kept makes no other event.
    let changed = paid(json!({"buyer_phone": "13900000000", "kind": "physical"}));
    for same in [&with_phone, &changed, &paid(json!({"kind": "physical"}))] {
        assert_eq!(service.post("/v1/events", same).await.0, 200, "{same}");
    }
    assert_eq!(service.post("/v1/events", &paid(json!({"kind": "virtual"}))).await.0, 409);
    let database = service.database();
    service.stop().await;

    let keeping = TestService::start_with(Choices::keeping_unknown_data()).await;
    assert_eq!(keeping.post("/v1/events", &with_phone).await.0, 201);
    assert!(stored_data(&keeping).await.contains("13800000000"));
    assert_eq!(keeping.post("/v1/events", &changed).await.0, 409, "what is kept is compared");
    let kept = keeping.database();
    keeping.stop().await;

    // What was kept once counts no more where nothing is kept.
    let service = TestService::start_on(kept, Choices::default()).await;
    assert_eq!(service.post("/v1/events", &changed).await.0, 200);
    service.stop().await;
    let keeping = TestService::start_on(database, Choices::keeping_unknown_data()).await;
    assert_eq!(keeping.post("/v1/events", &paid(json!({"kind": "physical"}))).await.0, 200);
    keeping.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_without_a_category_is_told_of_until_it_has_one() {
    let service = TestService::start().await;
    let of = |shop: &str, id: &str| json!({"id": id, "type": "order.signed", "shop_id": shop, "time": "2026-11-08T10:00:00+08:00", "data": {"order_id": id}});
    service.register_in(&["s-2".to_owned()], "food").await;
    let batch = json!([of("s-1", "a"), of("s-2", "b"), of("s-1", "c"), of("s-3", "d")]);
    let (_, answer) = service.post("/v1/events", &batch).await;
    assert_eq!(
        (&answer["accepted"], warned(&answer)),
        (&json!(4), vec![pair("no_category", "/shop_id"); 2]),
        "{answer}"
    );
    let places: Vec<&Value> =
        answer["warnings"].as_array().expect("warnings").iter().map(|one| &one["index"]).collect();
    assert_eq!(places, [&json!(0), &json!(3)], "once for each shop");
    let (_, answer) =
        service.post("/v1/events?strict=true", &json!([of("s-1", "e"), of("s-1", "f"), of("s-2", "g")])).await;
    let told = (&answer["accepted"], warned(&answer));
    assert_eq!(told, (&json!(3), vec![pair("no_category", "/shop_id")]), "it is no fault of the events");
    let (_, answer) = service.post("/v1/events", &json!([of("s-1", "e"), of("s-1", "new")])).await;
    assert_eq!(answer["warnings"][0]["index"], json!(1), "not lost behind a duplicate: {answer}");
    let many: Vec<Value> = (0..50).map(|number| of(&format!("m-{number}"), "x")).collect();
    let (_, answer) = service.post("/v1/events", &json!(many)).await;
    assert_eq!((&answer["accepted"], warned(&answer).len()), (&json!(50), 20), "a few of many");
    let (status, answer) = service.post("/v1/events", &of("s-1", "h")).await;
    assert_eq!((status, warned(&answer)), (201, vec![pair("no_category", "/shop_id")]));
    service.register_in(&["s-1".to_owned()], "food").await;
    let (status, answer) = service.post("/v1/events?strict=true", &of("s-1", "i")).await;
    assert_eq!((status, answer.get("warnings")), (201, None), "{answer}");
    let cleared = service.client.put(service.url("/v1/shops/s-1")).json(&json!({"category_id": null}));
    assert_eq!(crate::support::answer(cleared).await.0, 200);
    assert_eq!(warned(&service.post("/v1/events", &of("s-1", "j")).await.1), [pair("no_category", "/shop_id")]);
    service.stop().await;
}
