//! What platforms push: signed or not, understood or not, once or again, and what becomes of it.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha256;
use shopscore::connect::connector::Connector;
use shopscore::connect::file::{self, ConnectorFault, Secrets};

use crate::faults::{Mode, service_behind};
use crate::keys::{make, post};
use crate::support::{Choices, TestService, answer};

pub const APP_KEY: &str = "7100000000000000001";
pub const SECRET: &str = "a-secret-of-the-platform";

struct Kept;

impl Secrets for Kept {
    fn of_variable(&self, name: &str) -> Option<String> {
        (name == "PUSH_SECRET").then(|| format!("{SECRET}\n"))
    }

    fn of_file(&self, _: &str) -> std::io::Result<String> {
        Ok(String::new())
    }
}

const FILE: &str = r#"
[[connector]]
id = "dd-main"
platform = "doudian"
app_key = "7100000000000000001"
secret_env = "PUSH_SECRET"
shops = { "4463798" = "shop-7" }
prefix = "dd-"
reasons = { "78" = "quality", "15" = "no_longer_wanted" }

[[connector]]
id = "dd-hmac"
platform = "doudian"
app_key = "7100000000000000001"
secret_env = "PUSH_SECRET"
sign_method = "hmac-sha256"

[[connector]]
id = "sh"
platform = "shopify"
secret_env = "PUSH_SECRET"
shops = { "seven.myshopify.com" = "shop-7" }
reasons = { "color" = "quality" }

[[connector]]
id = "tt"
platform = "tiktok"
app_key = "7100000000000000001"
secret_env = "PUSH_SECRET"
shops = { "7495" = "shop-7" }
reasons = { "ecom_order_delivered_refund_reason_broken" = "breakage" }
"#;

pub fn connectors() -> Vec<Connector> {
    file::parse(FILE, &Kept).expect("a sound file")
}

