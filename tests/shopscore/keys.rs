//! API keys: what each operation asks of its caller, what keys are refused for, and how they are made and revoked.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use shopscore::access::{self, Asking, KeyRequest, Scope, Secret};
use shopscore::config::LimitSettings;
use shopscore::domain::audit::Actor;
use shopscore::http;

use crate::support::{Choices, TestService, answer, client};

/// A service that asks for keys, with a client that shows one for everything.
pub async fn guarded() -> TestService {
    guarded_with(Choices::default()).await
}

/// The same with choices.
pub async fn guarded_with(choices: Choices) -> TestService {
    let mut service = TestService::start_with(Choices { auth_required: true, ..choices }).await;
    let (key, _) = make(&service, &["events:write", "scores:read", "admin"], &[]).await;
    let value = HeaderValue::try_from(format!("Bearer {key}")).expect("a header");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    service.client = shopscore::cli::client::builder().default_headers(headers).build().expect("a client");
    service
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A key, bound to shops where any are named, and its id.
pub async fn make(service: &TestService, scopes: &[&str], shops: &[&str]) -> (String, i32) {
    let shop_ids = (!shops.is_empty()).then(|| owned(shops));
    make_as(service, KeyRequest { scopes: owned(scopes), shop_ids, ..KeyRequest::default() }).await
}

async fn make_as(service: &TestService, request: KeyRequest) -> (String, i32) {
    let now = service.context.clock.now();
    let mut connection = service.context.store.read.acquire().await.expect("a connection");
    let asking = Asking { by: Actor::CommandLine, idempotency_key: None, now };
    let (secret, row) = access::create(&mut connection, &request, &asking).await.expect("a key");
    (secret.text, row.key_id)
}

pub async fn get(service: &TestService, key: &str, path: &str) -> (u16, Value) {
    answer(service.client.get(service.url(path)).bearer_auth(key)).await
}

pub async fn post(service: &TestService, key: &str, path: &str, body: &Value) -> (u16, Value) {
    answer(service.client.post(service.url(path)).bearer_auth(key).json(body)).await
}

pub async fn revoke(service: &TestService, key_id: i32) -> (u16, Value) {
    answer(service.client.delete(service.url(&format!("/v1/keys/{key_id}")))).await
}

/// Every described operation: its method, its path, and the scopes that the description names, any of which will do.
fn operations() -> Vec<(String, String, Vec<String>)> {
    let description = serde_json::to_value(http::routes::description()).expect("a description");
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needed = operation["security"].as_array().cloned().unwrap_or_default();
            let scopes = needed.iter().filter_map(|needed| needed["key"][0].as_str().map(str::to_owned)).collect();
            operations.push((method.to_uppercase(), path.clone(), scopes));
        }
    }
    operations
}

/// The scopes that the contract names for an operation.
fn contracted(method: &str, path: &str) -> &'static [&'static str] {
    match path {
        "/healthz" | "/readyz" | "/metrics" | "/openapi.yaml" | "/openapi.json" | "/v1/event-types" => &[],
        // What is signed needs no key.
        "/v1/push/{connector}" => &[],
        // And events:relay besides, which is looked at by itself.
        "/v1/events" | "/v1/imports" | "/v1/push/{connector}/details" => &["events:write"],
        "/v1/caller" => &["events:write", "events:relay", "scores:read", "webhooks", "admin"],
        path if path.starts_with("/v1/webhooks") || path.starts_with("/v1/alerts") => &["webhooks", "admin"],
        "/v1/{kind}/{id}" if method == "GET" => &["scores:read", "admin"],
        "/v1/scores"
        | "/v1/scores/summary"
        | "/v1/exports/scores"
        | "/v1/categories/{category_id}/benchmarks"
        | "/v1/rule-sets"
        | "/v1/rule-sets/{id}" => &["scores:read"],
        path if path.starts_with("/v1/{kind}/{id}/") || path.starts_with("/v1/shops/{id}/") => &["scores:read"],
        _ => &["admin"],
    }
}

