//! Webhooks against a real receiver that answers, fails, hangs, redirects and comes back: who is told what, in which order, and
//! that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use shopscore::config::LimitSettings;

use crate::support::receiver::{Message, Mode, Receiver};
use crate::support::{Choices, TestService, answer, date};

/// Networks of this machine are opened, so that the receiver can be reached.
pub fn opened() -> Choices {
    let webhook_allow = vec!["127.0.0.0/8".parse().expect("a network")];
    Choices { limits: LimitSettings { webhook_allow, ..LimitSettings::default() }, ..Choices::default() }
}

/// Events of a shop that is scored: so many signed orders, so many of them with one star.
pub fn trade(shop: &str, orders: usize, bad: usize) -> Vec<String> {
    let event = |order: usize, kind: &str, time: &str, mut data: Value| {
        data["order_id"] = json!(format!("{shop}-{order}"));
        json!({"id": format!("{kind}-{order}"), "type": kind, "shop_id": shop, "time": time, "data": data}).to_string()
    };
    let mut events = Vec::new();
    for order in 0..orders {
        events.push(event(order, "order.paid", "2026-10-31T10:00:00+08:00", json!({"product_id": "p"})));
        events.push(event(order, "order.signed", "2026-11-02T10:00:00+08:00", json!({})));
    }
    events.extend(reviews(shop, 0, bad));
    events
}

/// One-star reviews of the orders of a shop.
pub fn reviews(shop: &str, from: usize, to: usize) -> Vec<String> {
    let review = |order: usize| {
        json!({"id": format!("review-{order}"), "type": "review.posted", "shop_id": shop, "time": "2026-11-04T10:00:00+08:00",
               "data": {"order_id": format!("{shop}-{order}"), "review_id": format!("r-{order}"), "product_stars": 1, "service_stars": 1}})
        .to_string()
    };
    (from..to).map(review).collect()
}

/// A market of twelve scored shops, each a little worse than the one before, and one that is too small.
pub async fn market(service: &TestService) -> Vec<String> {
    let shops: Vec<String> = (0..12).map(|number| format!("s-{number}")).collect();
    for (number, shop) in shops.iter().enumerate() {
        service.send(&trade(shop, 40, number / 2)).await;
    }
    service.send(&trade("small", 3, 0)).await;
    service.register_in(&shops, "food").await;
    shops
}

pub async fn subscribe(service: &TestService, wanted: Value) -> Value {
    let (status, made) = service.post("/v1/webhooks", &wanted).await;
    assert_eq!(status, 201, "{made}");
    made
}

pub fn id_of(made: &Value) -> &str {
    made["webhook_id"].as_str().expect("an id")
}

async fn deliveries(service: &TestService, made: &Value, query: &str) -> Vec<Value> {
    let page = service.read(&format!("/v1/webhooks/{}/deliveries?limit=1000{query}", id_of(made))).await;
    page["items"].as_array().expect("items").clone()
}