pub async fn service() -> TestService {
    TestService::start_with(Choices { connectors: connectors(), ..Choices::default() }).await
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn signed_md5(body: &[u8]) -> String {
    hex(&Md5::new().chain_update(APP_KEY).chain_update(body).chain_update(SECRET).finalize())
}

fn signed_hmac(body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    hex(&mac.chain_update(APP_KEY).chain_update(body).chain_update(SECRET).finalize().into_bytes())
}

/// Pushes bytes as they are.
async fn push_as(service: &TestService, connector: &str, body: &[u8], signature: Option<&str>) -> (u16, Value) {
    let mut request = service.client.post(service.url(&format!("/v1/push/{connector}")));
    request = request.header("content-type", "application/json");
    if let Some(signature) = signature {
        request = request.header("event-sign", signature);
    }
    answer(request.body(body.to_vec())).await
}

/// Pushes messages, signed, which must be acknowledged.
pub async fn push(service: &TestService, body: &str) {
    let answered = push_as(service, "dd-main", body.as_bytes(), Some(&signed_md5(body.as_bytes()))).await;
    assert_eq!(answered, (200, json!({"code": 0, "msg": "success"})));
}

pub fn message(tag: u16, id: &str, data: &Value) -> String {
    json!([{"tag": tag.to_string(), "msg_id": id, "data": data.to_string()}]).to_string()
}

pub async fn unread(service: &TestService) -> Vec<Value> {
    unread_of(service, "dd-main").await
}

pub async fn unread_of(service: &TestService, connector: &str) -> Vec<Value> {
    service.read(&format!("/v1/push/{connector}/unread")).await["items"].as_array().expect("items").clone()
}

pub async fn stored(service: &TestService) -> i64 {
    let count = sqlx::query_scalar("select count(*) from event");
    count.fetch_one(&service.context.store.read).await.expect("a count")
}

async fn counted(service: &TestService, tag: &str, outcome: &str) -> f64 {
    let text = service.client.get(service.url("/metrics")).send().await.expect("figures").text().await.expect("a text");
    let wanted = format!("shopscore_push_messages_total{{connector=\"dd-main\",tag=\"{tag}\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&wanted)?.parse().ok()).unwrap_or_default()
}

/// 2026-11-08 10:00 in Shanghai.
pub const PAID: i64 = 1_794_103_200;

#[tokio::test(flavor = "multi_thread")]
async fn every_tag_becomes_what_its_row_says() {
    let service = service().await;
    let case = |extra: Value| {
        let mut data = json!({"p_id": 4_710_000_000_000_000_001_u64, "s_id": 4_710_000_000_000_000_002_u64,
            "shop_id": 4_463_798, "aftersale_id": "7300000000000000003"});
        data.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        data
    };
    let order = |extra: Value| {
        let mut data = json!({"p_id": 4_710_000_000_000_000_001_u64, "s_ids": [4_710_000_000_000_000_002_u64], "shop_id": "4463798"});
        data.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        data
    };
    let of_order = json!({"order_id": "4710000000000000002"});
    let of_case = |extra: Value| {
        let mut data = json!({"order_id": "4710000000000000002", "aftersale_id": "7300000000000000003"});
        data.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        data
    };
    let parts = json!({"update_time": PAID, "logistics_msg": {"shipped_order_info": [
        {"shipped_order_id": "4710000000000000009", "shipped_num": "1"}, {"shipped_order_id": "4710000000000000009"}]}});
    let none = json!({});
    #[rustfmt::skip]
    let rows: Vec<(u16, Value, &str, Value)> = vec![
        (101, order(json!({"pay_time": PAID})), "order.paid", of_order.clone()),
        (102, order(json!({"update_time": PAID})), "order.shipped", of_order.clone()),
        (108, order(parts), "order.shipped", json!({"order_id": "4710000000000000009"})),
        (108, order(json!({"update_time": PAID})), "order.shipped", of_order.clone()),
        (103, order(json!({"complete_time": PAID})), "order.confirmed", of_order.clone()),
        (106, order(json!({"cancel_time": PAID})), "order.cancelled", of_order.clone()),
        (200, case(json!({"apply_time": PAID, "aftersale_type": 0, "reason_code": 78})), "aftersale.opened", of_case(json!({"kind": "return_refund", "reason": "quality"}))),
        (200, case(json!({"apply_time": PAID, "aftersale_type": 1, "reason_code": 15})), "aftersale.opened", of_case(json!({"kind": "refund_only", "reason": "no_longer_wanted"}))),
        (200, case(json!({"apply_time": PAID, "aftersale_type": 2, "reason_code": 9})), "aftersale.opened", of_case(json!({"kind": "refund_only", "reason": "other"}))),
        (208, case(json!({"modify_time": PAID, "aftersale_type": 3})), "aftersale.modified", of_case(json!({"kind": "exchange", "reason": "other"}))),
        (201, case(json!({"agree_time": PAID})), "aftersale.merchant_responded", of_case(none.clone())),
        (202, case(json!({"agree_time": "2026-11-08T10:00:00+08:00"})), "aftersale.merchant_responded", of_case(none.clone())),
        (204, case(json!({"refuse_time": PAID})), "aftersale.merchant_responded", of_case(none.clone())),
        (205, case(json!({"refuse_time": PAID.to_string()})), "aftersale.merchant_responded", of_case(none.clone())),
        (211, case(json!({"apply_time": PAID})), "aftersale.merchant_responded", of_case(none.clone())),
        (227, case(none.clone()), "aftersale.merchant_responded", of_case(none.clone())),
        (203, case(json!({"return_time": PAID, "aftersale_status": 11})), "aftersale.awaiting_merchant", of_case(none.clone())),
        (206, case(json!({"success_time": PAID})), "aftersale.completed", of_case(json!({"outcome": "refunded"}))),
        (225, case(json!({"success_time": PAID})), "aftersale.completed", of_case(json!({"outcome": "refunded"}))),
        (207, case(json!({"close_time": PAID})), "aftersale.completed", of_case(json!({"outcome": "withdrawn"}))),
        (212, case(none.clone()), "arbitration.opened", of_case(none.clone())),
        (217, case(none.clone()), "arbitration.opened", of_case(none.clone())),
        (216, case(json!({"arbitrate_conclusion": 1})), "arbitration.decided", of_case(json!({"liable": "merchant"}))),
        (216, case(json!({"arbitrate_conclusion": 2})), "arbitration.decided", of_case(json!({"liable": "buyer"}))),
        (216, case(json!({"arbitrate_conclusion": 3})), "arbitration.decided", of_case(json!({"liable": "merchant"}))),
        (400, json!({"shop_id": 4_463_798, "product_id": 3_480_000_000_000_000_001_u64, "event": 9, "update_time": PAID}), "product.listed", json!({"product_id": "3480000000000000001"})),
        (400, json!({"shop_id": 4_463_798, "product_id": 3_480_000_000_000_000_001_u64, "event": 10, "update_time": PAID}), "product.delisted", json!({"product_id": "3480000000000000001"})),
        (400, json!({"shop_id": 4_463_798, "product_id": 1, "event": 5, "update_time": PAID}), "", Value::Null),
        (110, order(json!({"pay_time": PAID})), "", Value::Null),
        (126, order(none.clone()), "", Value::Null),
        (0, none.clone(), "", Value::Null),
    ];
    for (tag, data, event_type, made) in rows {
        // Messages without a time of their own have it in their id.
        let id = format!("0123::{tag}:{PAID}:456");
        let body = message(tag, &id, &data);
        let path = "/v1/push/dd-main?dry_run=true";
        let (status, answered) = answer(service.client.post(service.url(path)).body(body)).await;
        let read = &answered["messages"][0];
        assert_eq!(
            (status, &answered["signed"], &read["code"]),
            (200, &json!(false), &Value::Null),
            "{tag}: {answered}"
        );
        let wanted = if event_type.is_empty() {
            json!([])
        } else {
            json!([{"id": format!("dd:{tag}:{id}:0"), "type": event_type, "shop_id": "shop-7", "time": "2026-11-08T02:00:00Z", "data": made}])
        };
        assert_eq!(read["events"], wanted, "{tag}");
        assert_eq!(read["outcome"], if event_type.is_empty() { "ignored" } else { "stored" }, "{tag}");
    }
    assert_eq!(stored(&service).await, 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_is_taken_byte_by_byte() {
    let service = service().await;
    let data = json!({"s_ids": [1], "shop_id": 1, "pay_time": PAID});
    let plain = message(101, "m-1", &data);
    let (good, other) = (signed_md5(plain.as_bytes()), signed_hmac(plain.as_bytes()));
    for wrong in [None, Some(""), Some("0"), Some(&good[1..]), Some(other.as_str())] {
        let (status, problem) = push_as(&service, "dd-main", plain.as_bytes(), wrong).await;
        assert_eq!((status, &problem["type"]), (401, &json!("urn:shopscore:problem:wrong-signature")), "{wrong:?}");
    }
    let long = vec![b' '; 1024 * 1024 + 1];
    assert_eq!(push_as(&service, "dd-main", &long, Some(&signed_md5(&long))).await.0, 413);
    // Another byte, another signature; where HMAC is asked for, MD5 is refused.
    assert_eq!(push_as(&service, "dd-main", format!("{plain} ").as_bytes(), Some(&good)).await.0, 401);
    assert_eq!(push_as(&service, "dd-hmac", plain.as_bytes(), Some(&good)).await.0, 401);
    assert_eq!(push_as(&service, "nobody", plain.as_bytes(), Some(&good)).await.0, 404);
    assert_eq!(stored(&service).await, 0);
    assert_eq!(push_as(&service, "dd-hmac", plain.as_bytes(), Some(&other)).await.0, 200);
    // A mark in front, spaces, members in another order, numbers that no float holds, one message instead of a list, large letters.
    let odd = "\u{feff} { \"data\" : {\"pay_time\":1794103200, \"shop_id\":12, \"s_ids\":[4710000000000000003, 4710000000000000005]},\n\
               \"msgId\":\"m-2\", \"tag\":101 }";
    let answered = push_as(&service, "dd-main", odd.as_bytes(), Some(&signed_md5(odd.as_bytes()).to_uppercase())).await;
    assert_eq!(answered.0, 200);
    for order in ["4710000000000000003", "4710000000000000005"] {
        let found = service.read(&format!("/v1/shops/dd-12/orders/{order}")).await;
        assert_eq!(found["order_id"], order, "{found}");
    }
    assert_eq!(counted(&service, "", "unsigned").await, 6.0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_acknowledged_kept_once_and_readable() {
    let service = service().await;
    let paid = json!({"s_ids": [7], "shop_id": 4_463_798, "pay_time": PAID});
    let good = json!({"tag": "101", "msg_id": "good", "data": paid.to_string()});
    let opened = json!({"s_id": 7, "aftersale_id": 8, "shop_id": 4_463_798, "apply_time": PAID, "aftersale_type": 7});
    let bad = [
        (json!({"tag": "9999", "msg_id": "a", "data": "{}"}), "unknown_tag"),
        (json!({"tag": "200", "msg_id": "b", "data": opened.to_string()}), "unknown_value"),
        (json!({"tag": "101", "msg_id": "c", "data": {"shop_id": 1, "pay_time": PAID}}), "missing_member"),
        (json!({"tag": "101", "data": paid}), "missing_member"),
        (json!({"tag": "101", "msg_id": "d", "data": "not JSON"}), "malformed_message"),
        (json!({"tag": "101", "msg_id": "e", "data": {"s_ids": [7], "shop_id": 1, "pay_time": 1}}), "unknown_value"),
        (json!("no message"), "malformed_message"),
        // An event that no key could send either: from long before the first day.
        (
            json!({"tag": "101", "msg_id": "f", "data": {"s_ids": [9], "shop_id": 1, "pay_time": "2009-01-01T00:00:00Z"}}),
            "too_old",
        ),
    ];
    let mut all: Vec<Value> = bad.iter().map(|(message, _)| message.clone()).collect();
    all.insert(3, good);
    let body = json!(all).to_string();
    push(&service, &body).await;
    push(&service, &body).await;
    assert_eq!(stored(&service).await, 1, "the good one");
    let mut kept = unread(&service).await;
    kept.reverse();
    let codes: Vec<&str> = kept.iter().map(|one| one["code"].as_str().expect("a code")).collect();
    assert_eq!(codes, bad.iter().map(|(_, code)| *code).collect::<Vec<_>>());
    for (kept, (message, code)) in kept.iter().zip(&bad) {
        let text = kept["message"].as_str().expect("a text");
        assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), *message, "{code}");
    }
    assert_eq!((&kept[0]["tag"], &kept[0]["message_id"]), (&json!("9999"), &json!("a")));
    let broken = "[{\"tag\": 101,";
    push(&service, broken).await;
    let newest = &unread(&service).await[0];
    assert_eq!((&newest["code"], &newest["message"]), (&json!("malformed_json"), &json!(broken)));
    assert_eq!(counted(&service, "other", "unread").await, 5.0, "two of them twice, and one");
    assert_eq!((counted(&service, "101", "stored").await, counted(&service, "101", "repeated").await), (1.0, 1.0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_counts_once_though_its_time_is_that_of_its_receipt() {
    let service = service().await;
    let paid = json!({"s_ids": [7], "shop_id": 4_463_798, "pay_time": PAID});
    push(&service, &message(101, "m-1", &paid)).await;
    let asked = json!({"s_id": 7, "aftersale_id": 8, "shop_id": 4_463_798});
    push(&service, &message(212, "without-a-second", &asked)).await;
    service.advance(chrono::TimeDelta::minutes(10));
    push(&service, &message(212, "without-a-second", &asked)).await;
    push(&service, &message(101, "m-1", &paid)).await;
    assert_eq!((stored(&service).await, unread(&service).await.len()), (2, 0));
    assert_eq!(counted(&service, "212", "repeated").await, 1.0);
    let order = service.read("/v1/shops/shop-7/orders/7").await;
    let types: Vec<&Value> = order["events"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
    assert_eq!(types, [&json!("order.paid"), &json!("arbitration.opened")]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_and_the_list_of_unread_messages_are_for_admins() {
    let choices = Choices { connectors: connectors(), auth_required: true, ..Choices::default() };
    let service = crate::keys::guarded_with(choices).await;
    let (writer, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let body = json!([{"tag": 0, "msg_id": "x", "data": "{}"}]);
    let path = "/v1/push/dd-main?dry_run=true";
    assert_eq!(post(&service, &writer, path, &body).await.0, 403);
    assert_eq!(answer(service.client.post(service.url(path)).bearer_auth("nothing").json(&body)).await.0, 401);
    let list = service.client.get(service.url("/v1/push/dd-main/unread")).bearer_auth(&writer);
    assert_eq!(answer(list).await.0, 403);
    let (admin, _) = make(&service, &["admin"], &[]).await;
    let (status, answered) = post(&service, &admin, path, &body).await;
    assert_eq!((status, &answered["messages"][0]["outcome"]), (200, &json!("ignored")), "{answered}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_nothing_is_acknowledged_and_afterwards_all_is_counted_once() {
    let choices = Choices { connectors: connectors(), ..Choices::default() };
    let (service, proxy) = service_behind("push", choices).await;
    let one = json!({"tag": "101", "msg_id": "m-1", "data": {"s_ids": [1], "shop_id": 1, "pay_time": PAID}});
    let other = json!({"tag": "101", "msg_id": "m-2", "data": {"s_ids": [2], "shop_id": 1, "pay_time": PAID}});
    let unknown = json!({"tag": "9999", "msg_id": "m-3", "data": {}});
    push(&service, &json!([one]).to_string()).await;
    // What was stored before, what is new, and what is only kept: each needs the store.
    for messages in [json!([one, other]), json!([unknown])] {
        let body = messages.to_string();
        proxy.set(Mode::Cut);
        let answered = push_as(&service, "dd-main", body.as_bytes(), Some(&signed_md5(body.as_bytes()))).await;
        assert_eq!((answered.0, &answered.1["code"]), (503, &Value::Null), "{messages}: {answered:?}");
        proxy.set(Mode::Pass);
        while push_as(&service, "dd-main", body.as_bytes(), Some(&signed_md5(body.as_bytes()))).await.0 == 503 {}
    }
    assert_eq!((stored(&service).await, unread(&service).await.len()), (2, 1));
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    let faulty = r#"
[[connector]]
id = "a b"
platform = "kaola"
app_key = ""
secret_env = "NOTHING"
sign_method = "sha1"
shops = { "1" = "a,b" }
reasons = { "78" = "bad" }

[[connector]]
id = "x"
platform = "doudian"
app_key = "k"
secret_file = "empty"

[[connector]]
id = "x"
platform = "doudian"
app_key = "k"

[[connector]]
id = "y"
platform = "tiktok"
sign_method = "md5"
secret_env = "PUSH_SECRET"
"#;
    let faults: Vec<ConnectorFault> = file::parse(faulty, &Kept).expect_err("faults");
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [3, 4, 6, 7, 8, 9, 15, 17, 18, 22, 25], "{faults:#?}");
    assert_eq!(file::parse("", &Kept).expect_err("none").len(), 1);
    assert_eq!(
        file::parse("[[connector]]\nname = 1\n", &Kept).expect_err("a member").first().map(|fault| fault.line),
        Some(2)
    );
    assert!(!format!("{:?}", connectors()).contains(SECRET), "a secret is never printed");
}