/// A request for an operation, with a body that only what-if understands.
fn request(client: &reqwest::Client, service: &TestService, method: &str, path: &str) -> reqwest::RequestBuilder {
    let concrete = path
        .replace("{kind}", "shops")
        .replace("{id}", "s-1")
        .replace("{metric}", "negative_feedback_rate")
        .replace("{category_id}", "food")
        .replace("{exclusion_id}", "1")
        .replace("{adjustment_id}", "1")
        .replace("{preview_id}", "1")
        .replace("{run_id}", "1")
        .replace("{webhook_id}", "1")
        .replace("{delivery_id}", "1")
        .replace("{alert_id}", "1")
        .replace("{key_id}", "999999");
    let name = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let request = client.request(name, service.url(&concrete));
    if matches!(method, "POST" | "PUT") { request.json(&json!({"add": {"signed_orders": 1}})) } else { request }
}

/// Fails unless a request is told to show a key.
async fn assert_unauthorized(request: reqwest::RequestBuilder, what: &str) {
    let response = request.send().await.expect("an answer");
    let (status, challenge) = (response.status().as_u16(), response.headers().get(WWW_AUTHENTICATE).cloned());
    let problem: Value = response.json().await.expect("a problem");
    assert_eq!((status, &problem["type"]), (401, &json!("urn:shopscore:problem:unauthorized")), "{what}");
    assert_eq!(challenge, Some(HeaderValue::from_static("Bearer")), "{what}");
}

