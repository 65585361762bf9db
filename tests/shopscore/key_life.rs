//! The life of a key: asked for twice, used, found, bound to creators, replaced; and the changes that carry its id.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::keys::{get, guarded, make, post};
use crate::support::{TestService, answer};

/// Posts with an Idempotency-Key.
async fn post_once(service: &TestService, path: &str, idempotency_key: &str, body: &Value) -> (u16, Value) {
    answer(service.client.post(service.url(path)).header("idempotency-key", idempotency_key).json(body)).await
}

async fn count_keys(service: &TestService) -> usize {
    service.read("/v1/keys?limit=1000").await["items"].as_array().expect("items").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_asked_for_again_is_the_same_key() {
    let service = guarded().await;
    let (wish, random) = (json!({"scopes": ["scores:read"], "name": "ERP"}), "0d6c52ae-4c6c-4c3c-9d0a-6f1f6f4c3b11");
    let before = count_keys(&service).await;
    let quoted = format!("\"{random}\"");
    let both =
        tokio::join!(post_once(&service, "/v1/keys", random, &wish), post_once(&service, "/v1/keys", &quoted, &wish));
    assert_eq!((both.0.0, &both.0), (201, &both.1), "at the same time, in quotes or not");
    let key = both.0.1["key"].as_str().expect("the key").to_owned();
    assert_eq!(get(&service, &key, "/v1/rule-sets").await.0, 200);
    assert_eq!(count_keys(&service).await, before + 1);

    let (status, problem) = post_once(&service, "/v1/keys", random, &json!({"scopes": ["scores:read"]})).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:shopscore:problem:idempotency-key-reused")));
    let (status, problem) = post_once(&service, "/v1/keys", "too short", &wish).await;
    assert_eq!((status, &problem["type"]), (400, &json!("urn:shopscore:problem:invalid-parameter")));
    service.context.clock.set(service.context.clock.now() + TimeDelta::hours(24));
    let (_, later) = post_once(&service, "/v1/keys", random, &wish).await;
    assert_ne!(later["key_id"], both.0.1["key_id"], "after a day it is another request");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_is_good_until_its_grace_is_over() {
    let service = guarded().await;
    let wish = json!({"scopes": ["events:write", "scores:read"], "shop_ids": ["s-1"], "name": "ERP",
                      "expires_at": "2027-01-01T00:00:00+08:00"});
    let (_, old) = service.post("/v1/keys", &wish).await;
    let old_key = old["key"].as_str().expect("the key").to_owned();
    let path = format!("/v1/keys/{}/rotate", old["key_id"].as_str().expect("an id"));
    let (status, new) = service.post(&path, &json!({"grace_hours": 2})).await;
    assert_eq!(status, 201, "{new}");
    for member in ["scopes", "shop_ids", "creator_ids", "name", "expires_at"] {
        assert_eq!(new[member], old[member], "{member}");
    }
    assert_eq!((&new["replaces_key_id"], &new["created_by_key_id"]), (&old["key_id"], &json!("1")));
    let shown = service.read(&format!("/v1/keys/{}", old["key_id"].as_str().expect("an id"))).await;
    assert_eq!(shown["expires_at"], json!("2026-11-20T05:00:00Z"));
    let new_key = new["key"].as_str().expect("the key").to_owned();
    let works = async |key: &str| get(&service, key, "/v1/rule-sets").await.0;
    assert_eq!((works(&old_key).await, works(&new_key).await), (200, 200));

    let (status, problem) = service.post(&path, &json!({"grace_hours": 200})).await;
    let told = (status, &problem["type"], &problem["key_id"]);
    assert_eq!(told, (409, &json!("urn:shopscore:problem:key-replaced"), &new["key_id"]), "one successor at a time");
    // Nobody knows the successor: another one takes its place, and lives as long as the first key was to.
    let lost = format!("/v1/keys/{}", new["key_id"].as_str().expect("an id"));
    assert_eq!(answer(service.client.delete(service.url(&lost))).await.0, 200);
    let random = "a-random-request-of-1";
    let (status, new) = post_once(&service, &path, random, &json!({"grace_hours": 200})).await;
    assert_eq!((status, &new["expires_at"]), (201, &old["expires_at"]), "{new}");
    assert_eq!(new, post_once(&service, &path, random, &json!({"grace_hours": 200})).await.1, "the same request");
    let new_key = new["key"].as_str().expect("the key").to_owned();
    let shown = service.read(&format!("/v1/keys/{}", old["key_id"].as_str().expect("an id"))).await;
    assert_eq!(shown["expires_at"], json!("2026-11-20T05:00:00Z"), "which does not prolong the grace");

    service.context.clock.set(service.context.clock.now() + TimeDelta::hours(2));
    assert_eq!((works(&old_key).await, works(&new_key).await), (401, 200));
    let (status, problem) = service.post(&path, &json!({})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:shopscore:problem:key-not-active")));
    let of_new = format!("/v1/keys/{}/rotate", new["key_id"].as_str().expect("an id"));
    for wrong in [json!({"grace_hours": -1}), json!({"grace_hours": 721}), json!({"grace": 1})] {
        assert_eq!(service.post(&of_new, &wrong).await.0, 422, "{wrong}");
    }
    let at_once = answer(service.client.post(service.url(&of_new)).json(&json!({"grace_hours": 0}))).await;
    assert_eq!((at_once.0, works(&new_key).await), (201, 401), "without grace");
    assert_eq!(answer(service.client.post(service.url("/v1/keys/999999/rotate"))).await.0, 404);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_what_they_are_bound_to_and_say_when_they_were_used() {
    let service = guarded().await;
    let (of_shop, shop_key_id) = make(&service, &["scores:read"], &["s-1", "s-2"]).await;
    let (_, other_id) = make(&service, &["scores:read"], &["s-3"]).await;
    let (_, agency) = service.post("/v1/keys", &json!({"scopes": ["scores:read"], "creator_ids": ["c-1"]})).await;
    let listed = async |query: &str| {
        let page = service.read(&format!("/v1/keys?{query}")).await;
        page["items"].as_array().expect("items").iter().map(|key| key["key_id"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(listed("shop_id=s-1").await, [json!(shop_key_id.to_string())]);
    assert_eq!(listed("creator_id=c-1").await, [agency["key_id"].clone()]);
    assert!(listed("shop_id=s-9").await.is_empty());
    assert_eq!(answer(service.client.delete(service.url(&format!("/v1/keys/{other_id}")))).await.0, 200);
    assert_eq!(listed("active=false").await, [json!(other_id.to_string())]);
    assert_eq!(listed("active=true").await.len(), 3, "and the key of this client");

    let path = format!("/v1/keys/{shop_key_id}");
    assert_eq!(service.read(&path).await["last_used_at"], Value::Null);
    assert_eq!(get(&service, &of_shop, "/v1/rule-sets").await.0, 200);
    assert_eq!(service.read(&path).await["last_used_at"], json!("2026-11-20T03:00:00Z"));
    service.context.clock.set(service.context.clock.now() + TimeDelta::minutes(5));
    assert_eq!(get(&service, &of_shop, "/v1/keys").await.0, 403);
    assert_eq!(service.read(&path).await["last_used_at"], json!("2026-11-20T03:05:00Z"), "whatever it was shown for");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_bound_to_creators_sees_them_alone() {
    let service = guarded().await;
    for creator in ["c-1", "c-2"] {
        let paid = json!({"order_id": creator, "product_id": "p", "creator_id": creator});
        let event = json!({"id": "e", "type": "order.paid", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": paid});
        assert_eq!(service.post("/v1/events", &event).await.0, 201);
    }
    service.run("2026-11-20".parse().expect("date")).await;
    let wish = json!({"scopes": ["scores:read"], "creator_ids": ["c-1"]});
    let (_, made) = service.post("/v1/keys", &wish).await;
    let key = made["key"].as_str().expect("the key").to_owned();
    for (path, status) in [
        ("/v1/creators/c-1/score", 200),
        ("/v1/creators/c-1", 200),
        ("/v1/creators/c-2/score", 404),
        ("/v1/creators/c-2", 404),
        ("/v1/shops/s-1/score", 404),
        ("/v1/shops/s-1", 404),
        ("/v1/shops/s-1/intake", 404),
        ("/v1/creators", 403),
    ] {
        assert_eq!(get(&service, &key, path).await.0, status, "{path}");
    }
    let (_, fleet) = get(&service, &key, "/v1/scores?kind=creators").await;
    let seen: Vec<&Value> = fleet["items"].as_array().expect("items").iter().map(|card| &card["creator_id"]).collect();
    assert_eq!(seen, [&json!("c-1")]);
    assert_eq!(get(&service, &key, "/v1/scores?kind=shops").await.1["items"], json!([]));
    assert_eq!(get(&service, &key, "/v1/scores?kind=creators&ids=c-2").await.1["items"], json!([]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_says_with_which_key_it_was_made() {
    let service = guarded().await;
    let (admin, admin_id) = make(&service, &["admin", "scores:read"], &[]).await;
    let by = json!(admin_id.to_string());
    let put = service.client.put(service.url("/v1/shops/s-1")).bearer_auth(&admin).json(&json!({"name": "One"}));
    assert_eq!(answer(put).await.1["key_id"], by);
    let batch = json!({"shops": [{"shop_id": "s-2"}]});
    assert_eq!(post(&service, &admin, "/v1/shops:batch", &batch).await.0, 200);
    assert_eq!(service.read("/v1/shops/s-2").await["key_id"], by);
    let (merchant, _) = make(&service, &["scores:read"], &["s-2"]).await;
    assert_eq!(get(&service, &merchant, "/v1/shops/s-2").await.1["key_id"], Value::Null, "not for merchants");

    let sham = json!({"shop_id": "s-1", "target": "order", "id": "o-1", "reason": "sham", "decided_by": "ops"});
    let (_, excluded) = post(&service, &admin, "/v1/exclusions", &sham).await;
    assert_eq!((&excluded["key_id"], &excluded["revoked_by_key_id"]), (&by, &Value::Null));
    let path = format!("/v1/exclusions/{}", excluded["exclusion_id"].as_str().expect("an id"));
    let delete = || service.client.delete(service.url(&path));
    for incomplete in [delete(), delete().json(&json!({"note": "why"})), delete().json(&json!({"revoked_by": " "}))] {
        let (status, problem) = answer(incomplete).await;
        assert_eq!((status, &problem["type"]), (422, &json!("urn:shopscore:problem:invalid-body")), "{problem}");
    }
    let (status, revoked) = answer(delete().json(&json!({"revoked_by": "appeals"}))).await;
    assert_eq!((status, &revoked["key_id"], &revoked["revoked_by_key_id"]), (200, &by, &json!("1")));

    let (_, run) = post(&service, &admin, "/v1/runs", &json!({"date": "2026-11-19"})).await;
    assert_eq!(run["key_id"], by);
    let (_, runs) = post(&service, &admin, "/v1/runs", &json!({"from": "2026-11-17", "to": "2026-11-18"})).await;
    assert_eq!(runs["runs"][1]["key_id"], by);
    service.stop().await;
}
