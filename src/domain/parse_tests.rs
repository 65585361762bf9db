use serde_json::{Value, json};

use super::{Envelope, parse_event, stored_fact};
use crate::domain::event::{EventType, Fact, OrderKind};
use crate::domain::fault::Fault;
use crate::domain::members::UnknownMembers;

fn faults(value: Value) -> Vec<(String, &'static str)> {
    let faults: Vec<Fault> = parse_event(value, Envelope::Native, UnknownMembers::Kept).expect_err("faults");
    faults.into_iter().map(|fault| (fault.pointer, fault.code.as_str())).collect()
}

fn event(event_type: &str, data: Value) -> Value {
    json!({"id": "e", "type": event_type, "shop_id": "s", "time": "2026-11-08T10:00:00+08:00", "data": data})
}

#[test]
fn what_a_payment_leaves_out_is_left_to_descriptions() {
    let data = json!({"order_id": "o", "product_id": "p", "kind": null, "presale": null, "extra": {"kept": 1}});
    let parsed = parse_event(event("order.paid", data), Envelope::Native, UnknownMembers::Kept).expect("sound").event;
    let Fact::OrderPaid { kind, creator_id, presale, needs_shipping, .. } = &parsed.fact else {
        panic!("{:?}", parsed.fact)
    };
    assert_eq!((*kind, creator_id, *presale, *needs_shipping), (None::<OrderKind>, &None, None, None));
    assert!(parsed.data.contains("\"kept\":1"));
    assert_eq!(stored_fact(EventType::OrderPaid, &parsed.data), Some(parsed.fact));
}

#[test]
fn everything_wrong_is_reported_at_once_with_a_pointer_to_each() {
    let sent = json!({"id": "a,b", "type": "review.posted", "time": "yesterday",
        "data": {"order_id": 7, "review_id": "r", "product_stars": 6, "service_stars": "5"}});
    assert_eq!(
        faults(sent),
        [
            ("/id".into(), "invalid_id"),
            ("/shop_id".into(), "missing_field"),
            ("/time".into(), "invalid_time"),
            ("/data/order_id".into(), "wrong_type"),
            ("/data/product_stars".into(), "invalid_value"),
            ("/data/service_stars".into(), "wrong_type"),
        ]
    );
}

#[test]
fn a_retraction_names_one_aggregate_and_not_itself() {
    let code = |data| faults(event("event.retracted", data));
    assert_eq!(code(json!({"event_id": "x"})), [("/data".into(), "missing_field")]);
    assert_eq!(
        code(json!({"event_id": "x", "order_id": "o", "session_id": "s"})),
        [("/data/order_id".into(), "contradiction"), ("/data/session_id".into(), "contradiction")]
    );
    assert_eq!(code(json!({"event_id": "e", "order_id": "o"})), [("/data/event_id".into(), "self_retraction")]);
}

#[test]
fn leap_seconds_nul_characters_and_unknown_types_are_refused() {
    let mut leap = event("order.signed", json!({"order_id": "o"}));
    leap["time"] = json!("2026-12-31T23:59:60Z");
    assert_eq!(faults(leap), [("/time".into(), "invalid_time")]);
    let mut minus = event("order.signed", json!({"order_id": "o"}));
    // The minus sign of mathematics, U+2212, is none of RFC 3339.
    minus["time"] = json!("2026-12-31T23:59:59\u{2212}08:00");
    assert_eq!(faults(minus), [("/time".into(), "invalid_time")]);
    assert_eq!(faults(event("order.signed", json!({"order_id": "o", "x": ["\0"]}))), [("".into(), "nul_character")]);
    assert_eq!(faults(event("order.teleported", json!({"order_id": "o"}))), [("/type".into(), "unknown_type")]);
    assert_eq!(faults(json!([1])), [("".into(), "not_an_object")]);
}

#[test]
fn a_cloud_event_carries_its_shop_in_an_extension() {
    let mut sent = json!({"specversion": "1.0", "source": "/erp", "id": "e", "type": "order.signed", "shopid": "s",
        "time": "2026-11-08T02:00:00.1234567Z", "data": {"order_id": "o"}});
    let parsed = parse_event(sent.clone(), Envelope::CloudEvents, UnknownMembers::Kept).expect("sound").event;
    assert_eq!(parsed.aggregate.shop_id.as_str(), "s");
    assert_eq!(parsed.time.timestamp_subsec_nanos(), 123_456_000);
    sent["specversion"] = json!("0.3");
    let refused = parse_event(sent, Envelope::CloudEvents, UnknownMembers::Kept).expect_err("old version");
    assert_eq!(refused[0].pointer, "/specversion");
}
