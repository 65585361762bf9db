//! What Shopify pushes, and answers of its API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::keys::{guarded_with, make, post};
use crate::push::{SECRET, connectors, stored, unread_of};
use crate::support::{Choices, TestService, answer, date};

const DOMAIN: &str = "seven.myshopify.com";

async fn service() -> TestService {
    TestService::start_with(Choices { connectors: connectors(), ..Choices::default() }).await
}

/// Pushes a message with its headers, signed unless another signature is given.
async fn push_as(
    service: &TestService,
    (topic, id): (&str, &str),
    body: &str,
    signature: Option<&str>,
) -> (u16, Value) {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    let signed = STANDARD.encode(mac.chain_update(body).finalize().into_bytes());
    let request = service
        .client
        .post(service.url("/v1/push/sh"))
        .header("content-type", "application/json")
        .header("x-shopify-topic", topic)
        .header("x-shopify-shop-domain", DOMAIN)
        .header("x-shopify-event-id", id)
        .header("x-shopify-triggered-at", "2026-11-12T09:00:00.123456789Z")
        .header("x-shopify-hmac-sha256", signature.unwrap_or(&signed));
    answer(request.body(body.to_owned())).await
}

async fn push(service: &TestService, topic: &str, id: &str, body: &Value) {
    let answered = push_as(service, (topic, id), &body.to_string(), None).await;
    assert_eq!(answered, (200, json!({})), "{topic}");
}

fn lines(ids: &[u64]) -> Vec<Value> {
    ids.iter()
        .map(|id| json!({"id": id, "product_id": 632_910_392_u64, "requires_shipping": true, "quantity": 1}))
        .collect()
}

fn paid() -> Value {
    json!({"id": 450_789_469_u64, "processed_at": "2026-11-08T10:00:00+08:00", "updated_at": "2026-11-08T10:00:30+08:00",
           "financial_status": "paid", "line_items": lines(&[11, 12])})
}

fn parcel() -> Value {
    json!({"id": 255_858_046_u64, "order_id": 450_789_469_u64, "status": "success", "shipment_status": null,
           "created_at": "2026-11-08T15:00:00+08:00", "updated_at": "2026-11-08T15:00:00+08:00", "line_items": lines(&[11, 12])})
}

fn scan(status: &str, at: &str) -> Value {
    json!({"id": 944_956_393_u64, "fulfillment_id": 255_858_046_u64, "order_id": 450_789_469_u64, "status": status, "happened_at": at,
           "created_at": "2026-11-20T00:00:00Z"})
}

fn asked_back() -> Value {
    json!({"id": 71, "order": {"id": 450_789_469_u64}, "status": "requested", "return_line_items": [
        {"id": 5, "return_reason": "color", "fulfillment_line_item": {"id": 6, "line_item": {"id": 11}}}]})
}

fn refunded() -> Value {
    json!({"id": 81, "order_id": 450_789_469_u64, "created_at": "2026-11-14T10:00:00Z", "return": {"id": 71},
           "refund_line_items": [{"id": 1, "line_item_id": 11, "quantity": 1}]})
}

/// The type, the time and the data of an event.
type Made<'a> = (&'a str, &'a str, Value);