#[test]
fn every_operation_is_described_with_the_scope_of_the_contract() {
    for (method, path, scopes) in operations() {
        assert_eq!(scopes, contracted(&method, &path), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_is_for_callers_without_a_good_key_of_its_scope() {
    // Every operation is asked from another address: each may show only so many unknown keys.
    let trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let limits = LimitSettings { trusted_proxies, ..LimitSettings::default() };
    let service = guarded_with(Choices { limits, ..Choices::default() }).await;
    let nobody = client();
    let all = Scope::ALL.map(Scope::as_str);
    let soon = service.context.clock.now() + TimeDelta::minutes(1);
    let wish = KeyRequest { scopes: owned(&all), expires_at: Some(soon), ..KeyRequest::default() };
    let (expiring, _) = make_as(&service, wish).await;
    let (revoked, revoked_id) = make(&service, &all, &[]).await;
    assert_eq!(get(&service, &revoked, "/v1/rule-sets").await.0, 200);
    assert_eq!(revoke(&service, revoked_id).await.0, 200);
    let unknown = Secret::random().text;
    // The public part of one key with the random part of another.
    let forged = format!("{}{}", &expiring[..21], &unknown[21..]);
    let refused = [
        "Bearer".to_owned(),
        "Bearer nonsense".to_owned(),
        format!("Bearer {}", &expiring[..expiring.len() - 1]),
        format!("Basic {expiring}"),
        expiring.clone(),
        format!("Bearer {unknown}"),
        format!("Bearer {forged}"),
        format!("Bearer {revoked}"),
    ];
    let mut rights = BTreeMap::new();
    for scope in all {
        rights.insert(scope, make(&service, &[scope], &[]).await.0);
    }
    let mut wrongs = BTreeMap::new();
    let guarded = operations().into_iter().filter(|(_, _, scopes)| !scopes.is_empty());
    for (number, (method, path, scopes)) in guarded.enumerate() {
        if !wrongs.contains_key(&scopes) {
            let others: Vec<&str> =
                all.into_iter().filter(|other| !scopes.iter().any(|scope| scope == other)).collect();
            // What every key may ask no key lacks the scope for.
            let wrong = if others.is_empty() { None } else { Some(make(&service, &others, &[]).await.0) };
            wrongs.insert(scopes.clone(), wrong);
        }
        let what = format!("{method} {path}");
        let asked =
            || request(&nobody, &service, &method, &path).header("x-forwarded-for", format!("192.0.2.{number}"));
        assert_unauthorized(asked(), &what).await;
        for header in &refused {
            assert_unauthorized(asked().header(AUTHORIZATION, header.as_str()), &format!("{what} {header}")).await;
        }
        if let Some(wrong) = &wrongs[&scopes] {
            let (status, problem) = answer(asked().bearer_auth(wrong)).await;
            assert_eq!((status, &problem["type"]), (403, &json!("urn:shopscore:problem:forbidden")), "{what}");
        }
        for good in scopes.iter().map(|scope| &rights[scope.as_str()]).chain([&expiring]) {
            let (status, body) = answer(asked().bearer_auth(good)).await;
            assert!(status < 500 && status != 401 && status != 403, "{what}: {status} {body}");
            assert_ne!(body["type"], json!("urn:shopscore:problem:not-found"), "{what} exists");
        }
    }
    let head = || nobody.head(service.url("/v1/rule-sets"));
    assert_eq!(answer(head()).await.0, 401);
    assert_eq!(answer(head().bearer_auth(rights["scores:read"].as_str())).await.0, 200, "HEAD asks for what GET does");
    service.context.clock.set(soon);
    for (method, path, scopes) in operations() {
        if !scopes.is_empty() {
            let asked = request(&nobody, &service, &method, &path).bearer_auth(&expiring);
            assert_unauthorized(asked, &format!("{method} {path} after expiry")).await;
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_routes_and_paths_that_do_not_exist_ask_for_no_key() {
    let service = TestService::start_with(Choices { auth_required: true, ..Choices::default() }).await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.yaml", "/docs/"] {
        assert_eq!(service.get(path).await.0, 200, "{path}");
    }
    for path in ["/v2/scores", "/v1/shops/s-1/nothing", "/v1/shops/s-1/score/nothing"] {
        let (status, problem) = service.get(path).await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:not-found")), "{path}");
    }
    assert_eq!(answer(service.client.put(service.url("/v1/scores"))).await.0, 405);
    // Any word may stand in the place of the kind, so this is a route.
    assert_eq!(service.get("/v1/vendors/s-1/score").await.0, 401);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_key_that_is_bound_to_shops_nobody_else_exists() {
    let service = guarded().await;
    for shop in ["s-1", "s-2"] {
        let paid = json!({"order_id": "o", "product_id": "p", "creator_id": "c-1"});
        let event = json!({"id": "e", "type": "order.paid", "shop_id": shop, "time": "2026-11-08T10:00:00+08:00", "data": paid});
        assert_eq!(service.post("/v1/events", &event).await.0, 201);
    }
    for date in ["2026-11-19", "2026-11-20"] {
        service.run(date.parse().expect("date")).await;
    }
    for path in ["/v1/shops/s-2/score", "/v1/creators/c-1/score"] {
        service.read(path).await;
    }
    let (merchant, _) = make(&service, &["scores:read"], &["s-1"]).await;
    let mut walked = 0;
    for (method, path, scopes) in operations() {
        if !path.starts_with("/v1/{kind}/{id}") || !scopes.iter().any(|scope| scope == "scores:read") {
            continue;
        }
        let ask = |kind: &str, id: &str| {
            let concrete = path.replace("{kind}", kind).replace("{id}", id);
            answer(request(&service.client, &service, &method, &concrete).bearer_auth(merchant.as_str()))
        };
        let (status, own) = ask("shops", "s-1").await;
        assert_eq!(status, 200, "{method} {path}: {own}");
        let (_, unknown) = ask("shops", "s-9").await;
        for (kind, id) in [("shops", "s-2"), ("shops", "s-9"), ("creators", "c-1"), ("creators", "s-1")] {
            let (status, problem) = ask(kind, id).await;
            let told = (status, &problem["type"], &problem["title"]);
            let wanted = json!("urn:shopscore:problem:subject-not-found");
            assert_eq!(told, (404, &wanted, &unknown["title"]), "{method} {path} of {kind}/{id}");
        }
        let (_, other) = ask("shops", "s-2").await;
        assert_eq!(other.to_string().replace("s-2", "s-9"), unknown.to_string(), "{method} {path}");
        walked += 1;
    }
    assert!(walked >= 11, "only {walked} reads");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_listed_without_its_secret_and_revoked_for_good() {
    let service = guarded().await;
    let wish = json!({"scopes": ["scores:read", "events:write", "scores:read"], "shop_ids": ["s-1"], "name": "ERP",
                      "expires_at": "2027-01-01T00:00:00+08:00"});
    let response = service.client.post(service.url("/v1/keys")).json(&wish).send().await.expect("an answer");
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut made: Value = response.json().await.expect("a key");
    let key = made.as_object_mut().expect("members").remove("key").expect("the key");
    let key = key.as_str().expect("text");
    assert!(key.starts_with("ssk_") && key.starts_with(made["prefix"].as_str().expect("prefix")), "{made}");
    assert_eq!((&made["scopes"], &made["shop_ids"]), (&json!(["events:write", "scores:read"]), &json!(["s-1"])));
    assert_eq!((&made["name"], &made["expires_at"]), (&json!("ERP"), &json!("2026-12-31T16:00:00Z")));
    let listed = service.read("/v1/keys").await;
    assert_eq!((&listed["items"][0], listed["items"].as_array().map(Vec::len)), (&made, Some(2)), "newest first");
    let random = key.rsplit('_').next().expect("the random part");
    let text = listed.to_string();
    assert!(random.len() == 64 && !text.contains(random) && !text.contains("hash"), "{text}");

    for (body, pointer) in [
        (json!({"scopes": ["scores:read", "scores:write"]}), "/scopes/1"),
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": ["scores:read"], "shop_ids": []}), "/shop_ids"),
        (json!({"scopes": ["scores:read"], "shop_ids": ["s-1", "a,b"]}), "/shop_ids/1"),
        (json!({"scopes": ["scores:read", "admin"], "shop_ids": ["s-1"]}), "/scopes"),
        (json!({"scopes": ["scores:read"], "expires_at": "2026-11-20T03:00:00Z"}), "/expires_at"),
        (json!({"scopes": ["scores:read"], "expires_at": "+12026-11-20T03:00:00Z"}), "/expires_at"),
        (json!({"scopes": ["scores:read"], "expires_at": "2027-11-20T03:00:60Z"}), "/expires_at"),
        (json!({"scopes": ["scores:read"], "expires_at": "2027-11-20T03:00:00\u{2212}08:00"}), "/expires_at"),
        (json!({"scopes": ["scores:read"], "name": "\0"}), "/name"),
        (json!({"scopes": ["scores:read"], "creator_ids": []}), "/creator_ids"),
        (json!({"scopes": ["scores:read"], "creator_ids": ["c-1", "a b"]}), "/creator_ids/1"),
        (json!({"scopes": ["scores:read", "admin"], "creator_ids": ["c-1"]}), "/scopes"),
        (json!({"scopes": ["events:write"], "creator_ids": ["c-1"]}), "/scopes"),
    ] {
        let (status, problem) = service.post("/v1/keys", &body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}: {problem}");
    }
    assert_eq!(service.read("/v1/keys").await, listed, "nothing was made");

    let key_id: i32 = made["key_id"].as_str().expect("an id").parse().expect("a number");
    let (status, gone) = revoke(&service, key_id).await;
    assert_eq!((status, &gone["revoked_at"]), (200, &json!("2026-11-20T03:00:00Z")));
    let actors = (&made["created_by_key_id"], &gone["created_by_key_id"], &gone["revoked_by_key_id"]);
    assert_eq!(actors, (&json!("1"), &json!("1"), &json!("1")), "the key of this client");
    service.context.clock.set(service.context.clock.now() + TimeDelta::minutes(1));
    assert_eq!(revoke(&service, key_id).await, (200, gone.clone()), "it stays as it was");
    assert_eq!(service.read("/v1/keys").await["items"][0], gone);
    for id in ["999999", "99999999999", "x"] {
        let (status, problem) = answer(service.client.delete(service.url(&format!("/v1/keys/{id}")))).await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:key-not-found")), "{id}");
    }
    service.stop().await;
}
