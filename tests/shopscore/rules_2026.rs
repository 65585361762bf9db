//! The facts, metrics and rule sets of 2026, counted by hand (scoring law §10-13).

use std::sync::Arc;

use serde_json::{Value, json};
use shopscore::domain::rules::file;

use crate::support::{Choices, TestService, date};

/// Builds events of one shop, each with an id of its own.
#[derive(Default)]
struct Events(Vec<String>);

impl Events {
    /// At a local time such as `11-03 07:00:00`.
    fn add(&mut self, event_type: &str, at: &str, data: Value) -> &mut Events {
        let (day, time) = at.split_once(' ').expect("a day and a time");
        let event = json!({
            "id": format!("e{:03}", self.0.len()), "type": event_type, "shop_id": "s",
            "time": format!("2026-{day}T{time}+08:00"), "data": data,
        });
        self.0.push(event.to_string());
        self
    }

    fn order(&mut self, id: &str, paid: &str, extra: Value) -> &mut Events {
        let mut data = json!({"order_id": id});
        data.as_object_mut().expect("data").extend(extra.as_object().expect("data").clone());
        self.add("order.paid", paid, data)
    }

    /// An event of an order without further data.
    fn of(&mut self, id: &str, event_type: &str, at: &str) -> &mut Events {
        self.add(event_type, at, json!({"order_id": id}))
    }

    fn promise(&mut self, id: &str, at: &str, deliver_by: &str) -> &mut Events {
        let (day, time) = deliver_by.split_once(' ').expect("a day and a time");
        let deliver_by = format!("2026-{day}T{time}+08:00");
        self.add("order.promised", at, json!({"order_id": id, "deliver_by": deliver_by}))
    }

    fn case(&mut self, order: &str, id: &str, event_type: &str, at: &str, extra: Value) -> &mut Events {
        let mut data = json!({"order_id": order, "aftersale_id": id});
        data.as_object_mut().expect("data").extend(extra.as_object().expect("data").clone());
        self.add(event_type, at, data)
    }

    fn open(&mut self, order: &str, id: &str, at: &str, kind: &str, reason: &str) -> &mut Events {
        self.case(order, id, "aftersale.opened", at, json!({"kind": kind, "reason": reason}))
    }

    fn session(&mut self, id: &str, marks: &[(&str, &str)]) -> &mut Events {
        for (event_type, at) in marks {
            let channel = event_type.strip_prefix("im.session_started ");
            let mut data = json!({"session_id": id});
            if let Some(channel) = channel {
                data["channel"] = json!(channel);
            }
            self.add(event_type.split(' ').next().expect("a type"), at, data);
        }
        self
    }
}

