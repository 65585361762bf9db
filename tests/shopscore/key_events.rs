//! Who may send which events: shops of a key, what buyers and the platform say, and taking events back.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shopscore::domain::event::EventType;

use crate::keys::{get, guarded, make, post};
use crate::support::TestService;

fn event(id: &str, event_type: &str, shop: &str, data: &Value) -> Value {
    json!({"id": id, "type": event_type, "shop_id": shop, "time": "2026-11-08T10:00:00+08:00", "data": data})
}

/// What the merchant says, as the contract has it.
fn merchant_facts() -> Vec<(&'static str, Value)> {
    let order = || json!({"order_id": "o-1", "product_id": "p-1", "aftersale_id": "a-1"});
    let (session, product) = (json!({"session_id": "im-1"}), json!({"product_id": "p-1"}));
    let mut facts: Vec<(&str, Value)> = [
        "order.paid",
        "order.shipped",
        "order.picked_up",
        "order.signed",
        "order.confirmed",
        "order.cancelled",
        "aftersale.awaiting_merchant",
        "aftersale.merchant_responded",
        "order.described",
    ]
    .map(|event_type| (event_type, order()))
    .into();
    facts
        .extend(["im.session_started", "im.replied", "im.handed_over"].map(|event_type| (event_type, session.clone())));
    facts.push(("order.promised", json!({"order_id": "o-1", "deliver_by": "2026-11-12T20:00:00+08:00"})));
    facts.extend(["product.listed", "product.delisted"].map(|event_type| (event_type, product.clone())));
    facts
}

/// What buyers and the platform say.
fn facts_of_others() -> Vec<(&'static str, Value)> {
    let review = json!({"order_id": "o-1", "review_id": "r-1", "product_stars": 1});
    let opened = json!({"order_id": "o-1", "aftersale_id": "a-1", "kind": "return_refund", "reason": "quality"});
    vec![
        ("review.posted", review.clone()),
        ("review.revised", review),
        ("im.rated", json!({"session_id": "im-1", "stars": 1})),
        ("complaint.filed", json!({"order_id": "o-1", "complaint_id": "k-1"})),
        ("complaint.withdrawn", json!({"order_id": "o-1", "complaint_id": "k-1"})),
        ("arbitration.decided", json!({"order_id": "o-1", "aftersale_id": "a-1", "liable": "merchant"})),
        ("aftersale.opened", opened.clone()),
        ("aftersale.modified", opened),
        ("arbitration.opened", json!({"order_id": "o-1", "aftersale_id": "a-1"})),
        ("im.asked", json!({"session_id": "im-1"})),
        ("aftersale.completed", json!({"order_id": "o-1", "aftersale_id": "a-1", "outcome": "refunded"})),
    ]
}

/// Events of a shop, whose ids are their types.
fn events_of(shop: &str, facts: &[(&str, Value)]) -> Vec<Value> {
    facts.iter().map(|(event_type, data)| event(event_type, event_type, shop, data)).collect()
}

/// Id, code and pointer of what a batch did not accept, all of which must be rejected.
fn refused(answer: &Value) -> Vec<(&str, &str, &str)> {
    let results = answer["results"].as_array().expect("results");
    assert!(results.iter().all(|result| result["outcome"] == "rejected"), "{answer}");
    results.iter().map(|result| (word(result, "id"), word(result, "code"), word(result, "pointer"))).collect()
}

fn word<'a>(result: &'a Value, name: &str) -> &'a str {
    result[name].as_str().unwrap_or_default()
}

/// The sum of a column of a shop's daily counts.
async fn counted(service: &TestService, shop: &str, column: &'static str) -> i64 {
    let sql = format!("select coalesce(sum({column}), 0) from daily_count where subject_kind = 1 and subject_id = $1");
    let mut connection = service.context.store.read.acquire().await.expect("a connection");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(shop).fetch_one(&mut *connection).await.expect("a sum")
}

