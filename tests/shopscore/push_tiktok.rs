//! What TikTok Shop pushes, and answers of its API.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::push::{APP_KEY, PAID, SECRET, connectors, hex, stored, unread_of};
use crate::support::{Choices, TestService, answer, date};

const HOUR: i64 = 3_600;

async fn service() -> TestService {
    TestService::start_with(Choices { connectors: connectors(), ..Choices::default() }).await
}

async fn push_as(service: &TestService, body: &str, signature: Option<&str>) -> (u16, Value) {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    let signed = hex(&mac.chain_update(APP_KEY).chain_update(body).finalize().into_bytes());
    let request = service.client.post(service.url("/v1/push/tt")).header("content-type", "application/json");
    answer(request.header("authorization", signature.unwrap_or(&signed)).body(body.to_owned())).await
}

async fn push(service: &TestService, message: &Value) {
    let answered = push_as(service, &message.to_string(), None).await;
    assert_eq!(answered, (200, json!({"code": 0, "message": "success"})), "{message}");
}

fn message(kind: u16, id: u64, data: &Value) -> Value {
    json!({"type": kind, "tts_notification_id": id.to_string(), "shop_id": "7495", "timestamp": PAID + HOUR, "data": data})
}

fn order(status: &str, at: i64) -> Value {
    json!({"order_id": "576468516578000001", "order_status": status, "is_on_hold_order": false, "update_time": at})
}

