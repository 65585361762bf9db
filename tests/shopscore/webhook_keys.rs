//! Who may subscribe to what, and what one sees of others' webhooks; alert rules.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use shopscore::config::LimitSettings;

use crate::keys::{get, guarded_with, make, post};
use crate::support::receiver::Receiver;
use crate::support::{TestService, answer, date};
use crate::webhooks::{id_of, market, opened, reviews, subscribe};

async fn put(service: &TestService, key: &str, path: &str, body: &Value) -> (u16, Value) {
    answer(service.client.put(service.url(path)).bearer_auth(key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shops_key_is_told_of_its_own_shops_and_sees_no_other_webhooks() {
    let (service, receiver) = (guarded_with(opened()).await, Receiver::start().await);
    market(&service).await;
    let (one, _) = make(&service, &["webhooks", "events:write"], &["s-1", "s-2"]).await;
    let (other, _) = make(&service, &["webhooks"], &["s-2"]).await;
    let (status, made) = post(
        &service,
        &one,
        "/v1/webhooks",
        &json!({"url": receiver.url("/one"), "events": ["score.published", "event.rejected"]}),
    )
    .await;
    assert_eq!((status, &made["shop_ids"]), (201, &json!(["s-1", "s-2"])), "{made}");
    let path = format!("/v1/webhooks/{}", id_of(&made));
    for (wanted, pointer) in [
        (json!({"url": receiver.url("/"), "events": ["run.failed"]}), "/events/0"),
        (json!({"url": receiver.url("/"), "events": ["score.published"], "shop_ids": ["s-3"]}), "/shop_ids/0"),
        (json!({"url": receiver.url("/"), "events": ["score.published"], "creator_ids": ["c"]}), "/creator_ids/0"),
        (json!({"url": receiver.url("/"), "events": []}), "/events"),
        (json!({"url": receiver.url("/"), "events": ["webhook.test"]}), "/events/0"),
        (json!({"url": receiver.url("/"), "events": ["score.published"], "kinds": ["cat"]}), "/kinds/0"),
    ] {
        let (status, problem) = post(&service, &one, "/v1/webhooks", &wanted).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    // A rule on all shops warns of those that the webhook is told of, and of no others.
    let (status, warned) = post(
        &service,
        &one,
        "/v1/webhooks",
        &json!({"url": receiver.url("/warned"), "events": ["metric.alert"], "shop_ids": ["s-1"]}),
    )
    .await;
    assert_eq!(status, 201, "{warned}");
    for about in [json!({"all": true}), json!({"category_id": "food"})] {
        let mut rule = json!({"webhook_id": id_of(&warned), "score": "score", "op": "below", "value": 6});
        rule.as_object_mut().expect("a rule").extend(about.as_object().expect("members").clone());
        assert_eq!(post(&service, &one, "/v1/alerts", &rule).await.0, 201);
    }
    // Whoever changes it, it stays with the shops that it was made for.
    let wider = json!({"url": receiver.url("/warned"), "events": ["metric.alert"], "shop_ids": ["s-1", "s-2"]});
    let warned_path = format!("/v1/webhooks/{}", id_of(&warned));
    assert_eq!(put(&service, &one, &warned_path, &wider).await.0, 422);
    let open = json!({"url": receiver.url("/warned"), "events": ["metric.alert"]});
    let (status, kept) = answer(service.client.put(service.url(&warned_path)).json(&open)).await;
    assert_eq!((status, &kept["shop_ids"]), (200, &json!(["s-1"])), "an operator's change");
    // A webhook of two shops is not there for a key of one of them.
    let body = json!({"url": receiver.url("/"), "events": ["score.published"]});
    assert_eq!(get(&service, &other, &path).await.0, 404);
    assert_eq!(put(&service, &other, &path, &body).await.0, 404);
    for action in ["rotate", "test", "retry-failed", "deliveries/1/retry"] {
        assert_eq!(post(&service, &other, &format!("{path}/{action}"), &Value::Null).await.0, 404, "{action}");
    }
    assert_eq!(answer(service.client.delete(service.url(&path)).bearer_auth(&other)).await.0, 404);
    assert_eq!(get(&service, &other, "/v1/webhooks").await.1["items"], json!([]));
    assert_eq!(get(&service, &one, "/v1/webhooks").await.1["items"].as_array().map(Vec::len), Some(2));
    let of_all = subscribe(&service, json!({"url": receiver.url("/all"), "events": ["score.published"]})).await;
    assert_eq!(get(&service, &one, &format!("/v1/webhooks/{}", id_of(&of_all))).await.0, 404, "an operator's");
    assert_eq!(service.read("/v1/webhooks").await["items"].as_array().map(Vec::len), Some(3));

    service.run(date("2026-11-19")).await;
    let mut told: Vec<String> =
        receiver.wait_for("/one", 2).await.iter().map(|message| message.about().1.to_owned()).collect();
    told.sort();
    assert_eq!(told, ["s-1", "s-2"]);
    receiver.wait_for("/all", 13).await;
    let warned = receiver.wait_for("/warned", 2).await;
    assert!(warned.iter().all(|message| message.about() == ("metric.alert", "s-1")), "{warned:?}");
    // What a receiver answers is the operator's to see.
    let page = get(&service, &one, &format!("{path}/deliveries")).await.1;
    assert_eq!(page["items"][0]["attempts"][0]["answer"], Value::Null);
    let page = service.read(&format!("{path}/deliveries")).await;
    assert_eq!(page["items"][0]["attempts"][0]["answer"], "thanks");

    // What the key's events are rejected for is summed for a minute.
    for number in 0..3 {
        let wrong = json!({"id": format!("w-{number}"), "type": "order.delivered", "shop_id": "s-1", "time": "2026-11-10T00:00:00Z", "data": {}});
        assert_eq!(post(&service, &one, "/v1/events", &wrong).await.0, 422);
    }
    service.advance(TimeDelta::seconds(61));
    let told = receiver.wait_for("/one", 3).await.pop().expect("a message");
    assert_eq!(told.about(), ("event.rejected", "s-1"));
    let data = &told.body["data"];
    assert_eq!((&data["rejected"], &data["first_ids"]), (&json!(3), &json!(["w-0", "w-1", "w-2"])), "{data}");
    assert_eq!(data["by_code"].as_object().map(serde_json::Map::len), Some(1));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_the_old_one_signs_for_a_day() {
    let (service, receiver) = (guarded_with(opened()).await, Receiver::start().await);
    let made = subscribe(&service, json!({"url": receiver.url("/x"), "events": ["run.late"]})).await;
    let path = format!("/v1/webhooks/{}", id_of(&made));
    assert!(made["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_") && secret.len() == 50), "{made}");
    assert_eq!(service.read(&path).await["secret"], Value::Null);
    let (status, rotated) = service.post(&format!("{path}/rotate"), &Value::Null).await;
    assert_eq!(status, 200, "{rotated}");
    assert_ne!(rotated["secret"], made["secret"]);
    let signatures = async |count: usize| {
        assert_eq!(service.post(&format!("{path}/test"), &Value::Null).await.0, 202);
        let message = receiver.wait_for("/x", count).await.pop().expect("a message");
        let expected = |secret: &Value| {
            let signer = standardwebhooks::Webhook::new(secret.as_str().expect("a secret")).expect("a secret");
            let at = message.header("webhook-timestamp").parse().expect("a timestamp");
            signer.sign(&message.header("webhook-id"), at, message.text.as_bytes()).expect("a signature")
        };
        (message.header("webhook-signature"), expected(&rotated["secret"]), expected(&made["secret"]))
    };
    let (sent, new, old) = signatures(1).await;
    assert_eq!(sent, format!("{new} {old}"));
    service.advance(TimeDelta::hours(24));
    let (sent, new, _) = signatures(2).await;
    assert_eq!(sent, new);
    // The audit trail shows that it was done, and no secret.
    let trail = service.read("/v1/audit").await.to_string();
    assert!(trail.contains("webhook.rotated") && trail.contains("webhook.created"));
    for secret in [&made["secret"], &rotated["secret"]] {
        assert!(!trail.contains(secret.as_str().expect("a secret")));
    }
    let (status, gone) = answer(service.client.delete(service.url(&path))).await;
    assert_eq!((status, &gone["webhook_id"]), (200, &made["webhook_id"]));
    assert_eq!(service.get(&path).await.0, 404);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_on_what_is_published_warn_once_until_they_are_crossed_back() {
    let (service, receiver) = (guarded_with(opened()).await, Receiver::start().await);
    market(&service).await;
    let made = subscribe(&service, json!({"url": receiver.url("/x"), "events": ["metric.alert"]})).await;
    let rule = |more: Value| {
        let mut rule = json!({"webhook_id": id_of(&made), "op": "above", "value": 0.2});
        rule.as_object_mut().expect("a rule").extend(more.as_object().expect("members").clone());
        rule
    };
    for (more, pointer) in [
        (json!({"metric": "bad_review_rate"}), "/shop_id"),
        (json!({"metric": "bad_review_rate", "all": true, "shop_id": "s-1"}), "/shop_id"),
        (json!({"all": true}), "/score"),
        (json!({"all": true, "metric": "nonsense"}), "/metric"),
        (json!({"all": true, "score": "nonsense"}), "/score"),
        (json!({"all": true, "score": "score", "op": "at"}), "/op"),
        (json!({"all": true, "score": "score", "value": 0.1234567}), "/value"),
        (json!({"all": true, "score": "score", "webhook_id": "999"}), "/webhook_id"),
    ] {
        let (status, problem) = service.post("/v1/alerts", &rule(more)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    let (status, rated) =
        service.post("/v1/alerts", &rule(json!({"metric": "negative_feedback_rate", "category_id": "food"}))).await;
    assert_eq!((status, &rated["value"], &rated["all"]), (201, &json!(0.2), &json!(false)), "{rated}");
    let (_, scored) = service
        .post("/v1/alerts", &rule(json!({"score": "score", "shop_id": "s-0", "op": "below", "value": 4.5})))
        .await;
    service.run(date("2026-11-17")).await;
    service.send(&reviews("s-0", 0, 30)).await;
    for day in [18, 19] {
        service.run(date(&format!("2026-11-{day}"))).await;
    }
    let told = receiver.wait_for("/x", 2).await;
    let metrics = service.read("/v1/shops/s-0/metrics?date=2026-11-18").await;
    let metric =
        metrics["metrics"].as_array().expect("metrics").iter().find(|one| one["id"] == "negative_feedback_rate");
    for message in &told {
        let data = &message.body["data"];
        assert_eq!((message.about(), &data["card"]["date"]), (("metric.alert", "s-0"), &json!("2026-11-18")), "{data}");
        let expected = if data["alert"]["alert_id"] == rated["alert_id"] {
            metric.expect("the metric")["value"].clone()
        } else {
            assert_eq!(data["alert"]["alert_id"], scored["alert_id"]);
            data["card"]["score"].clone()
        };
        assert_eq!(data["value"].as_f64(), expected.as_f64());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(receiver.messages("/x").len(), 2, "once");
    assert_eq!(service.read("/v1/alerts").await["items"].as_array().map(Vec::len), Some(2));
    let alert = format!("/v1/alerts/{}", rated["alert_id"].as_str().expect("an id"));
    assert_eq!(service.read(&alert).await, rated);
    assert_eq!(answer(service.client.delete(service.url(&alert))).await.0, 200);
    assert_eq!(service.get(&alert).await.0, 404);
    let (other, _) = make(&service, &["webhooks"], &["s-0"]).await;
    let of_score = format!("/v1/alerts/{}", scored["alert_id"].as_str().expect("an id"));
    assert_eq!(get(&service, &other, &of_score).await.0, 404);
    assert_eq!(get(&service, &other, "/v1/alerts").await.1["items"], json!([]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fall_is_warned_of_before_it_is_published() {
    let (service, receiver) = (guarded_with(opened()).await, Receiver::start().await);
    market(&service).await;
    service.run(date("2026-11-19")).await;
    let made =
        subscribe(&service, json!({"url": receiver.url("/x"), "events": ["metric.alert", "tier.changed"]})).await;
    let rule =
        json!({"webhook_id": id_of(&made), "score": "projected_score", "all": true, "op": "below", "value": 4.5});
    let (status, rule) = service.post("/v1/alerts", &rule).await;
    assert_eq!(status, 201, "{rule}");
    // Everything is looked at a first time.
    service.advance(TimeDelta::minutes(15));
    let watched = async {
        while sqlx::query_scalar::<_, i64>("select count(*) from alert_crossing")
            .fetch_one(&service.context.store.read)
            .await
            .expect("a count")
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(4), watched).await;
    assert!(receiver.messages("/x").iter().all(|message| message.about().1 != "s-0"), "{:?}", receiver.messages("/x"));
    service.send(&reviews("s-0", 0, 30)).await;
    service.advance(TimeDelta::minutes(15));
    let warned = async {
        loop {
            let of_shop: Vec<_> = receiver
                .messages("/x")
                .into_iter()
                .filter(|message| message.about() == ("metric.alert", "s-0"))
                .collect();
            if let Some(first) = of_shop.into_iter().next() {
                return first;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let warned = tokio::time::timeout(Duration::from_secs(30), warned).await.expect("a warning");
    let projected = service.read("/v1/shops/s-0/score/projected").await;
    let data = &warned.body["data"];
    assert_eq!((&data["projection"]["score"], &data["value"]), (&projected["score"], &projected["score"]), "{data}");
    assert_eq!(data["projection"]["date"], "2026-11-20");
    assert_eq!(service.read("/v1/shops/s-0/score").await["date"], "2026-11-19", "nothing is published yet");
    service.run(date("2026-11-20")).await;
    let published = service.read("/v1/shops/s-0/score").await;
    assert_eq!(published["score"], projected["score"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_room_for_so_many_webhooks() {
    let limits = LimitSettings { requests_per_second: None, ..opened().limits };
    let (service, receiver) =
        (guarded_with(crate::support::Choices { limits, ..opened() }).await, Receiver::start().await);
    let (key, _) = make(&service, &["webhooks"], &["s-1"]).await;
    let wanted = json!({"url": receiver.url("/"), "events": ["score.published"]});
    for _ in 0..20 {
        assert_eq!(post(&service, &key, "/v1/webhooks", &wanted).await.0, 201);
    }
    let (status, problem) = post(&service, &key, "/v1/webhooks", &wanted).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:shopscore:problem:too-many-webhooks")));
    // Without a shop, the scope is for operators alone.
    let wish = json!({"scopes": ["webhooks"]});
    let (status, problem) = service.post("/v1/keys", &wish).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/scopes")));
    service.stop().await;
}