/// Numerator and denominator of a metric of the shop under the estimate of 2026.
async fn counted(events: &Events, metric: &str) -> (i64, i64) {
    let service = TestService::start().await;
    let answer = service.send(&events.0).await;
    assert_eq!(answer["rejected"], 0, "{answer}");
    service.assert_counts_equal_a_rebuild().await;
    service.run(date("2026-11-20")).await;
    let metrics = service.read("/v1/shops/s/metrics?rule_set=douyin-2026-09").await;
    let all = metrics["metrics"].as_array().expect("metrics");
    let found = all.iter().find(|one| one["id"] == metric).unwrap_or_else(|| panic!("no {metric} in {metrics}"));
    let counts = [("numerator", &found["numerator"]), ("denominator", &found["denominator"])];
    let [numerator, denominator] = counts.map(|(_, count)| count.as_i64().expect("a count"));
    // Behind every count are its records.
    for (side, count) in counts {
        let path = format!("/v1/shops/s/metrics/{metric}/records?side={side}&rule_set=douyin-2026-09");
        let records = service.read(&path).await;
        let amounts = records["items"].as_array().expect("records").iter().map(|record| record["amount"].as_i64());
        let sum: i64 = amounts.map(|amount| amount.expect("an amount")).sum();
        assert_eq!(Some(sum), count.as_i64(), "{side} of {metric}: {records}");
    }
    service.stop().await;
    (numerator, denominator)
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_stop_the_clock_of_pick_ups() {
    let mut events = Events::default();
    for (id, paid, picked_up) in [
        // 3,600 s: the evening begins a second later.
        ("o1", "11-01 17:59:59", "11-01 18:59:59"),
        // 0 s: waits from 06:00 on, and is picked up before.
        ("o2", "11-01 18:00:00", "11-02 05:00:00"),
        // 1,800 s: the morning is of the same day.
        ("o3", "11-02 05:59:59", "11-02 06:30:00"),
        // 3,600 s: the morning is of the next day.
        ("o4", "11-02 23:00:00", "11-03 07:00:00"),
        // 1 s: no night at all.
        ("o5", "11-03 06:00:00", "11-03 06:00:01"),
    ] {
        events.order(id, paid, json!({})).of(id, "order.picked_up", picked_up);
    }
    // Left out: before the window, in advance of stock, without a parcel, and virtual goods.
    events.order("o6", "10-20 12:00:00", json!({})).of("o6", "order.picked_up", "10-20 13:00:00");
    events.order("o7", "11-01 12:00:00", json!({"presale": true})).of("o7", "order.picked_up", "11-01 13:00:00");
    events.order("o8", "11-01 12:00:00", json!({"needs_shipping": false})).of(
        "o8",
        "order.picked_up",
        "11-01 13:00:00",
    );
    events.order("o9", "11-01 12:00:00", json!({"kind": "virtual"})).of("o9", "order.picked_up", "11-01 13:00:00");
    assert_eq!(counted(&events, "pickup_duration").await, (3_600 + 1_800 + 3_600 + 1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_promise_before_the_sign_off_is_kept_to_the_exact_instant() {
    let mut events = Events::default();
    // On time: the last promise names the very second, whatever was promised before it, or after the sign-off.
    events.order("o1", "11-01 10:00:00", json!({})).of("o1", "order.shipped", "11-01 12:00:00");
    events.promise("o1", "11-01 10:00:00", "11-02 00:00:00").promise("o1", "11-03 10:00:00", "11-04 12:00:00");
    events.of("o1", "order.signed", "11-04 12:00:00").promise("o1", "11-04 12:00:01", "11-02 00:00:00");
    // Late by a second.
    events.order("o2", "11-01 10:00:00", json!({})).of("o2", "order.shipped", "11-01 12:00:00");
    events.promise("o2", "11-01 10:00:00", "11-04 12:00:00").of("o2", "order.signed", "11-04 12:00:01");
    // Not delivered yet, and due.
    events.order("o3", "11-01 10:00:00", json!({})).of("o3", "order.shipped", "11-01 12:00:00");
    events.promise("o3", "11-01 10:00:00", "11-19 23:59:59");
    // Due on the score date; not shipped; virtual; and never paid.
    events.order("o4", "11-01 10:00:00", json!({})).of("o4", "order.shipped", "11-01 12:00:00");
    events.promise("o4", "11-01 10:00:00", "11-20 00:00:00");
    events.order("o5", "11-01 10:00:00", json!({})).promise("o5", "11-01 10:00:00", "11-04 12:00:00");
    events.order("o6", "11-01 10:00:00", json!({"kind": "virtual"})).of("o6", "order.shipped", "11-01 12:00:00");
    events.promise("o6", "11-01 10:00:00", "11-04 12:00:00");
    events.of("o7", "order.shipped", "11-01 12:00:00").promise("o7", "11-01 10:00:00", "11-04 12:00:00");
    assert_eq!(counted(&events, "on_time_delivery_rate").await, (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_judged_by_its_first_case_and_what_that_became() {
    let mut events = Events::default();
    for id in ["o1", "o2", "o3", "o4", "o5", "o6"] {
        events.order(id, "11-01 10:00:00", json!({})).of(id, "order.signed", "11-03 10:00:00");
    }
    // Quality, of a case that is not completed.
    events.open("o1", "a", "11-05 10:00:00", "refund_only", "quality");
    // The first case is another one, though its id sorts last.
    events.open("o2", "a", "11-06 10:00:00", "return_refund", "quality");
    events.open("o2", "b", "11-05 10:00:00", "refund_only", "other");
    // It became one of quality, then the completion closed it; what was said later does not count.
    events.open("o3", "a", "11-05 10:00:00", "return_refund", "other");
    events.case("o3", "a", "aftersale.modified", "11-05 11:00:00", json!({"reason": "quality"}));
    events.case("o3", "a", "aftersale.completed", "11-06 10:00:00", json!({"outcome": "refunded"}));
    events.case("o3", "a", "aftersale.modified", "11-07 10:00:00", json!({"reason": "other"}));
    // It became another one before it was opened, which says nothing.
    events.case("o4", "a", "aftersale.modified", "11-04 10:00:00", json!({"reason": "other"}));
    events.open("o4", "a", "11-05 10:00:00", "return_refund", "quality");
    // Broken: a return, and one that became a return.
    events.open("o5", "a", "11-05 10:00:00", "return_refund", "breakage");
    events.open("o6", "a", "11-05 10:00:00", "refund_only", "breakage");
    assert_eq!(counted(&events, "first_quality_return_rate").await, (3, 6));
    assert_eq!(counted(&events, "breakage_return_rate").await, (1, 6));
    events.case("o6", "a", "aftersale.modified", "11-05 11:00:00", json!({"kind": "return_refund"}));
    assert_eq!(counted(&events, "breakage_return_rate").await, (2, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refunded_case_waits_for_its_first_response_but_not_at_night() {
    let mut events = Events::default();
    events.order("o", "11-01 10:00:00", json!({}));
    for (id, opened, responded, completed, outcome) in [
        // 60 s: the night begins a second later.
        ("a", "11-05 22:59:59", Some("11-05 23:00:59"), "11-06 10:00:00", "refunded"),
        // 0 s: answered in the night.
        ("b", "11-05 23:00:00", Some("11-06 07:00:00"), "11-06 10:00:00", "refunded"),
        // 120 s: from the morning of its own day on.
        ("c", "11-06 07:59:59", Some("11-06 08:02:00"), "11-06 10:00:00", "refunded"),
        // 7,200 s: to the completion, without a response.
        ("d", "11-06 08:00:00", None, "11-06 10:00:00", "refunded"),
        // 7,200 s: a response before the opening, or after the completion, is none.
        ("e", "11-06 08:00:00", Some("11-06 11:00:00"), "11-06 10:00:00", "refunded"),
        ("f", "11-06 08:00:00", None, "11-06 10:00:00", "rejected"),
    ] {
        events.open("o", id, opened, "refund_only", "other");
        if let Some(responded) = responded {
            events.case("o", id, "aftersale.merchant_responded", responded, json!({}));
        }
        events.case("o", id, "aftersale.completed", completed, json!({"outcome": outcome}));
    }
    assert_eq!(counted(&events, "aftersale_review_duration").await, (60 + 120 + 2 * 7_200, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_lasts_from_a_question_to_the_next_answer_and_ten_minutes_at_most() {
    let human = "im.session_started human";
    let mut events = Events::default();
    // 30 + 60 s: a second question in an open round is none, and neither is an answer without one.
    events.session(
        "s1",
        &[
            ("im.replied", "11-05 09:59:00"),
            (human, "11-05 10:00:00"),
            ("im.asked", "11-05 10:00:10"),
            ("im.replied", "11-05 10:00:30"),
            ("im.replied", "11-05 10:01:00"),
            ("im.asked", "11-05 10:02:00"),
            (human, "11-05 10:02:30"),
            // Nobody handed this session over, so this is no question.
            ("im.handed_over", "11-05 10:02:40"),
            ("im.replied", "11-05 10:03:00"),
        ],
    );
    // 600 + 600 s: one that takes longer, and one that nobody ends.
    events
        .session("s2", &[(human, "11-05 10:00:00"), ("im.replied", "11-05 11:00:00"), ("im.asked", "11-05 11:00:00")]);
    // 10 s: the first round opens at night and does not count.
    events.session(
        "s3",
        &[
            (human, "11-05 07:59:59"),
            ("im.replied", "11-05 08:00:05"),
            ("im.asked", "11-05 22:59:59"),
            ("im.replied", "11-05 23:00:09"),
        ],
    );
    // 20 + 40 s: from the hand-over on, and a further one asks again.
    events.session(
        "s4",
        &[
            ("im.session_started bot", "11-05 10:00:00"),
            ("im.asked", "11-05 10:00:30"),
            ("im.handed_over", "11-05 10:01:00"),
            ("im.replied", "11-05 10:01:20"),
            ("im.handed_over", "11-05 10:02:00"),
            ("im.replied", "11-05 10:02:40"),
        ],
    );
    // A bot alone.
    events.session("s5", &[("im.session_started bot", "11-05 10:00:00"), ("im.asked", "11-05 10:00:30")]);
    assert_eq!(counted(&events, "im_reply_duration").await, (30 + 60 + 600 + 600 + 10 + 20 + 40, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_in_which_the_platform_stepped_in_counts_from_its_opening_on() {
    let mut events = Events::default();
    events.order("o", "11-01 10:00:00", json!({}));
    events.open("o", "a", "11-05 10:00:00", "refund_only", "other");
    events.case("o", "a", "arbitration.opened", "11-06 10:00:00", json!({}));
    events.open("o", "b", "11-05 10:00:00", "refund_only", "other");
    events.case("o", "b", "arbitration.decided", "11-18 10:00:00", json!({"liable": "buyer"}));
    events.open("o", "c", "11-19 23:59:59", "exchange", "other");
    // Opened on the score date; not opened; and of an order that was never paid.
    events.open("o", "d", "11-20 00:00:00", "exchange", "other");
    events.case("o", "e", "arbitration.opened", "11-06 10:00:00", json!({}));
    events.open("p", "f", "11-05 10:00:00", "refund_only", "other");
    assert_eq!(counted(&events, "platform_help_rate").await, (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_payment_leaves_out_is_looked_up_and_what_it_says_stays() {
    let mut events = Events::default();
    let described = |events: &mut Events, id: &str, at: &str, extra: Value| {
        let mut data = json!({"order_id": id});
        data.as_object_mut().expect("data").extend(extra.as_object().expect("data").clone());
        events.add("order.described", at, data);
    };
    for id in ["o1", "o2", "o3"] {
        let paid =
            if id == "o2" { json!({"product_id": "p1", "kind": "physical"}) } else { json!({"product_id": null}) };
        events.order(id, "11-01 10:00:00", paid).of(id, "order.confirmed", "11-03 10:00:00");
    }
    // The earliest that names an attribute, each attribute by itself, and long before the payment.
    described(&mut events, "o1", "10-01 10:00:00", json!({"kind": "virtual", "creator_id": null}));
    described(&mut events, "o1", "11-02 10:00:00", json!({"kind": "physical", "product_id": "p1", "creator_id": "c"}));
    described(&mut events, "o2", "11-02 10:00:00", json!({"kind": "virtual", "product_id": "p2"}));
    let service = TestService::start().await;
    assert_eq!(service.send(&events.0).await["rejected"], 0);
    service.assert_counts_equal_a_rebuild().await;
    service.run(date("2026-11-20")).await;
    let score = service.read("/v1/shops/s/score?rule_set=douyin-2026-09").await;
    assert_eq!((&score["signed_orders"], &score["volume"]["count"]), (&json!(1), &json!(3)), "o1 alone is virtual");
    let creator = service.read("/v1/creators/c/score").await;
    assert_eq!(creator["signed_orders"], 1);
    let products = service.read("/v1/shops/s/products?sort=paid_orders").await;
    let paid: Vec<(&Value, &Value)> = products["items"]
        .as_array()
        .expect("products")
        .iter()
        .map(|product| (&product["product_id"], &product["paid_orders"]))
        .collect();
    assert_eq!(paid, [(&json!("p1"), &json!(2))], "o3 has no product");
    for (side, expected) in [("numerator", 0), ("denominator", 2)] {
        let path = format!(
            "/v1/shops/s/metrics/breakage_return_rate/records?side={side}&product_id=p1&rule_set=douyin-2026-09"
        );
        assert_eq!(service.read(&path).await["items"].as_array().map(Vec::len), Some(expected), "{side}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_too_far_ahead_and_a_change_that_says_nothing_are_refused() {
    let service = TestService::start().await;
    for (event_type, data, code, pointer) in [
        (
            "order.promised",
            json!({"order_id": "o", "deliver_by": "2027-11-09T02:00:01Z"}),
            "invalid_value",
            "/data/deliver_by",
        ),
        ("order.promised", json!({"order_id": "o", "deliver_by": "2026-11-09"}), "invalid_time", "/data/deliver_by"),
        (
            "order.promised",
            json!({"order_id": "o", "deliver_by": "2026-11-09T10:00:00+16:00"}),
            "invalid_time",
            "/data/deliver_by",
        ),
        ("order.promised", json!({"order_id": "o"}), "missing_field", "/data/deliver_by"),
        ("aftersale.modified", json!({"order_id": "o", "aftersale_id": "a", "kind": null}), "missing_field", "/data"),
        (
            "aftersale.modified",
            json!({"order_id": "o", "aftersale_id": "a", "reason": "broken"}),
            "invalid_value",
            "/data/reason",
        ),
    ] {
        let event =
            json!({"id": "e", "type": event_type, "shop_id": "s", "time": "2026-11-08T02:00:00Z", "data": data});
        let (status, answer) = service.post("/v1/events", &event).await;
        assert_eq!(status, 422, "{event}");
        assert_eq!((&answer["errors"][0]["code"], &answer["errors"][0]["pointer"]), (&json!(code), &json!(pointer)));
    }
    let event = json!({"id": "e", "type": "order.promised", "shop_id": "s", "time": "2026-11-08T02:00:00Z",
                       "data": {"order_id": "o", "deliver_by": "2027-11-09T02:00:00Z"}});
    assert_eq!(service.post("/v1/events", &event).await.0, 201, "366 days");
    service.stop().await;
}

/// A rule set of one metric: each bad review of ten costs ten points of a hundred.
fn simple(extra: &str) -> String {
    format!(
        r#"
        id = "simple"
        kind = "shop"
        title = {{ en = "Simple", zh = "简单" }}
        scale = {{ min = 0, max = 100 }}
        score_places = 1
        near_window = "near"
        bad_stars_max = 2
        [minimums]
        volume = "paid_orders"
        count = 4
        score_below = 70
        metric_count = 1
        peers = 2
        [windows]
        near = {{ days_ago = [30, 1] }}
        [[dimension]]
        id = "goods"
        title = {{ en = "Goods", zh = "商品" }}
        weight = 1
        [[dimension.metric]]
        id = "bad_review_rate"
        window = "near"
        curve = [[0, 100], [1, 0]]
        [[adjustment]]
        code = "gift"
        title = {{ en = "Gift", zh = "加分" }}
        points = 3
        cap = 7
        [[adjustment]]
        code = "fine"
        title = {{ en = "Fine", zh = "扣分" }}
        points = -15
        [[penalty]]
        code = "warned"
        title = {{ en = "Warned", zh = "警告" }}
        below = 60
        [[penalty]]
        code = "warned"
        title = {{ en = "Warned", zh = "警告" }}
        below = 80
        dimension = "goods"
        [[penalty]]
        code = "removed"
        title = {{ en = "Removed", zh = "清退" }}
        below = 40
        {extra}
        "#
    )
}

/// A service that also has the simple rule set, with so many signed orders of a shop, of which the first have a bad review.
async fn simple_service(shop: &str, orders: usize, bad: usize) -> TestService {
    let mut choices = Choices::default();
    choices.rules.rule_sets.push(Arc::new(file::parse(&simple("")).expect("a valid rule set")));
    let service = TestService::start_with(choices).await;
    send_orders(&service, shop, orders, bad).await;
    service
}

async fn send_orders(service: &TestService, shop: &str, orders: usize, bad: usize) {
    let event = |order: usize, event_type: &str, data: Value| {
        let mut data = data;
        data["order_id"] = json!(format!("o{order}"));
        json!({"id": format!("{event_type}-{order}"), "type": event_type, "shop_id": shop,
               "time": "2026-11-10T10:00:00+08:00", "data": data})
        .to_string()
    };
    let mut events = Vec::new();
    for order in 0..orders {
        events.push(event(order, "order.paid", json!({"product_id": "p"})));
        events.push(event(order, "order.signed", json!({})));
        if order < bad {
            events.push(event(order, "review.posted", json!({"review_id": "r", "product_stars": 1})));
        }
    }
    assert_eq!(service.send(&events).await["rejected"], 0);
}

async fn adjust(service: &TestService, body: Value) -> (u16, Value) {
    let mut adjustment = json!({"shop_id": "s", "from": "2026-11-01", "reason": "checked", "decided_by": "ops"});
    adjustment.as_object_mut().expect("a body").extend(body.as_object().expect("a body").clone());
    service.post("/v1/adjustments", &adjustment).await
}

async fn score(service: &TestService, of: &str) -> Value {
    service.read(&format!("/v1/shops/s/score?rule_set=simple{of}")).await
}

fn codes(score: &Value) -> Vec<(String, String, String)> {
    let penalties = score["tier"]["penalties"].as_array().expect("penalties");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    penalties.iter().map(|one| (text(&one["code"]), text(&one["below"]), text(&one["dimension"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn adjustments_count_by_date_up_to_their_cap_and_never_beyond_the_scale() {
    // 10 orders, 3 bad: 70 points, and the dimension's penalty.
    let service = simple_service("s", 10, 3).await;
    for (code, from, until) in [
        ("gift", "2026-11-01", Some("2026-11-20")),
        ("gift", "2026-11-20", None),
        ("gift", "2026-11-01", None),
        ("fine", "2026-11-21", None),
        ("fine", "2026-11-01", Some("2026-11-19")),
    ] {
        assert_eq!(adjust(&service, json!({"code": code, "from": from, "until": until})).await.0, 201);
    }
    service.run(date("2026-11-20")).await;
    let card = score(&service, "").await;
    assert_eq!(card["score"].to_string(), "77.0", "70, and three gifts that are worth 7 together");
    assert_eq!(
        card["adjustments"],
        json!([{"code": "gift", "title": {"en": "Gift", "zh": "加分"}, "count": 3, "points": 7}])
    );
    assert_eq!(codes(&card), [("warned".into(), "80".into(), "goods".into())]);
    assert_eq!(
        (&card["tier"]["level"], card["tier"]["next_down"]["margin"].to_string()),
        (&json!(0), "17.0".to_owned())
    );
    assert_eq!(card["status"], "scored");

    // Tomorrow one gift is over, and a fine begins.
    let projected = service.read("/v1/shops/s/score/projected?rule_set=simple").await;
    assert_eq!(
        (projected["score"].to_string(), &projected["adjustments"][0]["code"]),
        ("61.0".to_owned(), &json!("fine"))
    );
    let what_if =
        service.post("/v1/shops/s/score/what-if?rule_set=simple", &json!({"add": {"signed_orders": 90}})).await;
    assert_eq!(
        (what_if.0, what_if.1["score"].to_string()),
        (200, "100.0".to_owned()),
        "97 and 7 are bound to the scale"
    );
    let forecast = service.read("/v1/shops/s/score/forecast?rule_set=simple&days=2").await;
    let days = forecast["days"].as_array().expect("days");
    let shown: Vec<String> = days.iter().map(|day| day["score"].to_string()).collect();
    assert_eq!(shown, ["61.0", "61.0"], "{forecast}");

    // The next date is told apart into parts, of which one is that of adjustments.
    service.advance(chrono::TimeDelta::days(1));
    service.run(date("2026-11-21")).await;
    let changes = service.read("/v1/shops/s/score/changes?rule_set=simple").await;
    assert_eq!(
        (changes["change"].to_string(), changes["clamped"].to_string()),
        ("-16.000000".into(), "0.000000".into())
    );
    assert_eq!(changes["parts"]["adjustments"].to_string(), "-16.000000", "{changes}");

    // Four more fines: below the scale.
    for _ in 0..4 {
        adjust(&service, json!({"code": "fine"})).await;
    }
    service.run(date("2026-11-21")).await;
    let card = score(&service, "").await;
    assert_eq!((card["score"].to_string(), &card["tier"]["level"]), ("1.0".to_owned(), &json!(2)));
    assert_eq!(
        codes(&card),
        [("warned".into(), "60".into(), "null".into()), ("removed".into(), "40".into(), "null".into())]
    );
    adjust(&service, json!({"code": "fine"})).await;
    service.run(date("2026-11-21")).await;
    assert_eq!(score(&service, "").await["score"].to_string(), "0.0");
    let changes = service.read("/v1/shops/s/score/changes?rule_set=simple&from_revision=2").await;
    assert_eq!(
        (changes["change"].to_string(), changes["clamped"].to_string()),
        ("-15.000000".into(), "14.000000".into())
    );
    // A revision keeps what it knew.
    assert_eq!(score(&service, "&revision=1").await["score"].to_string(), "61.0");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_little_volume_a_score_is_given_and_nothing_else() {
    let service = simple_service("s", 3, 3).await;
    adjust(&service, json!({"code": "fine"})).await;
    service.run(date("2026-11-20")).await;
    let card = score(&service, "").await;
    assert_eq!((card["score"].to_string(), &card["status"]), ("55.0".to_owned(), &json!("growth")));
    assert_eq!(card["volume"], json!({"measure": "paid_orders", "count": 3, "minimum": 4}));
    assert_eq!((&card["needed"], &card["dimensions"][0]["score"]), (&json!(4), &Value::Null));
    assert_eq!(codes(&card), [("warned".into(), "60".into(), "null".into())], "by the score alone");
    let fleet = async |status: &str| {
        let page = service.read(&format!("/v1/scores?kind=shops&rule_set=simple&status={status}")).await;
        page["items"].as_array().expect("items").len()
    };
    assert_eq!((fleet("growth").await, fleet("scored").await, fleet("insufficient_volume").await), (1, 0, 0));
    let summary = service.read("/v1/scores/summary?kind=shops&rule_set=simple").await;
    assert_eq!((&summary["growth"], &summary["scored"], &summary["subjects"]), (&json!(1), &json!(0), &json!(1)));

    // With a fourth order it is scored, and why it moved cannot be told in parts.
    send_orders(&service, "s", 4, 3).await;
    service.run(date("2026-11-20")).await;
    let card = score(&service, "").await;
    assert_eq!((card["score"].to_string(), &card["status"]), ("10.0".to_owned(), &json!("scored")), "25 less 15");
    let changes = service.read("/v1/shops/s/score/changes?rule_set=simple&from_revision=1").await;
    assert_eq!((&changes["parts"], &changes["change"]), (&Value::Null, &Value::Null));
    assert!(changes["untold"]["en"].as_str().is_some_and(|why| why.contains("too little volume")), "{changes}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_of_adjustments_takes_repeats_keeps_records_and_says_what_is_wrong() {
    let service = simple_service("s", 10, 0).await;
    let wanted = json!({"code": "fine", "id": "a-1", "note": "twice"});
    let (status, made) = adjust(&service, wanted.clone()).await;
    assert_eq!((status, &made["adjustment_id"], &made["active"]), (201, &json!("1"), &json!(true)), "{made}");
    assert_eq!(adjust(&service, wanted).await, (200, made.clone()));
    let (status, problem) = adjust(&service, json!({"code": "gift", "id": "a-1"})).await;
    assert_eq!((status, &problem["adjustment_id"]), (409, &json!("1")), "{problem}");
    for (body, pointer) in [
        (json!({"code": "bribe"}), "/code"),
        (json!({"code": "fine", "until": "2026-10-31"}), "/until"),
        (json!({"code": "fine", "from": "2026-11-31"}), "/from"),
        (json!({"code": "fine", "creator_id": "c"}), "/creator_id"),
        (json!({"code": "fine", "reason": " "}), "/reason"),
    ] {
        let (status, problem) = adjust(&service, body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    // A code that no rule set has any more: what was entered is answered, and what was not is refused.
    let later = TestService::start_on(service.database(), Choices::default()).await;
    assert_eq!(adjust(&later, json!({"code": "fine", "id": "a-1", "note": "twice"})).await, (200, made.clone()));
    for other in [json!({"code": "fine", "id": "a-1"}), json!({"code": "fine", "id": "a-2"}), json!({"code": "fine"})] {
        let (status, problem) = adjust(&later, other).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/code")), "{problem}");
    }
    later.stop().await;
    // It registers nobody.
    assert_eq!(adjust(&service, json!({"shop_id": "t", "code": "fine"})).await.0, 201);
    assert_eq!(service.get("/v1/shops/t").await.0, 404);

    service.run(date("2026-11-20")).await;
    assert_eq!(score(&service, "").await["score"].to_string(), "85.0");
    let revoked = async || {
        let delete = service.client.delete(service.url("/v1/adjustments/1")).json(&json!({"revoked_by": "ops"}));
        crate::support::answer(delete).await
    };
    let (status, record) = revoked().await;
    assert_eq!((status, &record["active"], &record["revoked_by"]), (200, &json!(false), &json!("ops")));
    assert_eq!(revoked().await, (200, record));
    service.run(date("2026-11-20")).await;
    assert_eq!(score(&service, "").await["score"].to_string(), "100.0");
    assert_eq!(score(&service, "&revision=1").await["score"].to_string(), "85.0");
    let listed = async |query: &str| {
        let page = service.read(&format!("/v1/adjustments?{query}")).await;
        let items = page["items"].as_array().expect("items").clone();
        items.into_iter().map(|item| item["adjustment_id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("shop_id=s&active=false").await, ["1"]);
    assert_eq!(listed("code=fine").await.len(), 2);
    assert_eq!(listed("creator_id=c").await, [""; 0]);
    // A code of the other kind of subjects counts nothing, and is known.
    let of_creator =
        json!({"creator_id": "c", "code": "fine", "from": "2026-11-01", "reason": "r", "decided_by": "ops"});
    assert_eq!(service.post("/v1/adjustments", &of_creator).await.0, 201);
    assert_eq!(service.get("/v1/adjustments/99").await.0, 404);
    let audit = service.read("/v1/audit?action=adjustment.revoked").await;
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(1), "{audit}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_is_the_rule_set_that_is_in_force_on_the_date() {
    let mut choices = Choices::default();
    let dated = |id: &str, effective: &str| {
        let text =
            simple("").replace("id = \"simple\"", &format!("id = \"{id}\"\ndefault = true\neffective = {effective}"));
        Arc::new(file::parse(&text).expect("a valid rule set"))
    };
    choices.rules.rule_sets.push(dated("autumn", "{ from = 2026-11-18, last = 2026-11-19 }"));
    choices.rules.rule_sets.push(dated("late", "{ from = 2026-11-19 }"));
    let service = TestService::start_with(choices).await;
    send_orders(&service, "s", 10, 1).await;
    for (day, expected) in
        [("2026-11-17", "shop-v2"), ("2026-11-18", "autumn"), ("2026-11-19", "late"), ("2026-11-20", "late")]
    {
        service.run(date(day)).await;
        let score = service.read("/v1/shops/s/score").await;
        assert_eq!((&score["rule_set"], &score["in_force"]), (&json!(expected), &json!(true)), "{day}");
        let other = service.read("/v1/shops/s/score?rule_set=autumn").await;
        assert_eq!(other["in_force"], json!(["2026-11-18", "2026-11-19"].contains(&day)), "{day}");
    }
    let history = service.read("/v1/shops/s/scores?from=2026-11-17&to=2026-11-20").await;
    let sets: Vec<&Value> =
        history["scores"].as_array().expect("scores").iter().map(|card| &card["rule_set"]).collect();
    assert_eq!(sets, ["shop-v2", "autumn", "late", "late"]);
    service.stop().await;
}

#[test]
fn a_rule_file_says_what_is_wrong_with_its_composition() {
    let faults = |from: &str, to: &str| {
        let text = simple("").replacen(from, to, 1);
        assert_ne!(text, simple(""), "{from}");
        let faults = file::parse(&text).expect_err(to);
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    };
    for (from, to, expected) in [
        ("score_places = 1", "score_places = 3", "score_places is 0 to 2"),
        ("score_places = 1", "effective = { from = 2026-09-09, last = 2026-09-08 }", "from is on or before last"),
        ("score_places = 1", "effective = { from = \"2026-09-09\" }", "date"),
        ("count = 4", "count = 4\nsigned_orders = 4", "not both"),
        ("volume = \"paid_orders\"\n        count = 4", "", "lacks count"),
        ("\"paid_orders\"", "\"paid\"", "no measure is named"),
        ("score_below = 70", "score_below = 101", "on the scale"),
        ("cap = 7", "cap = -7", "sign of the points"),
        ("points = 3", "points = 0", "not 0"),
        ("code = \"fine\"", "code = \"gift\"", "defined twice"),
        ("dimension = \"goods\"", "dimension = \"bads\"", "no dimension"),
        ("curve = [[0", "unit = \"seconds\"\n        curve = [[0", "is no duration"),
    ] {
        let message = faults(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
}