fn returned(status: &str, at: i64) -> Value {
    json!({"order_id": "576468516578000001", "return_id": "576468516578000009", "return_type": "RETURN_AND_REFUND",
           "return_role": "BUYER", "return_status": status, "create_time": PAID + 72 * HOUR, "update_time": at})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_becomes_what_its_row_says() {
    let service = service().await;
    let of_order = json!({"order_id": "576468516578000001"});
    let case = |extra: Value| {
        let mut data = json!({"order_id": "576468516578000001", "aftersale_id": "576468516578000009"});
        data.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        data
    };
    let product = |status: &str| json!({"product_id": 1_729_592_969_712_207_008_u64, "status": status});
    let of_product = json!({"product_id": "1729592969712207008"});
    let replaced = json!({"order_id": "1", "return_id": "2", "return_type": "REPLACEMENT", "return_status": "REPLACEMENT_REQUEST_PENDING", "update_time": PAID});
    #[rustfmt::skip]
    let rows: Vec<(u16, Value, &str, Value)> = vec![
        (1, order("UNPAID", PAID), "", Value::Null),
        (1, order("ON_HOLD", PAID), "order.paid", of_order.clone()),
        (1, order("AWAITING_SHIPMENT", PAID), "order.paid", of_order.clone()),
        (1, order("AWAITING_COLLECTION", PAID), "order.shipped", of_order.clone()),
        (1, order("IN_TRANSIT", PAID), "order.picked_up", of_order.clone()),
        (1, order("DELIVERED", PAID), "order.signed", of_order.clone()),
        (1, order("COMPLETED", PAID), "order.confirmed", of_order.clone()),
        (1, order("CANCELLED", PAID), "order.cancelled", of_order.clone()),
        (12, returned("RETURN_OR_REFUND_REQUEST_PENDING", PAID), "aftersale.opened", case(json!({"kind": "return_refund", "reason": "other"}))),
        (12, replaced, "aftersale.opened", json!({"order_id": "1", "aftersale_id": "2", "kind": "exchange", "reason": "other"})),
        (12, returned("AWAITING_BUYER_SHIP", PAID), "aftersale.merchant_responded", case(json!({}))),
        (12, returned("REFUND_OR_RETURN_REQUEST_REJECT", PAID), "aftersale.merchant_responded", case(json!({}))),
        (12, returned("BUYER_SHIPPED_ITEM", PAID), "aftersale.awaiting_merchant", case(json!({}))),
        (12, returned("RETURN_OR_REFUND_REQUEST_COMPLETE", PAID), "aftersale.completed", case(json!({"outcome": "refunded"}))),
        (12, returned("RETURN_OR_REFUND_REQUEST_CANCEL", PAID), "aftersale.completed", case(json!({"outcome": "withdrawn"}))),
        (5, product("ACTIVATE"), "product.listed", of_product.clone()),
        (5, product("PLATFORM_DEACTIVATED"), "product.delisted", of_product),
        (5, product("PENDING"), "", Value::Null),
        (3, json!({"order_id": "1"}), "", Value::Null),
    ];
    for (kind, data, event_type, made) in rows {
        let path = "/v1/push/tt?dry_run=true";
        let body = message(kind, 7, &data).to_string();
        let (status, answered) = answer(service.client.post(service.url(path)).body(body)).await;
        let read = &answered["messages"][0];
        assert_eq!((status, &read["code"]), (200, &Value::Null), "{data}: {answered}");
        // A product's message has no time of its own: the one of the message counts.
        let time = if kind == 5 { "2026-11-08T03:00:00Z" } else { "2026-11-08T02:00:00Z" };
        let wanted = match event_type {
            "" => json!([]),
            _ => {
                json!([{"id": format!("tt:{kind}:7:0"), "type": event_type, "shop_id": "shop-7", "time": time, "data": made}])
            }
        };
        assert_eq!(read["events"], wanted, "{data}");
    }
    assert_eq!(stored(&service).await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_of_an_order_counts_once_by_push_and_by_details() {
    let service = service().await;
    let first = message(1, 1, &order("AWAITING_SHIPMENT", PAID)).to_string();
    for wrong in ["", "0", &hex(&[0; 32])] {
        assert_eq!(push_as(&service, &first, Some(wrong)).await.0, 401, "{wrong}");
    }
    let life = [
        message(1, 1, &order("AWAITING_SHIPMENT", PAID)),
        message(1, 2, &order("AWAITING_COLLECTION", PAID + 4 * HOUR)),
        message(1, 3, &order("IN_TRANSIT", PAID + 8 * HOUR)),
        message(1, 4, &order("DELIVERED", PAID + 48 * HOUR)),
        message(12, 5, &returned("RETURN_OR_REFUND_REQUEST_PENDING", PAID + 72 * HOUR)),
        message(12, 6, &returned("AWAITING_BUYER_SHIP", PAID + 73 * HOUR)),
        message(12, 7, &returned("RETURN_OR_REFUND_REQUEST_COMPLETE", PAID + 99 * HOUR)),
    ];
    for one in life.iter().chain(&life) {
        push(&service, one).await;
    }
    assert_eq!((stored(&service).await, unread_of(&service, "tt").await.len()), (7, 0));
    let details = json!([
        {"code": 0, "message": "Success", "data": {"orders": [{
            "id": "576468516578000001", "status": "DELIVERED", "create_time": PAID - 60, "paid_time": PAID, "rts_time": PAID + 4 * HOUR,
            "collection_time": PAID + 8 * HOUR, "delivery_time": PAID + 48 * HOUR,
            "line_items": [{"id": "1", "product_id": "1729592969712207008"}, {"id": "2", "product_id": "1729592969712207008"}]}]}},
        {"code": 0, "data": {"return_orders": [{
            "return_id": "576468516578000009", "order_id": "576468516578000001", "return_type": "RETURN_AND_REFUND",
            "return_status": "RETURN_OR_REFUND_REQUEST_COMPLETE", "return_reason": "ecom_order_delivered_refund_reason_broken",
            "create_time": PAID + 72 * HOUR, "update_time": PAID + 99 * HOUR}]}},
    ]);
    for outcome in ["stored", "repeated"] {
        let (status, answered) = service.post("/v1/push/tt/details?shop_id=7495", &details).await;
        assert_eq!(status, 200, "{answered}");
        for message in answered["messages"].as_array().expect("messages") {
            assert_eq!(message["outcome"], outcome, "{message}");
        }
    }
    service.run(date("2026-11-20")).await;
    let metrics = service.read("/v1/shops/shop-7/metrics?rule_set=douyin-2026-09").await;
    let counts = |id: &str| {
        let metric = metrics["metrics"].as_array().expect("metrics").iter().find(|one| one["id"] == id).expect(id);
        (metric["numerator"].as_i64().expect("a count"), metric["denominator"].as_i64().expect("a count"))
    };
    assert_eq!(counts("pickup_duration"), (8 * HOUR, 1));
    let products = service.read("/v1/shops/shop-7/products").await;
    assert!(products.to_string().contains("1729592969712207008"), "the details tell the product: {products}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_kept_with_its_code() {
    let service = service().await;
    let nameless = json!({"type": 1, "tts_notification_id": "9", "timestamp": PAID, "data": order("DELIVERED", PAID)});
    for (body, code) in [
        (message(99, 1, &json!({})), "unknown_tag"),
        (message(1, 2, &order("EVAPORATED", PAID)), "unknown_value"),
        (message(12, 3, &returned("LOST", PAID)), "unknown_value"),
        (message(1, 4, &json!({"order_status": "DELIVERED"})), "missing_member"),
        (nameless, "missing_member"),
        (json!({"kind": 1}), "malformed_message"),
    ] {
        push(&service, &body).await;
        let kept = &unread_of(&service, "tt").await[0];
        assert_eq!(kept["code"], code, "{kept}");
    }
    assert_eq!(stored(&service).await, 0);
    service.stop().await;
}
