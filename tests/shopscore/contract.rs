//! The rest of the contract: registry, exclusions, runs, reads, and that the description, the routes and the answers
//! are in step.

use serde_json::{Value, json};
use shopscore::http;

use crate::keys::{guarded_with, make};
use crate::push::{connectors, signed_md5};
use crate::support::receiver::Receiver;
use crate::support::{Choices, TestService, answer};
use crate::webhooks::{opened, subscribe};

pub fn order(shop: &str, order: &str, creator: Option<&str>) -> Vec<String> {
    let event = |id: &str, event_type: &str, time: &str, data: Value| {
        json!({"id": id, "type": event_type, "shop_id": shop, "time": time, "data": data}).to_string()
    };
    let mut paid = json!({"order_id": order, "product_id": "p"});
    if let Some(creator) = creator {
        paid["creator_id"] = json!(creator);
    }
    vec![
        event("1", "order.paid", "2026-10-31T10:00:00+08:00", paid),
        event("2", "order.signed", "2026-11-02T10:00:00+08:00", json!({"order_id": order})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn events_register_whom_they_name_and_the_registry_changes_only_what_it_is_told() {
    let service = TestService::start().await;
    service.send(&order("s-1", "o-1", Some("c-1"))).await;
    for path in ["/v1/shops/s-1", "/v1/creators/c-1"] {
        let subject = service.read(path).await;
        assert_eq!((&subject["category_id"], &subject["name"]), (&Value::Null, &Value::Null), "{path}");
    }
    let put = |path: &'static str, body: Value| answer(service.client.put(service.url(path)).json(&body));
    assert_eq!(put("/v1/shops/s-1", json!({"name": "One", "category_id": "food"})).await.0, 200);
    assert_eq!(put("/v1/shops/s-2", json!({})).await.0, 201);
    let (_, renamed) = put("/v1/shops/s-1", json!({"name": "Uno"})).await;
    assert_eq!((&renamed["name"], &renamed["category_id"]), (&json!("Uno"), &json!("food")), "an absent field stays");
    let (_, cleared) = put("/v1/shops/s-1", json!({"category_id": null})).await;
    assert_eq!((&cleared["name"], &cleared["category_id"]), (&json!("Uno"), &Value::Null), "null clears");
    let batch = json!({"shops": [{"shop_id": "s-3", "category_id": "a"}, {"shop_id": "s-1"}, {"shop_id": "s-3", "category_id": "b"}]});
    assert_eq!(service.post("/v1/shops:batch", &batch).await, (200, json!({"created": 1, "updated": 1})));
    assert_eq!(service.read("/v1/shops/s-3").await["category_id"], json!("b"), "of a repeated id the last counts");
    let faulty = json!({"shops": [{"shop_id": "s-4"}, {"shop_id": "a,b"}, {"shop_id": "s-5", "category_id": " "}]});
    let (status, problem) = service.post("/v1/shops:batch", &faulty).await;
    let pointers: Vec<&Value> =
        problem["errors"].as_array().expect("errors").iter().map(|error| &error["pointer"]).collect();
    assert_eq!((status, pointers), (422, vec![&json!("/shops/1/shop_id"), &json!("/shops/2/category_id")]));
    assert_eq!(service.get("/v1/shops/s-4").await.0, 404, "nothing was written");
    assert_eq!(service.get("/v1/vendors/s-1").await.1["type"], json!("urn:shopscore:problem:not-found"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_add_revisions_and_refuse_the_future() {
    let service = TestService::start().await;
    service.send(&order("s-1", "o-1", None)).await;
    let (status, problem) = service.get("/v1/shops/s-1/score").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:score-not-published")));
    let (status, problem) = service.get("/v1/shops/s-9/score").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:subject-not-found")));
    assert_eq!(service.post("/v1/runs", &json!({"date": "2026-11-21"})).await.0, 422, "tomorrow");
    assert_eq!(service.post("/v1/runs", &json!({"date": "20.11.2026"})).await.0, 422);
    let (status, problem) = service.post("/v1/runs", &json!({"date": "1969-12-31"})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/date")), "{problem}");
    let (status, problem) = service.post("/v1/runs", &json!({"date": "2026-11-20", "reason": "\0"})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/reason")), "{problem}");
    let first = service.run("2026-11-20".parse().expect("date")).await;
    let second = service.run("2026-11-20".parse().expect("date")).await;
    assert_eq!((&first["revision"], &second["revision"], &first["late"]), (&json!(1), &json!(2), &json!(false)));
    assert_eq!((&first["subjects_total"], &first["subjects_done"]), (&json!(1), &json!(1)));
    let score = service.read("/v1/shops/s-1/score").await;
    assert_eq!(
        (&score["revision"], &score["run_id"], &score["status"]),
        (&json!(2), &second["run_id"], &json!("insufficient_volume"))
    );
    assert_eq!(
        (&score["score"], &score["tier"], score["dimensions"].as_array().expect("all").len()),
        (&Value::Null, &Value::Null, 3)
    );
    assert_eq!(service.read("/v1/shops/s-1/score?revision=1").await["run_id"], first["run_id"]);
    service.send(&order("s-2", "o-1", None)).await;
    let (status, problem) = service.get("/v1/shops/s-2/score").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:shopscore:problem:score-not-published")), "unknown then");
    let history = service.read("/v1/shops/s-1/scores?from=2026-11-01&to=2026-11-20").await;
    assert_eq!(history["scores"].as_array().expect("scores").len(), 1);
    assert_eq!(history["scores"][0]["revision"], json!(2));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn published_answers_carry_an_etag_and_are_not_sent_twice() {
    let service = TestService::start().await;
    service.send(&order("s-1", "o-1", None)).await;
    service.run("2026-11-20".parse().expect("date")).await;
    for route in ["score", "metrics", "penalties", "scores"] {
        let url = service.url(&format!("/v1/shops/s-1/{route}"));
        let first = service.client.get(&url).send().await.expect("an answer");
        let header = |name: &str| first.headers()[name].to_str().expect(name).to_owned();
        assert!(header("etag").starts_with('"') && header("last-modified").ends_with("GMT"));
        assert_eq!(header("cache-control"), "private, no-cache");
        assert!(!header("x-request-id").is_empty());
        let again = service.client.get(&url).header("if-none-match", header("etag")).send().await.expect("an answer");
        assert_eq!((again.status().as_u16(), again.bytes().await.expect("body").len()), (304, 0), "{route}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_records_go_on_in_the_revision_that_they_began_with() {
    let service = TestService::start().await;
    let events: Vec<String> = (0..25).flat_map(|number| order("s-1", &format!("o-{number}"), None)).collect();
    service.send(&events).await;
    service.run("2026-11-20".parse().expect("date")).await;
    let path = "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=denominator&limit=10";
    let first = service.read(path).await;
    service.send(&order("s-1", "o-late", None)).await;
    service.run("2026-11-20".parse().expect("date")).await;
    let (mut given, mut cursor) = (10, first["next_cursor"].clone());
    while let Some(text) = cursor.as_str() {
        let page = service.read(&format!("{path}&cursor={text}")).await;
        assert_eq!((&page["run_id"], &page["total"]), (&first["run_id"], &json!(25)));
        given += page["items"].as_array().expect("items").len();
        cursor = page["next_cursor"].clone();
    }
    assert_eq!(given, 25);
    service.stop().await;
}

#[test]
fn openapi_yaml_is_what_the_code_says() {
    let written = include_str!("../../openapi.yaml");
    assert_eq!(http::service::docs::yaml(&http::routes::description()).expect("yaml"), written, "run: make openapi");
}

#[test]
fn the_reference_of_events_measures_and_metrics_is_what_the_code_says() {
    let written = include_str!("../../docs/reference.md");
    assert_eq!(shopscore::domain::reference::markdown(), written, "run: make reference");
}

/// The description as JSON.
fn description() -> Value {
    serde_json::to_value(http::routes::description()).expect("a description")
}

#[test]
fn every_operation_has_examples_that_are_as_described() {
    let description = description();
    let valid = |schema: &Value, example: &Value| {
        let whole = json!({"components": description["components"], "allOf": [schema]});
        let validator = jsonschema::validator_for(&whole).expect("a schema");
        let faults: Vec<String> =
            validator.iter_errors(example).map(|fault| format!("{fault} at {}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?}\n{example}");
    };
    let mut operations = 0;
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let about = format!("{method} {path}");
            let contents = |of: &Value| of["content"].as_object().cloned().unwrap_or_default();
            let is_success = |status: &str| status.starts_with('2');
            let responses = operation["responses"].as_object().expect("responses");
            let answered = responses.iter().filter(|(status, _)| is_success(status)).flat_map(|(_, one)| contents(one));
            let answered: Vec<Value> =
                answered.filter(|(_, one)| !one["example"].is_null()).map(|(_, one)| one).collect();
            assert_eq!(answered.len(), 1, "{about}: one answer has an example");
            answered.iter().for_each(|one| valid(&one["schema"], &one["example"]));
            if let Some(sent) = contents(&operation["requestBody"]).get("application/json") {
                assert!(!sent["example"].is_null(), "{about}: what is sent has an example");
                valid(&sent["schema"], &sent["example"]);
            }
            operations += 1;
        }
    }
    assert!(operations >= 30, "only {operations} operations");
    let mut events = 0;
    for (name, schema) in description["components"]["schemas"].as_object().expect("schemas") {
        for example in schema["examples"].as_array().into_iter().flatten() {
            valid(schema, example);
            events += usize::from(name.ends_with("Event"));
        }
    }
    assert_eq!(events, 28, "27 types of events and the CloudEvent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_every_event_type_is_accepted_in_both_envelopes() {
    let service = TestService::start().await;
    let description = description();
    let schemas = description["components"]["schemas"].as_object().expect("schemas");
    let of_types = description["components"]["schemas"]["Event"]["oneOf"].as_array().expect("types");
    let examples: Vec<Value> = of_types
        .iter()
        .map(|reference| {
            let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).expect("a name");
            schemas[name]["examples"][0].clone()
        })
        .collect();
    let (status, answer) = service.post("/v1/events", &json!(examples)).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(27)), "{answer}");
    let as_cloud_event = |event: &Value| {
        let mut event = event.clone();
        let members = event.as_object_mut().expect("an event");
        let shop = members.remove("shop_id").expect("a shop");
        members.extend(
            [("specversion", json!("1.0")), ("source", json!("/x")), ("shopid", shop)].map(|(k, v)| (k.to_owned(), v)),
        );
        event
    };
    let cloud: Vec<Value> = examples.iter().map(as_cloud_event).collect();
    let request = service.client.post(service.url("/v1/events"));
    let request = request.header("content-type", "application/cloudevents-batch+json").body(json!(cloud).to_string());
    let (status, answer) = crate::support::answer(request).await;
    assert_eq!((status, &answer["duplicates"]), (200, &json!(27)), "{answer}");
    service.stop().await;
}

/// Fails unless a body is what the description promises for a status of an operation.
fn assert_described(description: &Value, path: &str, method: &str, status: u16, body: &Value) {
    let response = &description["paths"][path][method]["responses"][status.to_string()];
    assert!(!response.is_null(), "{method} {path} answers {status}, which is not described");
    let content = response["content"].as_object().expect("content").values().next().expect("a media type").clone();
    let mut schema = content["schema"].clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).expect("a sound schema");
    // The validator reads numbers as a client would.
    let faults: Vec<String> =
        validator.iter_errors(body).map(|fault| format!("{fault} at {}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{method} {path} {status}: {faults:?}\n{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_operation_exists_takes_its_parameters_and_answers_as_described() {
    let choices = Choices { connectors: connectors(), ..opened() };
    let (service, receiver) = (guarded_with(choices).await, Receiver::start().await);
    let hook = json!({"url": receiver.url("/"), "events": ["metric.alert"]});
    // The last of each is deleted on the way.
    let rule = json!({"webhook_id": "1", "all": true, "score": "score", "op": "below", "value": 4.6});
    for _ in 0..2 {
        subscribe(&service, hook.clone()).await;
        assert_eq!(service.post("/v1/alerts", &rule).await.0, 201);
    }
    let tried = service.post("/v1/webhooks/1/test", &Value::Null).await.1["delivery_id"].clone();
    let events: Vec<String> = (0..40).flat_map(|number| order("s-1", &format!("o-{number}"), Some("c-1"))).collect();
    service.send(&events).await;
    let others =
        [("im.session_started", json!({"session_id": "im-1"})), ("product.listed", json!({"product_id": "p-1"}))];
    let others = others.map(|(event_type, data)| {
        json!({"id": "e", "type": event_type, "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": data})
            .to_string()
    });
    service.send(&others).await;
    service.send(&order("s-gone", "o-1", None)).await;
    service.run("2026-11-19".parse().expect("date")).await;
    let run = service.run("2026-11-20".parse().expect("date")).await;
    let key_id = service.post("/v1/keys", &json!({"scopes": ["admin"]})).await.1["key_id"].clone();
    let (relaying, _) = make(&service, &["events:write", "events:relay"], &[]).await;
    let exclusion = json!({"shop_id": "s-1", "target": "order", "id": "o-1", "reason": "r", "decided_by": "d"});
    let exclusion_id = service.post("/v1/exclusions", &exclusion).await.1["exclusion_id"].clone();
    let adjustment =
        json!({"shop_id": "s-1", "code": "fake_trade", "from": "2026-11-20", "reason": "r", "decided_by": "d"});
    assert_eq!(service.post("/v1/adjustments", &adjustment).await.0, 201);
    let draft = include_str!("../rules/draft-30.toml");
    let previewed = service.client.post(service.url("/v1/previews")).header("content-type", "application/toml");
    assert_eq!(answer(previewed.body(draft)).await.0, 202);
    let description = description();
    let mut checked = 0;
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            // The other key may be revoked by now; the client's own one stays good for a while.
            let concrete = path.replace("{key_id}/rotate", "1/rotate");
            let concrete = if method == "delete" { concrete.replace("{kind}/{id}", "shops/s-gone") } else { concrete };
            let of_two = if method == "delete" { "2" } else { "1" };
            let concrete = concrete
                .replace("{webhook_id}", of_two)
                .replace("{alert_id}", of_two)
                .replace("{delivery_id}", tried.as_str().expect("id"))
                .replace("{kind}", "shops")
                .replace("{connector}", "dd-main")
                .replace("/v1/rule-sets/{id}", "/v1/rule-sets/shop-v1")
                .replace("{id}", "s-1")
                .replace("{order_id}", "o-1")
                .replace("{session_id}", "im-1")
                .replace("{product_id}", "p-1")
                .replace("{metric}", "negative_feedback_rate")
                .replace("{category_id}", "food")
                .replace("{key_id}", key_id.as_str().expect("id"))
                .replace("{run_id}", run["run_id"].as_str().expect("id"))
                .replace("{exclusion_id}", exclusion_id.as_str().expect("id"))
                .replace("{adjustment_id}", "1")
                .replace("{preview_id}", "1");
            let url = service.url(&concrete);
            let body = match (method.as_str(), path.as_str()) {
                ("post", "/v1/push/{connector}/details") => Some(json!([])),
                ("post", "/v1/push/{connector}") => Some(json!([{"tag": 0, "msg_id": "m", "data": {}}])),
                ("post", "/v1/events") => Some(serde_json::from_str(&order("s-1", "o-new", None)[0]).expect("event")),
                ("post", "/v1/exclusions") => {
                    Some(json!({"shop_id": "s-1", "target": "order", "id": "o-2", "reason": "r", "decided_by": "d"}))
                }
                ("post", "/v1/exclusions:batch") => Some(json!({"exclusions": [
                    {"shop_id": "s-1", "target": "order", "id": "o-3", "reason": "r", "decided_by": "d"}
                ]})),
                ("delete", "/v1/exclusions/{exclusion_id}" | "/v1/adjustments/{adjustment_id}") => {
                    Some(json!({"revoked_by": "ops"}))
                }
                ("post", "/v1/adjustments") => Some(adjustment.clone()),
                ("post", "/v1/keys/{key_id}/rotate") => Some(json!({"grace_hours": 1})),
                ("post", "/v1/shops:batch") => Some(json!({"shops": []})),
                ("post", "/v1/creators:batch") => Some(json!({"creators": [{"creator_id": "c-1", "name": null}]})),
                ("post", "/v1/keys") => Some(json!({"scopes": ["scores:read"], "shop_ids": ["s-1"]})),
                ("post", "/v1/{kind}/{id}/score/what-if") => {
                    Some(json!({"add": {"signed_orders": 3}, "target_score": 4.6}))
                }
                ("post", "/v1/runs") => Some(json!({"date": "2026-11-19"})),
                ("post", "/v1/webhooks") | ("put", "/v1/webhooks/{webhook_id}") => Some(hook.clone()),
                ("post", "/v1/alerts") => Some(rule.clone()),
                ("put", _) => Some(json!({"name": "One"})),
                _ => None,
            };
            let method_name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let query = if path == "/v1/imports" { "?map=orders" } else { "" };
            let mut request = service.client.request(method_name, format!("{url}{query}"));
            if let Some(body) = &body {
                request = request.json(body);
            }
            if let Some(body) = body.as_ref().filter(|_| path == "/v1/push/{connector}") {
                request = request.header("event-sign", signed_md5(body.to_string().as_bytes()));
            }
            if ["/v1/push/{connector}/details", "/v1/imports"].contains(&path.as_str()) {
                request = request.bearer_auth(&relaying);
            }
            if path == "/v1/imports" {
                let table = "order_id,shop_id,paid_at\no-9,s-1,2026-11-08 10:00\n";
                request = request.header("content-type", "text/csv").body(table);
            }
            if path == "/v1/previews" {
                request = request.header("content-type", "application/toml").body(draft);
            }
            let (status, answered) = answer(request).await;
            assert!((200..300).contains(&status), "{method} {path}: {status} {answered}");
            if !["/openapi.yaml", "/metrics", "/v1/exports/scores"].contains(&path.as_str()) {
                assert_described(&description, path, method, status, &answered);
            }
            let described = operation["parameters"].as_array().cloned().unwrap_or_default();
            for parameter in described.iter().filter(|parameter| parameter["in"] == "query" && method == "get") {
                let name = parameter["name"].as_str().expect("name");
                let (_, problem) = service.get(&format!("{concrete}?{name}=x,x")).await;
                let unknown = problem["errors"][0]["code"] == "unknown_parameter";
                assert!(!unknown, "{path} does not take {name}");
            }
            let (status, problem) =
                answer(service.client.request(method_name_of(method), format!("{url}?no-such=1"))).await;
            if path != "/v1/events" {
                assert_eq!(
                    (status, &problem["errors"][0]["code"]),
                    (400, &json!("unknown_parameter")),
                    "{method} {path}"
                );
                assert_described(&description, "/v1/runs", "get", 400, &problem);
            }
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} operations are described");
    let docs = service.client.get(service.url("/docs/")).send().await.expect("an answer");
    assert_eq!(docs.status(), 200);
    service.stop().await;
}

fn method_name_of(method: &str) -> reqwest::Method {
    reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method")
}
