//! Answers of a platform's API: what pushes do not say.

use serde_json::{Value, json};

use crate::keys::{guarded_with, make, post};
use crate::push::{PAID, connectors, message, push, service, stored};
use crate::support::{Choices, date};

/// What the API answers about an order of two parts in one parcel, the second of which a creator sold.
fn order_detail() -> Value {
    let part = |id: &str, product: u64, author: u64| {
        json!({"order_id": id, "parent_order_id": "4710000000000000010", "pay_time": PAID, "ship_time": PAID + 20_000,
            "logistics_receipt_time": 0, "finish_time": 0, "goods_type": 0, "order_type": 0, "pre_sale_type": 0,
            "product_id": product, "product_id_str": product.to_string(), "author_id": author, "receive_type": 1})
    };
    let parts = [
        part("4710000000000000010", 3_480_000_000_000_000_001, 0),
        part("4710000000000000011", 3_480_000_000_000_000_002, 99),
    ];
    let parcel = json!([{"tracking_no": "SF-1", "company": "shunfeng", "ship_time": PAID + 20_000, "product_info": [
        {"sku_order_id": "4710000000000000010"}, {"sku_order_id": "4710000000000000011"}]}]);
    json!({"code": 10_000, "msg": "success", "log_id": "x", "data": {"shop_order_detail": {
        "shop_id": 4_463_798, "order_id": "4710000000000000010", "pay_time": PAID, "logistics_info": parcel, "sku_order_list": parts}}})
}

fn route() -> Value {
    let node = |state: &str, after: i64| json!({"content": "…", "timestamp": (PAID + after).to_string(), "state_description": state});
    json!({"code": 10_000, "data": {"track_info": {"track_no": "SF-1", "express": "shunfeng"}, "route__node_list": [
        node("待揽收", 21_000), node("已揽收", 30_000), node("运输中", 60_000), node("未签收", 150_000), node("已签收", 200_000),
        node("已签收", 210_000)]}})
}

fn case_detail() -> Value {
    json!({"code": 10_000, "data": {
        "order_info": {"shop_order_id": 4_710_000_000_000_000_010_u64, "sku_order_infos": [{"sku_order_id": 4_710_000_000_000_000_011_u64}]},
        "process_info": {
            "after_sale_info": {"after_sale_id": 7_300_000_000_000_000_003_u64, "after_sale_status": 12, "refund_status": 3,
                "after_sale_type": 0, "reason_code": 78, "apply_time": PAID + 220_000, "update_time": PAID + 300_000},
            "arbitrate_info": {"arbitrate_create_time": PAID + 230_000, "arbitrate_update_time": PAID + 290_000, "arbitrate_conclusion": 1}}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_life_of_an_order_comes_by_pushes_and_details_and_counts_once() {
    let service = service().await;
    service.register(&["shop-7".to_owned()], &["99".to_owned()]).await;
    let parts = json!({"p_id": 4_710_000_000_000_000_010_u64, "shop_id": 4_463_798,
        "s_ids": [4_710_000_000_000_000_010_u64, 4_710_000_000_000_000_011_u64]});
    let with = |name: &str, time: i64| {
        let mut data = parts.clone();
        data[name] = json!(time);
        data
    };
    push(&service, &message(101, "m-1", &with("pay_time", PAID))).await;
    push(&service, &message(102, "m-2", &with("update_time", PAID + 20_000))).await;
    let case = json!({"s_id": 4_710_000_000_000_000_011_u64, "shop_id": 4_463_798, "aftersale_id": "7300000000000000003",
        "aftersale_type": 0, "reason_code": 78, "apply_time": PAID + 220_000});
    push(&service, &message(200, "m-3", &case)).await;
    let answers = json!([route(), order_detail(), case_detail()]);
    let path = "/v1/push/dd-main/details?shop_id=4463798";
    let outcomes = |answered: &Value| -> Vec<String> {
        let messages = answered["messages"].as_array().expect("messages");
        messages
            .iter()
            .map(|one| {
                format!("{} {}", one["tag"].as_str().expect("a tag"), one["outcome"].as_str().expect("an outcome"))
            })
            .collect()
    };
    let named = |outcome: &str| {
        ["logistics/trackNoRouteDetail", "order/orderDetail", "afterSale/Detail"].map(|tag| format!("{tag} {outcome}"))
    };
    let (status, rehearsed) = service.post(&format!("{path}&dry_run=true"), &answers).await;
    assert_eq!((status, outcomes(&rehearsed)), (200, named("stored").to_vec()), "{rehearsed}");
    assert_eq!(stored(&service).await, 5);
    for (turn, outcome) in [(0, "stored"), (1, "repeated")] {
        let (status, answered) = service.post(path, &answers).await;
        assert_eq!((status, outcomes(&answered)), (200, named(outcome).to_vec()), "{turn}: {answered}");
    }
    assert_eq!(
        stored(&service).await,
        5 + 4 + 6 + 4,
        "pushed; picked up and signed; paid, described, shipped; the case"
    );

    service.run(date("2026-11-20")).await;
    let counts = |answer: &Value, id: &str| {
        let metric = answer["metrics"]
            .as_array()
            .expect("metrics")
            .iter()
            .find(|one| one["id"] == id)
            .expect("a metric")
            .clone();
        (metric["numerator"].as_i64().expect("a count"), metric["denominator"].as_i64().expect("a count"))
    };
    let old = service.read("/v1/shops/shop-7/metrics?rule_set=shop-v1").await;
    let new = service.read("/v1/shops/shop-7/metrics?rule_set=douyin-2026-09").await;
    assert_eq!(counts(&new, "first_quality_return_rate"), (1, 2), "of the orders that were signed");
    assert_eq!(counts(&new, "pickup_duration"), (60_000, 2));
    assert_eq!(counts(&new, "platform_help_rate"), (1, 1));
    assert_eq!(counts(&old, "delivery_duration").1, 2);
    let creator = service.read("/v1/creators/99/score").await;
    assert_eq!(creator["signed_orders"], 1, "the second part is the creator's: {creator}");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_for_keys_that_relay_and_what_is_wrong_with_them_is_answered() {
    let choices = Choices { connectors: connectors(), ..Choices::default() };
    let service = guarded_with(choices).await;
    let path = "/v1/push/dd-main/details";
    let (merchant, _) = make(&service, &["events:write"], &["shop-7"]).await;
    assert_eq!(post(&service, &merchant, path, &order_detail()).await.0, 403);
    let (other, _) = make(&service, &["events:write", "events:relay"], &["shop-8"]).await;
    let code = |answered: &(u16, Value)| (answered.0, answered.1["messages"][0]["code"].clone());
    let refused = post(&service, &other, path, &order_detail()).await;
    assert_eq!(code(&refused), (200, json!("forbidden_shop")), "{refused:?}");
    assert_eq!(stored(&service).await, 0);
    let (all, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let without = |name: &str| {
        let mut answer = case_detail();
        answer["data"].as_object_mut().expect("data").remove(name);
        answer
    };
    for (answer, wanted) in [
        (route(), "unknown_parcel"),
        (case_detail(), "missing_member"),
        (without("process_info"), "malformed_message"),
        (json!({"code": 50_002, "msg": "failed", "data": null}), "malformed_message"),
        (json!(7), "malformed_message"),
    ] {
        assert_eq!(code(&post(&service, &all, path, &answer).await), (200, json!(wanted)), "{answer}");
    }
    assert_eq!(stored(&service).await, 0);
    service.stop().await;
}
