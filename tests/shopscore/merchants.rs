//! What a merchant's key cannot do to scores that are not its to move: fill an order, take back what others sent, credit or
//! make up creators. And how much an order may hold, whoever sends it.

use serde_json::{Value, json};
use shopscore::config::IntakeSettings;

use crate::keys::{guarded, guarded_with, make, post};
use crate::support::{Choices, TestService};

fn event(id: &str, event_type: &str, data: &Value) -> Value {
    json!({"id": id, "type": event_type, "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": data})
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().into_iter().flatten().filter_map(|result| result["code"].as_str()).collect()
}

async fn counted(service: &TestService, kind: i16, subject: &str, column: &'static str) -> i64 {
    let sql = format!("select coalesce(sum({column}), 0) from daily_count where subject_kind = $1 and subject_id = $2");
    let mut connection = service.context.store.read.acquire().await.expect("a connection");
    let counted = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(kind).bind(subject);
    counted.fetch_one(&mut *connection).await.expect("a sum")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_fills_a_fifth_of_an_order_and_the_rest_is_the_platforms() {
    let service = guarded().await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
    let (relay, _) = make(&service, &["events:write", "events:relay"], &["s-1"]).await;
    let filler = |from: usize, to: usize| -> Value {
        (from..to).map(|number| event(&format!("f-{number}"), "order.shipped", &json!({"order_id": "o-1"}))).collect()
    };
    let (_, answer) = post(&service, &merchant, "/v1/events", &filler(0, 150)).await;
    assert_eq!(answer["accepted"], json!(150));
    let (_, answer) = post(&service, &merchant, "/v1/events", &filler(100, 300)).await;
    assert_eq!(
        (&answer["accepted"], &answer["duplicates"], &answer["rejected"]),
        (&json!(50), &json!(50), &json!(100))
    );
    assert!(codes(&answer).iter().all(|code| *code == "aggregate_full"), "{answer}");
    let data = json!({"order_id": "o-1", "review_id": "r", "product_stars": 1});
    assert_eq!(post(&service, &relay, "/v1/events", &event("review", "review.posted", &data)).await.0, 201);
    let (_, answer) = post(&service, &relay, "/v1/events", &filler(200, 1_000)).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(799), &json!(1)), "1,000 events in all");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchants_large_events_leave_room_for_a_review_and_refused_ones_take_none() {
    let service = guarded_with(Choices::keeping_unknown_data()).await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
    let fat = |number: usize| {
        event(&format!("f-{number}"), "order.shipped", &json!({"order_id": "o-1", "x": "x".repeat(60_000)}))
    };
    let (_, answer) = post(&service, &merchant, "/v1/events", &(0..5).map(fat).collect::<Value>()).await;
    assert_eq!((&answer["accepted"], codes(&answer).len()), (&json!(2), 3), "half of 256 KiB: {answer}");
    let data = json!({"order_id": "o-1", "review_id": "r", "product_stars": 1, "text": "x".repeat(60_000)});
    assert_eq!(service.post("/v1/events", &event("review", "review.posted", &data)).await.0, 201);

    let small = |number: usize| event(&format!("s-{number}"), "order.shipped", &json!({"order_id": "o-2"}));
    let retract = |number: usize| {
        event(&format!("r-{number}"), "event.retracted", &json!({"order_id": "o-2", "event_id": "unknown"}))
    };
    let batch: Value = (0..150).map(retract).chain((0..200).map(small)).collect();
    let (_, answer) = post(&service, &merchant, "/v1/events", &batch).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(200), &json!(150)));
    assert!(codes(&answer).iter().all(|code| *code == "forbidden_type"), "{answer}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_show_large_data_as_they_were_sent() {
    let service = guarded_with(Choices::keeping_unknown_data()).await;
    let signed = |order: usize| {
        json!({"id": "signed", "type": "order.signed", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00",
               "data": {"order_id": format!("o-{order}"), "note": "x".repeat(3_000)}})
    };
    let paid = |order: usize| {
        json!({"id": "paid", "type": "order.paid", "shop_id": "s-1", "time": "2026-11-07T10:00:00+08:00",
               "data": {"order_id": format!("o-{order}"), "product_id": "p"}})
    };
    let batch: Value = (0..3).flat_map(|order| [paid(order), signed(order)]).collect();
    assert_eq!(service.post("/v1/events", &batch).await.1["accepted"], json!(6));
    service.run("2026-11-20".parse().expect("a date")).await;
    let records = service.read("/v1/shops/s-1/metrics/negative_feedback_rate/records?side=denominator").await;
    assert!(records["items"].as_array().is_some_and(|items| items.len() == 3), "{records}");
    assert!(records.to_string().contains(&"x".repeat(3_000)), "{records}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_holds_256_kib_and_small_facts_of_a_full_one_are_cheap() {
    let service = guarded_with(Choices::keeping_unknown_data()).await;
    let fat = |number: usize, bytes: usize| {
        event(&format!("f-{number}"), "order.signed", &json!({"order_id": "o-1", "x": "x".repeat(bytes)}))
    };
    let batch: Value = (0..5).map(|number| fat(number, 60_000)).collect();
    let (_, answer) = service.post("/v1/events", &batch).await;
    assert_eq!(
        (&answer["accepted"], codes(&answer)),
        (&json!(4), vec!["aggregate_full"]),
        "4 × 60 kB fit into 256 KiB"
    );
    let (_, answer) =
        service.post("/v1/events", &json!([fat(0, 60_000), fat(1, 59_999), fat(9, 30_000), fat(10, 10_000)])).await;
    assert_eq!((&answer["duplicates"], &answer["conflicts"], &answer["accepted"]), (&json!(1), &json!(1), &json!(1)));
    // A service that remembers nothing finds the same.
    let other = service.another().await;
    let (_, answer) = other.post("/v1/events", &json!([fat(0, 60_000), fat(1, 59_999), fat(11, 20_000)])).await;
    assert_eq!(
        (&answer["duplicates"], &answer["conflicts"], codes(&answer)),
        (&json!(1), &json!(1), vec!["aggregate_full"])
    );
    let small = event("small", "order.signed", &json!({"order_id": "o-1"}));
    assert_eq!(other.post("/v1/events", &small).await.0, 201);
    assert_eq!(other.post("/v1/events", &small).await.0, 200);
    service.assert_counts_equal_a_rebuild().await;
    other.stop().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_takes_back_only_what_a_key_of_the_shop_sent() {
    let service = guarded().await;
    let (first, _) = make(&service, &["events:write"], &["s-1", "s-2"]).await;
    let (second, _) = make(&service, &["events:write"], &["s-1"]).await;
    let (relay, _) = make(&service, &["events:write", "events:relay"], &["s-1"]).await;
    let (platform, _) = make(&service, &["events:write"], &[]).await;
    let order = json!({"order_id": "o-1"});
    for (key, id) in [(&first, "firsts"), (&relay, "relays"), (&platform, "platforms")] {
        assert_eq!(post(&service, key, "/v1/events", &event(id, "order.signed", &order)).await.0, 201);
    }
    let retract =
        |id: &str, target: &str| event(id, "event.retracted", &json!({"order_id": "o-1", "event_id": target}));
    let other = service.another().await;
    for (target, status) in [("platforms", 422), ("relays", 422), ("firsts", 201)] {
        for service in [&service, &other] {
            let id = format!("back-{target}");
            let (answered, problem) = post(service, &second, "/v1/events", &retract(&id, target)).await;
            assert!(answered == status || (status, answered) == (201, 200), "{target}: {answered} {problem}");
        }
    }
    // Sending the platform's event again does not make it the merchant's.
    let again = event("platforms", "order.signed", &order);
    let (_, answer) = post(&service, &second, "/v1/events", &json!([again, retract("back", "platforms")])).await;
    assert_eq!((&answer["duplicates"], codes(&answer)), (&json!(1), vec!["forbidden_type"]));
    assert_eq!(post(&service, &platform, "/v1/events", &retract("back", "relays")).await.0, 201);
    service.assert_counts_equal_a_rebuild().await;
    other.stop().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_credits_no_creator_but_registered_ones_where_the_operator_lets_it() {
    for merchants_name_creators in [false, true] {
        let intake = IntakeSettings { merchants_name_creators, ..IntakeSettings::default() };
        let service = guarded_with(Choices { intake, ..Choices::default() }).await;
        let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
        service.post("/v1/creators:batch", &json!({"creators": [{"creator_id": "known"}]})).await;
        service.register_in(&["s-1".to_owned()], "food").await;
        let paid = |order: &str, creator: &str| {
            event("paid", "order.paid", &json!({"order_id": order, "product_id": "p", "creator_id": creator}))
        };
        let signed = |order: &str| event("signed", "order.signed", &json!({"order_id": order}));
        let batch = json!([paid("o-1", "known"), signed("o-1"), paid("o-2", "made-up"), signed("o-2")]);
        let (_, answer) = post(&service, &merchant, "/v1/events", &batch).await;
        let warned: Vec<&Value> =
            answer["warnings"].as_array().into_iter().flatten().map(|one| &one["index"]).collect();
        let expected = if merchants_name_creators { vec![json!(2)] } else { vec![json!(0), json!(2)] };
        assert_eq!((&answer["accepted"], warned), (&json!(4), expected.iter().collect()), "{answer}");
        assert_eq!(answer["warnings"][0]["code"], json!("creator_not_credited"));
        assert_eq!(counted(&service, 2, "known", "signed_orders").await, i64::from(merchants_name_creators));
        assert_eq!(counted(&service, 1, "s-1", "signed_orders").await, 2, "the shop has both");
        assert_eq!(service.get("/v1/creators/made-up").await.0, 404, "nobody is made up");
        let (status, answer) = post(&service, &merchant, "/v1/events", &paid("o-3", "made-up")).await;
        assert_eq!((status, &answer["warnings"][0]["pointer"]), (201, &json!("/data/creator_id")), "{answer}");
        let (status, answer) = post(&service, &merchant, "/v1/events", &paid("o-3", "made-up")).await;
        assert_eq!((status, &answer["outcome"]), (200, &json!("duplicate")));
        // The platform's word counts, also about an order that a merchant's events touch.
        assert_eq!(service.post("/v1/events", &paid("o-4", "new")).await.0, 201);
        post(&service, &merchant, "/v1/events", &signed("o-4")).await;
        assert_eq!(counted(&service, 2, "new", "signed_orders").await, 1);
        service.assert_counts_equal_a_rebuild().await;
        service.stop().await;
    }
}
