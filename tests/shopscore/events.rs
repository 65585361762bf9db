//! `POST /v1/events` as the contract has it: media types, outcomes, limits.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use shopscore::domain::event::EventType;

use crate::support::{Choices, TestService, answer};

fn event(id: &str, event_type: &str, data: Value) -> Value {
    json!({"id": id, "type": event_type, "shop_id": "shop-7", "time": "2026-11-08T10:00:00+08:00", "data": data})
}

fn signed(id: &str, order: &str) -> Value {
    event(id, "order.signed", json!({"order_id": order}))
}

async fn post(service: &TestService, media_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    answer(service.client.post(service.url("/v1/events")).header("content-type", media_type).body(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_is_created_then_a_duplicate_and_with_other_content_a_conflict() {
    let service = TestService::start_with(Choices::keeping_unknown_data()).await;
    service.register_in(&["shop-7".to_owned()], "food").await;
    assert_eq!(
        service.post("/v1/events", &signed("e-1", "o-1")).await,
        (201, json!({"id": "e-1", "outcome": "accepted"}))
    );
    let mut again = signed("e-1", "o-1");
    again["time"] = json!("2026-11-08T02:00:00.000Z");
    assert_eq!(service.post("/v1/events", &again).await, (200, json!({"id": "e-1", "outcome": "duplicate"})));
    let (status, problem) =
        service.post("/v1/events", &event("e-1", "order.signed", json!({"order_id": "o-1", "x": 1}))).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:shopscore:problem:event-conflict")));
    assert_eq!(service.post("/v1/events", &signed("e-1", "o-2")).await.0, 201, "another order, another event");
    let (status, problem) = service.post("/v1/events", &event("e-2", "order.signed", json!({}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/data/order_id")));
    assert_eq!(problem["instance"], json!("/v1/events"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_lists_what_was_not_accepted_and_good_events_stand_beside_bad_ones() {
    let service = TestService::start().await;
    service.post("/v1/events", &signed("e-1", "o-1")).await;
    let lines = [
        signed("e-1", "o-1").to_string(),
        String::new(),
        signed("e-2", "o-1").to_string(),
        "{\"id\":".to_owned(),
        event("e-3", "order.teleported", json!({"order_id": "o-1"})).to_string(),
        event("e-1", "order.shipped", json!({"order_id": "o-1"})).to_string(),
        event("e-4", "order.signed", json!({"order_id": "o-1", "x": "a".repeat(65_536)})).to_string(),
        event("e-5", "order.signed", json!({"order_id": "o-1", "x": "\0"})).to_string(),
        r#"{"id":"e-6","type":"order.signed","shop_id":"s","time":"2026-11-20T11:05:01+08:00","data":{"order_id":"o"}}"#.to_owned(),
        r#"{"id":"e-7","type":"order.signed","shop_id":"s","time":"2026-11-20T11:05:00+08:00","data":{"order_id":"o"}}"#.to_owned(),
        "   ".to_owned(),
        signed("e-2", "o-1").to_string(),
    ];
    let (status, body) = post(&service, "application/x-ndjson; charset=utf-8", lines.join("\r\n")).await;
    assert_eq!(status, 200);
    let counts = ["accepted", "duplicates", "conflicts", "rejected"].map(|name| body[name].as_u64().expect("a count"));
    assert_eq!(counts, [2, 2, 1, 5], "{body}");
    let listed: Vec<(u64, &str, &str)> = body["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| {
            let outcome = result["outcome"].as_str().expect("outcome");
            (result["index"].as_u64().expect("index"), outcome, result["code"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        listed,
        [
            (0, "duplicate", ""),
            (2, "rejected", "malformed_json"),
            (3, "rejected", "unknown_type"),
            (4, "conflict", ""),
            (5, "rejected", "event_too_large"),
            (6, "rejected", "nul_character"),
            (7, "rejected", "time_in_future"),
            (9, "duplicate", ""),
        ]
    );
    assert_eq!(body["results"][2]["pointer"], json!("/type"));
    let mut twice_wrong = event("x", "review.posted", json!({"order_id": "o-1", "review_id": "r", "product_stars": 7}));
    twice_wrong["time"] = json!("2028-11-08T10:00:00+08:00");
    let (_, problem) = service.post("/v1/events", &twice_wrong).await;
    let codes: Vec<&Value> = problem["errors"].as_array().expect("errors").iter().map(|error| &error["code"]).collect();
    assert_eq!(codes, [&json!("invalid_value"), &json!("time_in_future")], "{problem}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_in_a_batch_are_compared_with_what_is_stored() {
    let service = TestService::start_with(Choices::keeping_unknown_data()).await;
    let stored = signed("e-1", "o-1");
    let other = |x: i64| event("e-1", "order.signed", json!({"order_id": "o-1", "x": x}));
    service.post("/v1/events", &stored).await;
    let all = [
        (json!([other(1), other(1)]), vec!["conflict", "conflict"]),
        (json!([other(1), stored]), vec!["conflict", "duplicate"]),
        (json!([stored, other(1), stored]), vec!["duplicate", "conflict", "duplicate"]),
        (json!([other(1), other(2), stored, other(2)]), vec!["conflict", "conflict", "duplicate", "conflict"]),
    ];
    for (batch, expected) in all {
        let (status, body) = service.post("/v1/events", &batch).await;
        let results = body["results"].as_array().expect("results");
        let outcomes: Vec<&str> = results.iter().filter_map(|result| result["outcome"].as_str()).collect();
        assert_eq!((status, outcomes), (200, expected), "{batch}: {body}");
    }
    let new = event("e-2", "order.signed", json!({"order_id": "o-1"}));
    let (_, body) = service.post("/v1/events", &json!([new, new])).await;
    assert_eq!((&body["accepted"], &body["duplicates"]), (&json!(1), &json!(1)), "of what is new the first one counts");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_there_twice_is_named_and_nothing_is_stored() {
    let service = TestService::start().await;
    let text = |envelope: &str, data: &str| {
        format!(
            r#"{{"id":"e-1","type":"order.signed","shop_id":"s-1"{envelope},"time":"2026-11-08T10:00:00+08:00",
                "data":{{"order_id":"o-1"{data}}}}}"#
        )
    };
    for (envelope, data, pointer) in [
        (r#","shop_id":"s-2""#, "", "/shop_id"),
        (r#","data" :{}"#, "", "/data"),
        ("", r#","order_id":"o-2""#, "/data/order_id"),
        ("", r#","x":[{"a~/b":1,"a~/b":1}]"#, "/data/x/0/a~0~1b"),
    ] {
        let (status, problem) = post(&service, "application/json", text(envelope, data)).await;
        let error = &problem["errors"][0];
        assert_eq!((status, &error["code"]), (422, &json!("duplicate_member")), "{problem}");
        assert_eq!(error["pointer"], json!(pointer), "{problem}");
    }
    let (status, answer) = post(&service, "application/json", text("", r#","x":"\"a\":","y":{"order_id":1}"#)).await;
    assert_eq!(status, 201, "{answer}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_accepts_no_coding_of_ours_is_answered_without() {
    let service = TestService::start().await;
    for coding in ["br, *;q=0", "identity;q=0"] {
        let request = service.client.post(service.url("/v1/events")).header("accept-encoding", coding);
        let answered = answer(request.json(&signed(&format!("e-{}", coding.len()), "o-1"))).await;
        assert_eq!(answered.0, 201, "{coding}: {}", answered.1);
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_before_2010_are_taken_for_mistakes() {
    let service = TestService::start().await;
    for (time, status) in
        [("1970-01-01T00:00:00Z", 422), ("2009-12-31T23:59:59.999+08:00", 422), ("2010-01-01T00:00:00+08:00", 201)]
    {
        let mut event = signed("e-1", "o-1");
        event["time"] = json!(time);
        let (answered, body) = service.post("/v1/events", &event).await;
        assert_eq!(answered, status, "{time}: {body}");
        if status == 422 {
            assert_eq!(body["errors"][0]["code"], json!("too_old"), "{body}");
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_batch_is_written_as_a_whole_or_not_at_all() {
    let service = TestService::start().await;
    service.post("/v1/events", &signed("e-1", "o-1")).await;
    let conflict = event("e-1", "order.shipped", json!({"order_id": "o-1"}));
    for bad in [conflict, event("e-9", "nothing", json!({"order_id": "o-1"}))] {
        let batch = json!([signed("e-2", "o-2"), signed("e-3", "o-3"), bad]);
        let (status, problem) = service.post("/v1/events?atomic=true", &batch).await;
        assert_eq!((status, problem["results"][0]["index"].as_u64()), (422, Some(2)), "{problem}");
    }
    let batch = json!([signed("e-2", "o-2"), signed("e-1", "o-1")]);
    let (status, body) = service.post("/v1/events?atomic=true", &batch).await;
    assert_eq!(
        (status, &body["accepted"], &body["duplicates"]),
        (200, &json!(1), &json!(1)),
        "nothing was written before"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_and_compressed_bodies_are_understood() {
    let service = TestService::start().await;
    service.register_in(&["shop-7".to_owned()], "food").await;
    let cloud = |id: &str| {
        json!({"specversion": "1.0", "source": "/erp", "id": id, "type": "order.signed", "shopid": "shop-7",
        "time": "2026-11-08T10:00:00+08:00", "data": {"order_id": "o-1"}})
    };
    let single = post(&service, "application/cloudevents+json; charset=UTF-8", cloud("e-1").to_string()).await;
    assert_eq!(single, (201, json!({"id": "e-1", "outcome": "accepted"})));
    let batch =
        post(&service, "application/cloudevents-batch+json", json!([cloud("e-1"), cloud("e-2")]).to_string()).await;
    assert_eq!((batch.0, &batch.1["accepted"], &batch.1["duplicates"]), (200, &json!(1), &json!(1)));
    assert_eq!(service.post("/v1/events", &signed("e-1", "o-1")).await.0, 200, "the envelope is not the content");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(signed("e-3", "o-1").to_string().as_bytes()).expect("gzip");
    let encoded = [
        ("gzip", gzip.finish().expect("gzip")),
        ("zstd", zstd::encode_all(signed("e-4", "o-1").to_string().as_bytes(), 1).expect("zstd")),
    ];
    for (encoding, body) in encoded {
        let request = service.client.post(service.url("/v1/events")).header("content-type", "application/json");
        assert_eq!(answer(request.header("content-encoding", encoding).body(body)).await.0, 201, "{encoding}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_split_or_are_too_large_write_nothing_and_say_so() {
    let service = TestService::start().await;
    for body in ["", "5", "\"x\"", "[{}", "{\"id\":", "nonsense", "{} {}"] {
        let (status, problem) = post(&service, "application/json", body).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:shopscore:problem:unreadable-body")), "{body}");
        assert!(problem["detail"].as_str().expect("detail").contains("nothing was written"), "{problem}");
    }
    for media_type in ["text/plain", "application/jsonx", ""] {
        assert_eq!(post(&service, media_type, "{}").await.0, 415, "{media_type}");
    }
    let empty = json!({"accepted": 0, "duplicates": 0, "conflicts": 0, "rejected": 0, "results": []});
    assert_eq!(post(&service, "application/json", "[]").await, (200, empty.clone()));
    assert_eq!(post(&service, "application/x-ndjson", "\n \n").await, (200, empty));

    let too_many = vec![signed("e-1", "o-1").to_string(); 10_001].join("\n");
    assert_eq!(post(&service, "application/x-ndjson", too_many).await.0, 413);
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 17 << 20]).expect("gzip");
    let request = service.client.post(service.url("/v1/events")).header("content-type", "application/json");
    let request = request.header("content-encoding", "gzip").body(bomb.finish().expect("gzip"));
    let (status, problem) = answer(request).await;
    assert_eq!((status, &problem["type"]), (413, &json!("urn:shopscore:problem:too-large")));
    assert_eq!(service.get("/v1/shops/shop-7").await.0, 404, "nothing was written");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let nested = json!([signed("e-2", "o-1")]).to_string().replace("\"o-1\"", &format!("\"o-1\",\"x\":{deep}"));
    let (status, body) = post(&service, "application/json", nested).await;
    assert!(status == 400 || body["results"][0]["code"] == "malformed_json", "{status} {body}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_holds_a_thousand_events_and_no_more() {
    let service = TestService::start().await;
    let events: Vec<String> = (0..1_005).map(|n| signed(&format!("e-{n}"), "o-1").to_string()).collect();
    service.send(&events[..600]).await;
    let answer = service.send(&events).await;
    let counts = ["accepted", "duplicates", "rejected"].map(|name| answer[name].as_u64().expect("a count"));
    assert_eq!(counts, [400, 600, 5], "{answer}");
    assert_eq!(answer["results"][600]["code"], json!("aggregate_full"));
    let naming = event("paid", "order.paid", json!({"order_id": "o-1", "product_id": "p", "creator_id": "c-9"}));
    assert_eq!(service.post("/v1/events", &naming).await.1["errors"][0]["code"], json!("aggregate_full"));
    assert_eq!(service.get("/v1/creators/c-9").await.0, 404, "what is not stored registers nobody");
    assert_eq!(service.send(&events[..1_000]).await["duplicates"], json!(1_000));
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_json_library_keeps_for_itself_never_reach_the_store() {
    let service = TestService::start().await;
    for data in [
        r#"{"order_id":"o-1","$serde_json::private::Number":"x"}"#,
        r#"{"order_id":"o-1","\u0024serde_json::private::Number":"x"}"#,
        r#"{"order_id":"o-1","x":{"$serde_json::private::RawValue":"[[1"}}"#,
    ] {
        let body = format!(
            r#"{{"id":"e-1","type":"order.signed","shop_id":"s","time":"2026-11-08T10:00:00Z","data":{data}}}"#
        );
        let (status, problem) = post(&service, "application/json", body).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("malformed_json")), "{data}");
    }
    let (status, _) =
        service.post("/v1/events", &event("e-1", "order.signed", json!({"order_id": "o-1", "price": "$5"}))).await;
    assert_eq!(status, 201, "a dollar is no harm");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_event_types_has_them_all_with_examples_that_are_accepted() {
    let service = TestService::start().await;
    let answer = service.read("/v1/event-types").await;
    let listed: Vec<&str> =
        answer["items"].as_array().expect("items").iter().flat_map(|one| one["type"].as_str()).collect();
    assert_eq!(listed, EventType::ALL.map(EventType::as_str));
    for one in answer["items"].as_array().expect("items") {
        let (status, said) = service.post("/v1/events", &one["example"]).await;
        assert_eq!(status, 201, "{one}: {said}");
        let mut without = one["example"].clone();
        for field in one["fields"].as_array().expect("fields").iter().filter(|field| field["required"] == true) {
            without["data"].as_object_mut().expect("data").remove(field["name"].as_str().expect("a name"));
            let (status, said) = service.post("/v1/events", &without).await;
            assert_eq!(status, 422, "{field} of {without}: {said}");
        }
    }
    let signed =
        answer["items"].as_array().expect("items").iter().find(|one| one["type"] == "order.signed").expect("it");
    assert_eq!(signed["about_one_of"], serde_json::json!(["order_id"]));
    assert!(signed["metrics"].as_array().expect("metrics").contains(&serde_json::json!("negative_feedback_rate")));
    service.stop().await;
}