/// Types, orders and times of all that is stored of the shop's orders.
async fn told(service: &TestService) -> Vec<String> {
    let mut told = Vec::new();
    for order in [11, 12] {
        let found = service.read(&format!("/v1/shops/shop-7/orders/{order}")).await;
        for event in found["events"].as_array().expect("events") {
            let word = |name: &str| event[name].as_str().expect(name).to_owned();
            told.push(format!("{order} {} {}", word("type"), word("time")));
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topic_becomes_what_its_row_says() {
    let service = service().await;
    push(&service, "fulfillments/create", "parcel", &parcel()).await;
    push(&service, "returns/request", "return", &asked_back()).await;
    let base = stored(&service).await;
    let triggered = "2026-11-12T09:00:00.123456Z";
    let of_return = json!({"aftersale_id": "return-71"});
    let product = |status: &str| json!({"id": 632_910_392_u64, "status": status, "updated_at": "2026-11-08T02:00:00Z"});
    let listed = json!({"product_id": "632910392"});
    let with = |data: &Value, extra: Value| {
        let mut data = data.clone();
        data.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        data
    };
    let alone = json!({"id": 82, "created_at": "2026-11-08T02:00:00Z", "refund_line_items": [{"line_item_id": 11}]});
    let of_refund = json!({"aftersale_id": "refund-82"});
    let opened = json!({"kind": "return_refund", "reason": "quality"});
    let virtual_line = json!({"id": 11, "requires_shipping": false, "product_id": null});
    #[rustfmt::skip]
    let rows: Vec<(&str, Value, Vec<Made>)> = vec![
        ("orders/paid", with(&paid(), json!({"line_items": lines(&[11])})), vec![("order.paid", "2026-11-08T02:00:30Z", listed.clone())]),
        ("orders/paid", with(&paid(), json!({"line_items": [virtual_line]})), vec![("order.paid", "2026-11-08T02:00:30Z", json!({"kind": "virtual", "needs_shipping": false}))]),
        ("orders/cancelled", json!({"cancelled_at": "2026-11-08T02:00:00Z", "line_items": lines(&[11])}), vec![("order.cancelled", "2026-11-08T02:00:00Z", json!({}))]),
        ("fulfillments/create", with(&parcel(), json!({"line_items": lines(&[11])})), vec![("order.shipped", "2026-11-08T07:00:00Z", json!({}))]),
        ("fulfillments/create", with(&parcel(), json!({"status": "cancelled"})), vec![]),
        ("fulfillments/update", with(&parcel(), json!({"line_items": lines(&[11]), "shipment_status": "delivered"})), vec![("order.signed", "2026-11-08T07:00:00Z", json!({}))]),
        ("fulfillments/update", parcel(), vec![]),
        ("refunds/create", alone, vec![
            ("aftersale.opened", "2026-11-08T02:00:00Z", with(&of_refund, json!({"kind": "refund_only", "reason": "other"}))),
            ("aftersale.completed", "2026-11-08T02:00:00Z", with(&of_refund, json!({"outcome": "refunded"}))),
        ]),
        ("refunds/create", refunded(), vec![("aftersale.completed", "2026-11-14T10:00:00Z", with(&of_return, json!({"outcome": "refunded"})))]),
        ("returns/request", asked_back(), vec![("aftersale.opened", triggered, with(&of_return, opened.clone()))]),
        ("returns/approve", asked_back(), vec![("aftersale.opened", triggered, with(&of_return, opened)), ("aftersale.merchant_responded", triggered, of_return.clone())]),
        ("returns/decline", json!({"id": 71}), vec![("aftersale.merchant_responded", triggered, of_return.clone()), ("aftersale.completed", triggered, with(&of_return, json!({"outcome": "rejected"})))]),
        ("returns/cancel", json!({"id": 71}), vec![("aftersale.completed", triggered, with(&of_return, json!({"outcome": "withdrawn"})))]),
        ("products/update", product("active"), vec![("product.listed", "2026-11-08T02:00:00Z", listed.clone())]),
        ("products/create", product("draft"), vec![("product.delisted", "2026-11-08T02:00:00Z", listed.clone())]),
        ("products/delete", json!({"id": 632_910_392_u64}), vec![("product.delisted", triggered, listed)]),
        ("orders/create", paid(), vec![]),
        ("customers/redact", json!({}), vec![]),
    ];
    for (topic, body, wanted) in rows {
        let request = service.client.post(service.url("/v1/push/sh?dry_run=true")).header("x-shopify-topic", topic);
        let request = request.header("x-shopify-shop-domain", DOMAIN).header("x-shopify-event-id", "e-1");
        let request = request.header("x-shopify-triggered-at", "2026-11-12T09:00:00.123456Z");
        let (status, answered) = answer(request.body(body.to_string())).await;
        let read = &answered["messages"][0];
        assert_eq!((status, &read["code"]), (200, &Value::Null), "{topic}: {answered}");
        let made: Vec<(&str, &str, Value)> = read["events"]
            .as_array()
            .expect("events")
            .iter()
            .map(|event| {
                let word = |name: &str| event[name].as_str().expect(name);
                let mut data = event["data"].clone();
                let order = data.as_object_mut().expect("data").remove("order_id");
                assert_eq!(
                    (event["shop_id"].as_str(), order.as_ref().is_none_or(|order| order == "11")),
                    (Some("shop-7"), true)
                );
                (word("type"), word("time"), data)
            })
            .collect();
        assert_eq!(made, wanted, "{topic}");
        assert_eq!(read["outcome"], if wanted.is_empty() { "ignored" } else { "stored" }, "{topic}");
    }
    // Scans name the parcel alone; all its line items were scanned.
    for (status, event_type) in [
        ("in_transit", "order.picked_up"),
        ("carrier_picked_up", "order.picked_up"),
        ("delivered", "order.signed"),
        ("label_printed", ""),
    ] {
        let body = scan(status, "2026-11-08T18:00:00+08:00").to_string();
        let request = service
            .client
            .post(service.url("/v1/push/sh?dry_run=true"))
            .header("x-shopify-topic", "fulfillment_events/create");
        let request = request.header("x-shopify-shop-domain", DOMAIN).header("x-shopify-event-id", "e-2");
        let (_, answered) = answer(request.body(body)).await;
        let made = answered["messages"][0]["events"].as_array().expect("events").clone();
        let wanted: Vec<Value> = ["11", "12"]
            .iter()
            .filter(|_| !event_type.is_empty())
            .map(|order| {
                json!({
            "id": format!("sh:fulfillment_events/create:e-2:0:{order}"), "type": event_type, "shop_id": "shop-7",
            "time": "2026-11-08T10:00:00Z", "data": {"order_id": order}})
            })
            .collect();
        assert_eq!(made, wanted, "{status}: {answered}");
    }
    assert_eq!(stored(&service).await, base);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_of_an_order_counts_once_by_push_and_by_details() {
    let service = service().await;
    let body = paid().to_string();
    for wrong in ["", "0", "AAAA"] {
        assert_eq!(push_as(&service, ("orders/paid", "e-1"), &body, Some(wrong)).await.0, 401, "{wrong}");
    }
    // A scan whose parcel nobody told of is kept.
    let early = scan("in_transit", "2026-11-08T18:00:00+08:00");
    push(&service, "fulfillment_events/create", "e-0", &early).await;
    assert_eq!(unread_of(&service, "sh").await[0]["code"], "unknown_part");
    assert_eq!(stored(&service).await, 0);
    for _ in 0..2 {
        push(&service, "orders/paid", "e-1", &paid()).await;
        push(&service, "fulfillments/create", "e-2", &parcel()).await;
        push(&service, "fulfillment_events/create", "e-3", &scan("in_transit", "2026-11-08T18:00:00+08:00")).await;
        push(&service, "fulfillment_events/create", "e-4", &scan("delivered", "2026-11-10T12:00:00+08:00")).await;
        push(&service, "returns/request", "e-5", &asked_back()).await;
        push(&service, "returns/approve", "e-6", &json!({"id": 71, "status": "open"})).await;
        push(&service, "refunds/create", "e-7", &refunded()).await;
    }
    #[rustfmt::skip]
    let pushed = [
        "11 order.paid 2026-11-08T02:00:30Z", "11 order.shipped 2026-11-08T07:00:00Z", "11 order.picked_up 2026-11-08T10:00:00Z",
        "11 order.signed 2026-11-10T04:00:00Z", "11 aftersale.merchant_responded 2026-11-12T09:00:00.123456Z", "11 aftersale.opened 2026-11-12T09:00:00.123456Z",
        "11 aftersale.completed 2026-11-14T10:00:00Z", "12 order.paid 2026-11-08T02:00:30Z", "12 order.shipped 2026-11-08T07:00:00Z",
        "12 order.picked_up 2026-11-08T10:00:00Z", "12 order.signed 2026-11-10T04:00:00Z",
    ];
    assert_eq!(told(&service).await, pushed);
    // The same by the API: the order with its parcel and refund, and the parcel's scans.
    let mut whole = paid();
    whole["fulfillments"] = json!([parcel()]);
    whole["refunds"] = json!([refunded()]);
    let scans = json!({"fulfillment_events": [scan("in_transit", "2026-11-08T18:00:00+08:00"), scan("delivered", "2026-11-10T12:00:00+08:00")]});
    let path = format!("/v1/push/sh/details?shop_id={DOMAIN}");
    let answers = json!([{"order": whole}, scans]);
    for outcome in ["stored", "repeated"] {
        let (status, answered) = service.post(&path, &answers).await;
        assert_eq!(status, 200, "{answered}");
        for message in answered["messages"].as_array().expect("messages") {
            assert_eq!(message["outcome"], outcome, "{message}");
        }
    }
    let (_, nameless) = service.post("/v1/push/sh/details", &answers).await;
    assert_eq!(nameless["messages"][0]["code"], "missing_member");
    service.run(date("2026-11-20")).await;
    let metrics = service.read("/v1/shops/shop-7/metrics?rule_set=douyin-2026-09").await;
    let counts = |id: &str| {
        let metric = metrics["metrics"].as_array().expect("metrics").iter().find(|one| one["id"] == id).expect(id);
        (metric["numerator"].as_i64().expect("a count"), metric["denominator"].as_i64().expect("a count"))
    };
    // Both line items: paid at 10:00 as the API says (the push is half a minute later), picked up at 18:00.
    assert_eq!(counts("pickup_duration"), (2 * 8 * 3_600, 2));
    assert_eq!(counts("first_quality_return_rate"), (1, 2));
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parcels_are_of_one_shop_and_nobody_else_reads_or_changes_them() {
    let choices = Choices { connectors: connectors(), ..Choices::default() };
    let service = guarded_with(choices).await;
    push(&service, "fulfillments/create", "e-1", &parcel()).await;
    let (other, _) = make(&service, &["events:write", "events:relay"], &["shop-8"]).await;
    let theirs = "/v1/push/sh/details?shop_id=shop-8";
    let delivered = json!({"fulfillment_events": [scan("delivered", "2026-11-10T12:00:00+08:00")]});
    // Their parcel of this number is not known; the other shop's is not theirs to ask for.
    let (status, answered) = post(&service, &other, &format!("{theirs}&dry_run=true"), &delivered).await;
    assert_eq!((status, &answered["messages"][0]["code"]), (200, &json!("unknown_part")), "{answered}");
    let path = format!("/v1/push/sh/details?shop_id={DOMAIN}");
    assert_eq!(post(&service, &other, &path, &delivered).await.0, 403);
    // What they say of a parcel of that number stays theirs, and what they say of the other shop's is not kept.
    for path in [theirs, path.as_str()] {
        let mut parcel = parcel();
        parcel["line_items"] = json!(lines(&[99]));
        assert_eq!(post(&service, &other, path, &json!({"fulfillments": [parcel]})).await.0, 200);
    }
    push(&service, "fulfillment_events/create", "e-2", &scan("delivered", "2026-11-10T12:00:00+08:00")).await;
    assert!(told(&service).await.iter().any(|one| one.starts_with("11 order.signed")));
    assert_eq!(service.get("/v1/shops/shop-7/orders/99").await.0, 404);
    // One message speaks of a bounded number of orders.
    let mut large = parcel();
    large["line_items"] = json!(lines(&(0..900).collect::<Vec<u64>>().iter().map(|id| id + 1_000).collect::<Vec<_>>()));
    let scans: Vec<Value> = (0..12).map(|_| scan("delivered", "2026-11-10T12:00:00+08:00")).collect();
    let both = json!([{"fulfillments": [large]}, {"fulfillment_events": scans}]);
    let (all, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let (_, answered) = post(&service, &all, &format!("{path}&dry_run=true"), &both).await;
    assert_eq!(answered["messages"][1]["code"], "too_many", "{}", answered["messages"][1]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_changed_again_and_again_is_stored_when_its_state_changes() {
    let service = service().await;
    for (number, (status, minute)) in [
        ("active", 0),
        ("active", 1),
        ("archived", 2),
        ("archived", 3),
        ("draft", 4),
        ("active", 5),
        ("active", 6),
        ("archived", 7),
    ]
    .iter()
    .enumerate()
    {
        let body = json!({"id": 7, "status": status, "updated_at": format!("2026-11-08T02:0{minute}:00Z")});
        push(&service, "products/update", &format!("e-{number}"), &body).await;
    }
    let found = service.read("/v1/shops/shop-7/products/7").await;
    let types: Vec<&str> =
        found["events"].as_array().expect("events").iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["product.delisted", "product.listed", "product.delisted"]);
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_kept_with_its_code() {
    let service = service().await;
    for (topic, body, code) in [
        ("orders/sung", json!({}), "unknown_tag"),
        ("orders/paid", json!([]), "malformed_json"),
        (
            "orders/paid",
            json!({"updated_at": "2026-11-08T10:00:00Z", "line_items": [{"product_id": 1}]}),
            "missing_member",
        ),
        ("orders/cancelled", json!({"cancelled_at": "soon", "line_items": lines(&[11])}), "unknown_value"),
        ("fulfillment_events/create", scan("teleported", "2026-11-08T10:00:00Z"), "unknown_value"),
        ("products/update", json!({"id": 1, "status": "sold", "updated_at": "2026-11-08T10:00:00Z"}), "unknown_value"),
        ("returns/decline", json!({"id": 72}), "unknown_part"),
    ] {
        push(&service, topic, "e", &body).await;
        let kept = &unread_of(&service, "sh").await[0];
        assert_eq!((&kept["code"], &kept["tag"]), (&json!(code), &json!(topic)), "{kept}");
    }
    assert_eq!(stored(&service).await, 0);
    service.stop().await;
}