/// Waits until so many deliveries of a webhook are in a state.
async fn deliveries_become(service: &TestService, made: &Value, state: &str, wanted: usize) -> Vec<Value> {
    let waiting = async {
        loop {
            let items = deliveries(service, made, &format!("&state={state}")).await;
            if items.len() == wanted {
                return items;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    match waited {
        Ok(items) => items,
        Err(_) => panic!("{wanted} {state}: {:#?}", deliveries(service, made, "").await),
    }
}

/// Waits until what happened to runs is on its way to everybody.
pub async fn all_is_announced(service: &TestService) {
    let left = "select count(*) from announcement where finished_at is null";
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(left).fetch_one(&service.context.store.read).await.expect("a count") > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("everything is announced");
}

/// Waits until everybody is told everything.
async fn all_is_told(service: &TestService) {
    let left = "select (select count(*) from announcement where finished_at is null)
                     + (select count(*) from delivery where state = 'pending')";
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(left).fetch_one(&service.context.store.read).await.expect("a count") > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("everything is told");
}

/// The messages of a type by what they are about.
fn by_subject(messages: &[Message], wanted: &str) -> BTreeMap<String, Value> {
    let of_type = messages.iter().filter(|message| message.about().0 == wanted);
    of_type.map(|message| (message.about().1.to_owned(), message.body["data"].clone())).collect()
}

/// Fails unless a message is signed with a secret (Standard Webhooks 1.0).
fn assert_signed(message: &Message, secret: &Value) {
    let signer = standardwebhooks::Webhook::new(secret.as_str().expect("a secret")).expect("a secret");
    let (id, at) = (message.header("webhook-id"), message.header("webhook-timestamp").parse().expect("a timestamp"));
    let expected = signer.sign(&id, at, message.text.as_bytes()).expect("a signature");
    let signatures = message.header("webhook-signature");
    assert!(signatures.split(' ').any(|one| one == expected), "{signatures} is not {expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_told_of_cards_as_they_are_published_and_of_tiers_that_change() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    let shops = market(&service).await;
    let all = json!({"url": receiver.url("/all"), "events": ["score.published", "tier.changed", "run.published"]});
    let all = subscribe(&service, all).await;
    let one = json!({"url": receiver.url("/one"), "events": ["score.published"], "shop_ids": ["s-3"]});
    subscribe(&service, one).await;
    let creators = json!({"url": receiver.url("/creators"), "events": ["score.published"], "kinds": ["creator"]});
    subscribe(&service, creators).await;
    service.run(date("2026-11-18")).await;
    // Thirteen shops and the run.
    let messages = receiver.wait_for("/all", 14).await;
    let cards = by_subject(&messages, "score.published");
    assert_eq!(cards.len(), 13);
    for shop in &shops {
        let (told, published) = (&cards[shop], service.read(&format!("/v1/shops/{shop}/score")).await);
        let card = &told["card"];
        for name in [
            "date",
            "revision",
            "run_id",
            "rule_set",
            "rule_set_version",
            "status",
            "score",
            "signed_orders",
            "category_id",
        ] {
            assert_eq!(card[name], published[name], "{shop}: {name}");
        }
        for name in ["level", "penalties"] {
            assert_eq!(card["tier"][name], published["tier"][name], "{shop}: {name}");
        }
        assert_eq!((&told["previous"], &told["change"], &told["kind"]), (&Value::Null, &Value::Null, &json!("shop")));
    }
    assert_eq!(
        (&cards["small"]["card"]["status"], &cards["small"]["card"]["tier"]),
        (&json!("insufficient_volume"), &Value::Null)
    );
    assert!(by_subject(&messages, "tier.changed").is_empty(), "nothing was told before");
    let run = &by_subject(&messages, "run.published")[""];
    assert_eq!(
        (&run["date"], &run["state"], &run["subjects"]),
        (&json!("2026-11-18"), &json!("published"), &json!(13))
    );
    messages.iter().for_each(|message| assert_signed(message, &all["secret"]));
    let ids: BTreeSet<String> = messages.iter().map(|message| message.header("webhook-id")).collect();
    assert_eq!(ids.len(), messages.len());

    // The best shop falls; the next date tells it, with both cards.
    service.send(&reviews("s-0", 0, 30)).await;
    service.run(date("2026-11-19")).await;
    all_is_told(&service).await;
    let messages = receiver.messages("/all").split_off(14);
    let changed = by_subject(&messages, "tier.changed");
    assert!(changed.contains_key("s-0"), "{changed:?}");
    let fall = &changed["s-0"];
    let published = service.read("/v1/shops/s-0/score").await;
    assert_eq!(fall["card"]["score"], published["score"]);
    assert_eq!((&fall["previous"]["date"], &fall["rules_changed"]), (&json!("2026-11-18"), &json!(false)));
    let codes = |penalties: &Value| -> Vec<Value> {
        penalties.as_array().expect("penalties").iter().map(|penalty| penalty["code"].clone()).collect()
    };
    assert_eq!(json!(codes(&published["tier"]["penalties"])), fall["gained"]);
    assert!(fall["gained"].as_array().is_some_and(|gained| !gained.is_empty()) && fall["lost"] == json!([]), "{fall}");
    let told = &by_subject(&messages, "score.published")["s-0"];
    let before = service.read("/v1/shops/s-0/score?date=2026-11-18").await;
    assert_eq!(told["previous"]["score"], before["score"]);
    let change = published["score"].as_f64().expect("a score") - before["score"].as_f64().expect("a score");
    assert!((told["change"].as_f64().expect("a change") - change).abs() < 0.001);

    // An older date tells of its run alone; a correction of the newest one tells again, beside what was told last.
    service.run(date("2026-11-17")).await;
    let retracted: Vec<String> = (0..30)
        .map(|order| {
            json!({"id": format!("void-{order}"), "type": "event.retracted", "shop_id": "s-0", "time": "2026-11-19T10:00:00+08:00",
                   "data": {"order_id": format!("s-0-{order}"), "event_id": format!("review-{order}")}})
            .to_string()
        })
        .collect();
    service.send(&retracted).await;
    service.run(date("2026-11-19")).await;
    all_is_told(&service).await;
    let messages = receiver.messages("/all").split_off(14 + 14 + changed.len());
    let runs: Vec<&Value> = messages
        .iter()
        .filter(|message| message.about().0 == "run.published")
        .map(|message| &message.body["data"]["date"])
        .collect();
    assert_eq!(runs, [&json!("2026-11-17"), &json!("2026-11-19")]);
    let back = &by_subject(&messages, "tier.changed")["s-0"];
    assert_eq!(
        (&back["previous"]["revision"], &back["card"]["revision"], &back["lost"]),
        (&json!(1), &json!(2), &fall["gained"])
    );
    let of_one = receiver.wait_for("/one", 3).await;
    assert!(of_one.iter().all(|message| message.about() == ("score.published", "s-3")));
    assert_eq!(receiver.messages("/creators").len(), 0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_sent_again_in_its_order_and_nothing_else_waits_for_it() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    market(&service).await;
    for path in ["/fails", "/hangs", "/good"] {
        subscribe(
            &service,
            json!({"url": receiver.url(path), "events": ["score.published"], "shop_ids": ["s-1", "s-2"]}),
        )
        .await;
    }
    let listed = service.read("/v1/webhooks").await;
    let fails = listed["items"].as_array().expect("items")[2].clone();
    assert_eq!(fails["url"], receiver.url("/fails"));
    receiver.set("/fails", Mode::Fail(500));
    receiver.set("/hangs", Mode::Hang);
    service.run(date("2026-11-18")).await;
    receiver.wait_for("/good", 2).await;
    receiver.wait_for("/fails", 2).await;
    service.run(date("2026-11-19")).await;
    receiver.wait_for("/good", 4).await;
    // The second date waits behind the first one, of each shop.
    let pending = deliveries_become(&service, &fails, "pending", 4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(receiver.messages("/fails").len(), 2);
    let tried: Vec<usize> = pending.iter().map(|one| one["attempts"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(tried, [0, 0, 1, 1], "newest first");
    assert_eq!(pending[3]["attempts"][0]["status"], 500);
    assert_eq!(pending[3]["attempts"][0]["answer"], "no");
    let listed = service.read(&format!("/v1/webhooks/{}", id_of(&fails))).await;
    assert!(listed["failing_since"].is_string());
    receiver.set("/fails", Mode::Ok);
    service.advance(TimeDelta::seconds(6));
    let messages = receiver.wait_for("/fails", 6).await.split_off(2);
    for shop in ["s-1", "s-2"] {
        let of_shop: Vec<&Value> = messages
            .iter()
            .filter(|message| message.about().1 == shop)
            .map(|message| &message.body["data"]["card"]["date"])
            .collect();
        assert_eq!(of_shop, [&json!("2026-11-18"), &json!("2026-11-19")]);
    }
    let first = &receiver.messages("/fails")[0];
    let again = messages.iter().find(|message| message.header("webhook-id") == first.header("webhook-id"));
    assert_eq!(again.map(|message| &message.text), Some(&first.text), "the same message under the same id");
    let delivered = deliveries_become(&service, &fails, "delivered", 4).await;
    assert_eq!(delivered[3]["attempts"].as_array().map(Vec::len), Some(2));
    let listed = service.read(&format!("/v1/webhooks/{}", id_of(&fails))).await;
    assert!(listed["failing_since"].is_null());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_told_nothing_more_and_failed_messages_can_be_sent_again() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    let gone = subscribe(&service, json!({"url": receiver.url("/gone"), "events": ["run.late"]})).await;
    let path = format!("/v1/webhooks/{}", id_of(&gone));
    let test = format!("{path}/test");
    receiver.set("/gone", Mode::Fail(410));
    assert_eq!(service.post(&test, &Value::Null).await.0, 202);
    let failed = deliveries_become(&service, &gone, "failed", 1).await;
    assert_eq!(failed[0]["attempts"].as_array().map(Vec::len), Some(1), "it is not tried again");
    let disabled = service.read(&path).await;
    assert_eq!(
        (&disabled["enabled"], &disabled["disabled_reason"]),
        (&json!(false), &json!("the receiver answered 410 Gone"))
    );
    let (status, problem) = service.post(&test, &Value::Null).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:shopscore:problem:webhook-disabled")));

    receiver.set("/gone", Mode::Later(90));
    let enabled = json!({"url": receiver.url("/gone"), "events": ["run.late"]});
    assert_eq!(answer(service.client.put(service.url(&path)).json(&enabled)).await.0, 200);
    let (status, again) = service.post(&format!("{path}/retry-failed?since=2026-11-19T00:00:00Z"), &Value::Null).await;
    assert_eq!((status, &again["deliveries"]), (202, &json!(1)));
    assert_eq!(
        service.post(&format!("{path}/retry-failed"), &Value::Null).await.1["deliveries"],
        0,
        "sent again already"
    );
    let messages = receiver.wait_for("/gone", 2).await;
    assert_eq!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));
    assert_eq!(messages[1].about().0, "webhook.test");
    // It asked to be left alone for longer than the first pause.
    let waiting = loop {
        let pending = deliveries(&service, &gone, "&state=pending").await;
        if pending.first().is_some_and(|one| one["attempts"][0]["status"] == 503) {
            break pending;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let moment =
        |value: &Value| value.as_str().expect("a moment").parse::<chrono::DateTime<chrono::Utc>>().expect("a moment");
    let asked = moment(&waiting[0]["next_attempt_at"]) - service.context.clock.now();
    assert_eq!(asked.num_seconds(), 90);
    // What is on its way is not sent a second time.
    let failed_id = failed[0]["delivery_id"].as_str().expect("an id");
    let waiting_id = waiting[0]["delivery_id"].as_str().expect("an id");
    let retry = |id: &str| format!("{path}/deliveries/{id}/retry");
    for asked in [test.clone(), retry(failed_id), retry(waiting_id)] {
        let (status, same) = service.post(&asked, &Value::Null).await;
        assert_eq!((status, &same["delivery_id"]), (202, &waiting[0]["delivery_id"]), "{asked}");
    }
    receiver.set("/gone", Mode::Ok);
    service.advance(TimeDelta::seconds(91));
    deliveries_become(&service, &gone, "delivered", 1).await;
    let delivery_id = failed[0]["delivery_id"].as_str().expect("an id");
    let (status, retried) = service.post(&format!("{path}/deliveries/{delivery_id}/retry"), &Value::Null).await;
    assert_eq!((status, &retried["message_id"]), (202, &json!(messages[0].header("webhook-id"))));
    receiver.wait_for("/gone", 4).await;
    assert_eq!(service.post(&format!("{path}/deliveries/999999/retry"), &Value::Null).await.0, 404);

    // Five days and twenty attempts without an answer end it, too.
    receiver.set("/gone", Mode::Fail(500));
    let attempts_until_the_end = 20;
    for attempts in 1..=attempts_until_the_end {
        assert_eq!(service.read(&path).await["disabled_reason"], Value::Null, "after {attempts} attempts");
        // A message is given up before that; then there is another one.
        if deliveries(&service, &gone, "&state=pending").await.is_empty() {
            assert_eq!(service.post(&test, &Value::Null).await.0, 202);
        }
        receiver.wait_for("/gone", 4 + attempts).await;
        let noted = async || {
            let all = deliveries(&service, &gone, "").await;
            let failed = all.iter().flat_map(|one| one["attempts"].as_array().into_iter().flatten());
            failed.filter(|attempt| attempt["status"] == 500).count()
        };
        while noted().await < attempts {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        service.advance(TimeDelta::hours(12));
    }
    deliveries_become(&service, &gone, "pending", 0).await;
    assert_eq!(service.read(&path).await["disabled_reason"], "nothing arrived for 5 days");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_given_up_after_a_day_and_a_dead_endpoint_is_left_in_peace() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    let dead = subscribe(&service, json!({"url": receiver.url("/dead"), "events": ["run.late"]})).await;
    receiver.set("/dead", Mode::Fail(500));
    let test = format!("/v1/webhooks/{}/test", id_of(&dead));
    assert_eq!(service.post(&test, &Value::Null).await.0, 202);
    for (attempt, pause) in [5, 330, 1_980, 7_920, 19_800, 39_600, 39_600].into_iter().enumerate() {
        receiver.wait_for("/dead", attempt + 1).await;
        let tried = |items: Vec<Value>| items.first().map_or(0, |one| one["attempts"].as_array().map_or(0, Vec::len));
        while tried(deliveries(&service, &dead, "").await) <= attempt {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        service.advance(TimeDelta::seconds(pause + 1));
    }
    let failed = deliveries_become(&service, &dead, "failed", 1).await;
    assert_eq!(failed[0]["attempts"].as_array().map(Vec::len), Some(8));
    assert_eq!(service.read(&format!("/v1/webhooks/{}", id_of(&dead))).await["enabled"], true);
    // Many more messages: after ten failures in a row it is tried now and then, with one of them.
    for _ in 0..40 {
        assert_eq!(service.post(&test, &Value::Null).await.0, 202);
    }
    receiver.set("/dead", Mode::Fail(503));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(receiver.messages("/dead").len() < 8 + 20, "{} attempts", receiver.messages("/dead").len());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_to_nobody_inside_and_follow_nobody() {
    let receiver = Receiver::start().await;
    let port = receiver.base.rsplit(':').next().expect("a port").to_owned();
    // Another network is opened, so plain http is allowed, but not to here.
    let webhook_allow = vec!["10.255.0.0/16".parse().expect("a network")];
    let limits = LimitSettings { webhook_allow, ..LimitSettings::default() };
    let service = TestService::start_with(Choices { limits, ..Choices::default() }).await;
    for inside in ["127.0.0.1", "[::1]", "169.254.169.254", "2130706433"] {
        let wanted = json!({"url": format!("http://{inside}:{port}/x"), "events": ["run.late"]});
        let (status, problem) = service.post("/v1/webhooks", &wanted).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/url")), "{inside}: {problem}");
    }
    // A name is looked up by the connection itself.
    let named = subscribe(&service, json!({"url": format!("http://localhost:{port}/x"), "events": ["run.late"]})).await;
    assert_eq!(service.post(&format!("/v1/webhooks/{}/test", id_of(&named)), &Value::Null).await.0, 202);
    while deliveries(&service, &named, "").await[0]["attempts"].as_array().is_some_and(Vec::is_empty) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = deliveries(&service, &named, "").await[0]["attempts"][0]["error"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains("no address on the internet")), "{error}");
    assert!(receiver.messages("/x").is_empty());
    service.stop().await;

    let service = TestService::start_with(opened()).await;
    let redirected = subscribe(&service, json!({"url": receiver.url("/redirect"), "events": ["run.late"]})).await;
    receiver.set("/redirect", Mode::Redirect(receiver.url("/elsewhere")));
    assert_eq!(service.post(&format!("/v1/webhooks/{}/test", id_of(&redirected)), &Value::Null).await.0, 202);
    receiver.wait_for("/redirect", 1).await;
    while deliveries(&service, &redirected, "").await[0]["attempts"][0]["status"] != 302 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(receiver.messages("/elsewhere").is_empty());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_tell_everybody_once() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    let others = [
        TestService::start_on(service.database(), opened()).await,
        TestService::start_on(service.database(), opened()).await,
    ];
    market(&service).await;
    for path in 0..10 {
        subscribe(&service, json!({"url": receiver.url(&format!("/{path}")), "events": ["score.published"]})).await;
    }
    for day in 10..16 {
        service.run(date(&format!("2026-11-{day}"))).await;
    }
    for path in 0..10 {
        let messages = receiver.wait_for(&format!("/{path}"), 13 * 6).await;
        let mut dates: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in &messages {
            let told = message.body["data"]["card"]["date"].as_str().expect("a date");
            dates.entry(message.about().1).or_default().push(told);
        }
        let expected: Vec<String> = (10..16).map(|day| format!("2026-11-{day}")).collect();
        assert_eq!(dates.len(), 13);
        assert!(dates.values().all(|dates| *dates == expected), "{dates:?}");
    }
    for other in others {
        other.stop().await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_of_runs_that_are_late_or_fail() {
    let (service, receiver) = (TestService::start_with(opened()).await, Receiver::start().await);
    let runs = json!({"url": receiver.url("/runs"), "events": ["run.late", "run.failed", "run.published"]});
    subscribe(&service, runs).await;
    market(&service).await;
    // Peers cannot be written, so the run of the slot fails.
    let execute = async |sql: &'static str| {
        sqlx::query(sql).execute(&service.context.store.read).await.expect("done");
    };
    execute("alter table peer_group rename to peers_away").await;
    service.advance(TimeDelta::minutes(90));
    let failed = receiver.wait_for("/runs", 1).await;
    assert_eq!((failed[0].about().0, &failed[0].body["data"]["state"]), ("run.failed", &json!("failed")));
    assert!(failed[0].body["data"]["error"].as_str().is_some_and(|error| error.contains("peer_group")));
    service.advance(TimeDelta::minutes(31));
    let is_late = |message: &Message| message.about().0 == "run.late";
    while !receiver.messages("/runs").iter().any(is_late) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    execute("alter table peers_away rename to peer_group").await;
    service.advance(TimeDelta::minutes(10));
    let is_published = |message: &Message| message.about().0 == "run.published";
    while !receiver.messages("/runs").iter().any(is_published) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let messages = receiver.messages("/runs");
    let late: Vec<&Message> = messages.iter().filter(|message| is_late(message)).collect();
    assert_eq!(late.len(), 1, "once");
    assert_eq!(late[0].body["data"], json!({"date": "2026-11-20", "slot_end": "2026-11-20T05:00:00Z"}));
    service.stop().await;
}