#[test]
fn every_event_type_is_the_merchants_or_somebody_elses_or_a_retraction() {
    let named: BTreeSet<&str> = EventType::ALL.into_iter().map(EventType::as_str).collect();
    let mut sorted: BTreeSet<&str> = merchant_facts().iter().chain(&facts_of_others()).map(|fact| fact.0).collect();
    sorted.insert("event.retracted");
    assert_eq!(sorted, named);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_bound_to_shops_sends_the_merchants_facts_of_those_shops() {
    let service = guarded().await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1", "s-2"]).await;
    let mut batch = events_of("s-1", &merchant_facts());
    batch.extend(events_of("s-1", &facts_of_others()));
    batch.push(event("elsewhere", "order.paid", "s-9", &json!({"order_id": "o-1", "product_id": "p-1"})));
    batch.push(event("both", "im.rated", "s-9", &json!({"session_id": "im-1", "stars": 1})));
    batch.push(event("second", "order.shipped", "s-2", &json!({"order_id": "o-1"})));
    let (status, answer) = post(&service, &merchant, "/v1/events", &json!(batch)).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(merchant_facts().len() + 1)), "{answer}");
    let mut wanted: Vec<(&str, &str, &str)> = Vec::new();
    wanted.extend(facts_of_others().iter().map(|fact| (fact.0, "forbidden_type", "/type")));
    wanted.push(("elsewhere", "forbidden_shop", "/shop_id"));
    wanted.push(("both", "forbidden_shop", "/shop_id"));
    assert_eq!(refused(&answer), wanted);
    assert_eq!(service.get("/v1/shops/s-9").await.0, 404, "nothing of another's shop was stored");

    let own = merchant_facts().len();
    let elsewhere = own + facts_of_others().len();
    for (sent, code) in [(&batch[own], "forbidden_type"), (&batch[elsewhere], "forbidden_shop")] {
        let (status, problem) = post(&service, &merchant, "/v1/events", sent).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!(code)), "{sent}");
    }
    let atomic = json!([event("new", "order.shipped", "s-2", &json!({"order_id": "o-2"})), batch[elsewhere]]);
    let (status, problem) = post(&service, &merchant, "/v1/events?atomic=true", &atomic).await;
    assert_eq!((status, &problem["results"][0]["code"]), (422, &json!("forbidden_shop")), "{problem}");
    let (status, _) = post(&service, &merchant, "/v1/events", &atomic[0]).await;
    assert_eq!(status, 201, "the atomic batch had written nothing");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_is_for_keys_with_the_scope_relay_and_for_keys_of_all_shops() {
    let service = guarded().await;
    let (relay, _) = make(&service, &["events:write", "events:relay"], &["s-1"]).await;
    let (platform, _) = make(&service, &["events:write"], &[]).await;
    for (key, shop) in [(&relay, "s-1"), (&platform, "s-2")] {
        let mut batch = events_of(shop, &merchant_facts());
        batch.extend(events_of(shop, &facts_of_others()));
        let (status, answer) = post(&service, key, "/v1/events", &json!(batch)).await;
        assert_eq!((status, &answer["accepted"], refused(&answer).len()), (200, &json!(batch.len()), 0), "{answer}");
        assert_eq!(counted(&service, shop, "reviews").await, 1);
    }
    let elsewhere = events_of("s-2", &facts_of_others());
    let (_, answer) = post(&service, &relay, "/v1/events", &json!(elsewhere)).await;
    assert!(refused(&answer).iter().all(|fault| fault.1 == "forbidden_shop"), "{answer}");
    assert_eq!(answer["rejected"], json!(facts_of_others().len()));
    // The scope to relay is none to send.
    let (only_relay, _) = make(&service, &["events:relay"], &["s-1"]).await;
    assert_eq!(post(&service, &only_relay, "/v1/events", &elsewhere[0]).await.0, 403);
    assert_eq!(get(&service, &relay, "/v1/shops/s-1/score").await.0, 403, "nor does sending read");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_key_takes_back_the_merchants_facts_and_no_others() {
    let service = guarded().await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
    let (relay, _) = make(&service, &["events:write", "events:relay"], &["s-1"]).await;
    let order = |id: &str| json!({"order_id": id, "product_id": "p-1"});
    let review = |id: &str, order: &str| {
        let data = json!({"order_id": order, "review_id": "r", "product_stars": 1});
        event(id, "review.posted", "s-1", &data)
    };
    let retract = |id: &str, order: &str, target: &str| {
        event(id, "event.retracted", "s-1", &json!({"order_id": order, "event_id": target}))
    };
    let placed =
        |id: &str| [event("paid", "order.paid", "s-1", &order(id)), event("signed", "order.signed", "s-1", &order(id))];
    let placed: Vec<Value> = ["o-1", "o-2", "o-3"].into_iter().flat_map(placed).collect();
    assert_eq!(post(&service, &merchant, "/v1/events", &json!(placed)).await.1["accepted"], json!(6));
    assert_eq!(post(&service, &relay, "/v1/events", &review("review-1", "o-1")).await.0, 201);
    assert_eq!(counted(&service, "s-1", "reviews").await, 1);

    // A review that a relay stored, and an event that is not known: it may yet turn out to be a review.
    let batch = json!([retract("back-1", "o-1", "review-1"), retract("back-2", "o-2", "review-2")]);
    let (status, answer) = post(&service, &merchant, "/v1/events", &batch).await;
    let forbidden = |id| (id, "forbidden_type", "/data/event_id");
    assert_eq!((status, refused(&answer)), (200, vec![forbidden("back-1"), forbidden("back-2")]));
    let (status, problem) = post(&service, &merchant, "/v1/events", &batch[0]).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("forbidden_type")));
    assert_eq!(counted(&service, "s-1", "reviews").await, 1, "the review still counts");
    assert_eq!(post(&service, &relay, "/v1/events", &review("review-2", "o-2")).await.0, 201);
    assert_eq!(counted(&service, "s-1", "reviews").await, 2, "nothing lay in wait for the other one");

    // What the merchant said goes; beside its target in a batch, in either order.
    assert_eq!(counted(&service, "s-1", "signed_orders").await, 3);
    assert_eq!(post(&service, &merchant, "/v1/events", &retract("back-3", "o-3", "signed")).await.0, 201);
    assert_eq!(counted(&service, "s-1", "signed_orders").await, 2);
    let signed = |id: &str| event(id, "order.signed", "s-1", &order("o-3"));
    let batch = json!([
        signed("signed-2"),
        retract("back-4", "o-3", "signed-2"),
        retract("back-5", "o-3", "signed-3"),
        signed("signed-3"),
    ]);
    assert_eq!(post(&service, &merchant, "/v1/events", &batch).await.1["accepted"], json!(4));
    assert_eq!(counted(&service, "s-1", "signed_orders").await, 2);

    // A refused retraction left no trace: a relay may send it under the same id, and everything else.
    let batch = json!([retract("back-1", "o-1", "review-1"), retract("back-6", "o-2", "unknown")]);
    assert_eq!(post(&service, &relay, "/v1/events", &batch).await.1["accepted"], json!(2));
    assert_eq!(counted(&service, "s-1", "reviews").await, 1);
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retraction_that_is_refused_makes_no_room_for_one_that_lies_in_wait() {
    let service = guarded().await;
    let (merchant, _) = make(&service, &["events:write"], &["s-1"]).await;
    let order = json!({"order_id": "o-1", "product_id": "p-1"});
    let retract =
        |id: &str, target: &str| event(id, "event.retracted", "s-1", &json!({"order_id": "o-1", "event_id": target}));
    // The first is refused, and its id is free again for the review that the second would take back.
    let batch = json!([
        event("paid", "order.paid", "s-1", &order),
        event("signed", "order.signed", "s-1", &order),
        retract("review-1", "unknown"),
        retract("trap", "review-1"),
    ]);
    let (_, answer) = post(&service, &merchant, "/v1/events", &batch).await;
    assert_eq!(refused(&answer).first(), Some(&("review-1", "forbidden_type", "/data/event_id")));
    let data = json!({"order_id": "o-1", "review_id": "r", "product_stars": 1});
    assert_eq!(service.post("/v1/events", &event("review-1", "review.posted", "s-1", &data)).await.0, 201);
    assert_eq!(counted(&service, "s-1", "reviews").await, 1, "{answer}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_keeps_the_key_that_first_sent_it() {
    let service = guarded().await;
    let (first, first_id) = make(&service, &["events:write"], &["s-1"]).await;
    let (second, second_id) = make(&service, &["events:write"], &[]).await;
    let shipped = |id: &str| event(id, "order.shipped", "s-1", &json!({"order_id": "o-1"}));
    assert_eq!(post(&service, &first, "/v1/events", &shipped("e-1")).await.0, 201);
    let (_, answer) = post(&service, &second, "/v1/events", &json!([shipped("e-1"), shipped("e-2")])).await;
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(1)));
    let open = TestService::start().await;
    assert_eq!(open.post("/v1/events", &shipped("e-1")).await.0, 201);
    for (service, wanted) in [
        (service, vec![("e-1".to_owned(), Some(first_id)), ("e-2".to_owned(), Some(second_id))]),
        (open, vec![("e-1".to_owned(), None)]),
    ] {
        let mut connection = service.context.store.read.acquire().await.expect("a connection");
        let kept = sqlx::query_as("select event_id, key_id from event order by event_id");
        let kept: Vec<(String, Option<i32>)> = kept.fetch_all(&mut *connection).await.expect("events");
        assert_eq!(kept, wanted);
        drop(connection);
        service.stop().await;
    }
}
