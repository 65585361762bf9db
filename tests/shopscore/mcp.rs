//! Tools for agents, over HTTP and on standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::keys::{guarded_with, make};
use crate::support::program::{empty_directory, program};
use crate::support::{Choices, TestService, answer, date};

fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
           "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}})
}

async fn ask(service: &TestService, key: &str, message: &Value) -> (u16, Value) {
    let request = service.client.post(service.url("/mcp")).bearer_auth(key).json(message);
    let request = request.header("accept", "application/json, text/event-stream");
    answer(request.header("mcp-protocol-version", "2025-06-18")).await
}

/// A service with two shops that are scored twice.
async fn scored() -> TestService {
    let service = guarded_with(Choices::default()).await;
    let mut events = Vec::new();
    for shop in ["s-1", "s-2"] {
        for order in 0..12 {
            let id = format!("{shop}-{order}");
            for (step, day) in [("paid", 1), ("picked_up", 2), ("signed", 4)] {
                let time = format!("2026-11-0{day}T10:00:00+08:00");
                events.push(
                    json!({"id": format!("{id}-{step}"), "type": format!("order.{step}"), "shop_id": shop, "time": time,
                                   "data": {"order_id": id}}),
                );
            }
        }
    }
    let (status, told) = answer(service.client.post(service.url("/v1/events")).json(&events)).await;
    assert_eq!((status, &told["accepted"]), (200, &json!(72)), "{told}");
    service.run(date("2026-11-19")).await;
    let review = json!({"id": "r", "type": "review.posted", "shop_id": "s-1", "time": "2026-11-05T10:00:00+08:00",
                        "data": {"order_id": "s-1-0", "review_id": "r", "product_stars": 1}});
    assert_eq!(answer(service.client.post(service.url("/v1/events")).json(&review)).await.0, 201);
    service.run(date("2026-11-20")).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_tools_say_what_the_api_says_to_the_same_key() {
    let service = scored().await;
    let (key, _) = make(&service, &["scores:read"], &[]).await;
    let (bound, _) = make(&service, &["scores:read"], &["s-2"]).await;
    let (writer, _) = make(&service, &["events:write"], &[]).await;
    assert_eq!(ask(&service, "nothing", &initialize()).await.0, 401);
    assert_eq!(ask(&service, &writer, &initialize()).await.0, 403);
    let (status, hello) = ask(&service, &key, &initialize()).await;
    assert_eq!((status, &hello["result"]["serverInfo"]["name"]), (200, &json!("shopscore")), "{hello}");
    let (_, listed) = ask(&service, &key, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await;
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(
        names,
        ["fleet", "score", "metrics", "records", "forecast", "projected", "what_if", "advice", "products"]
    );
    assert!(
        tools.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true && tool["inputSchema"]["type"] == "object")
    );

    let told = async |key: &str, tool: &str, arguments: Value| {
        let (status, answered) = ask(&service, key, &call(2, tool, &arguments)).await;
        assert_eq!(status, 200, "{tool}: {answered}");
        let result = answered["result"].clone();
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().expect("a text")).unwrap_or_default();
        if result["isError"] != true {
            assert_eq!(text, result["structuredContent"], "{tool}");
        }
        result
    };
    let same = async |tool: &str, arguments: Value, path: &str| {
        let mut found = told(&key, tool, arguments).await["structuredContent"].clone();
        let changes = found.as_object_mut().expect("an object").remove("changes");
        let mut wanted = service.read(path).await;
        for answer in [&mut found, &mut wanted] {
            // These tell the moment of the question.
            answer.as_object_mut().expect("an object").remove("as_of");
        }
        assert_eq!(found, wanted, "{tool}");
        changes
    };
    same("fleet", json!({"sort": "score"}), "/v1/scores?sort=score&limit=20").await;
    let changes = same("score", json!({"id": "s-1"}), "/v1/shops/s-1/score").await;
    assert_eq!(changes, Some(service.read("/v1/shops/s-1/score/changes").await));
    let first = same("score", json!({"id": "s-1", "date": "2026-11-19"}), "/v1/shops/s-1/score?date=2026-11-19").await;
    assert_eq!(first, None, "there is no date before");
    same("metrics", json!({"id": "s-1"}), "/v1/shops/s-1/metrics").await;
    let records = json!({"id": "s-1", "metric": "negative_feedback_rate", "side": "numerator"});
    same("records", records, "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=numerator&limit=20").await;
    same("forecast", json!({"id": "s-1", "days": 5}), "/v1/shops/s-1/score/forecast?days=5").await;
    same("projected", json!({"id": "s-1"}), "/v1/shops/s-1/score/projected").await;
    same("advice", json!({"id": "s-1"}), "/v1/shops/s-1/score/advice").await;
    same("products", json!({"id": "s-1"}), "/v1/shops/s-1/products?limit=20").await;
    let (_, what_if) = service.post("/v1/shops/s-1/score/what-if", &json!({"add": {"signed_orders": 100}})).await;
    let asked = told(&key, "what_if", json!({"id": "s-1", "add": {"signed_orders": 100}})).await;
    assert_eq!(asked["structuredContent"], what_if);

    // What a key does not see it is not told; what is wrong is said in words.
    let fleet = told(&bound, "fleet", json!({})).await;
    assert_eq!(fleet["structuredContent"]["items"].as_array().map(Vec::len), Some(1), "{fleet}");
    for (arguments, part) in
        [(json!({"id": "s-1"}), "404: the shop s-1 is not registered"), (json!({}), "id is required")]
    {
        let refused = told(&bound, "score", arguments).await;
        let text = refused["content"][0]["text"].as_str().expect("a text");
        assert!(refused["isError"] == true && text.contains(part), "{refused}");
    }
    let (_, unknown) = ask(&service, &key, &call(3, "drop_tables", &json!({}))).await;
    assert!(
        unknown["error"]["message"].as_str().is_some_and(|text| text.contains("there are fleet, score")),
        "{unknown}"
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_standard_streams_the_command_asks_a_service() {
    let service = scored().await;
    let (key, _) = make(&service, &["scores:read"], &[]).await;
    let wanted = service.read("/v1/shops/s-1/metrics").await;
    let mut child = program(&empty_directory("mcp"), &["mcp", "--url", &service.base])
        .env("SHOPSCORE_KEY", key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("its input");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let talking = tokio::task::spawn_blocking(move || {
        let mut say = |message: &Value| writeln!(input, "{message}").expect("it listens");
        let mut hear =
            || -> Value { serde_json::from_str(&lines.next().expect("an answer").expect("a line")).expect("JSON") };
        say(&initialize());
        assert_eq!(hear()["result"]["serverInfo"]["name"], "shopscore");
        say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        say(&call(1, "metrics", &json!({"id": "s-1"})));
        assert_eq!(hear()["result"]["structuredContent"], wanted);
        say(&call(2, "score", &json!({"id": "nobody"})));
        assert_eq!(hear()["result"]["isError"], true);
    });
    talking.await.expect("a conversation");
    let status = tokio::task::spawn_blocking(move || child.wait().expect("an end")).await.expect("an end");
    assert!(status.success(), "it ends when its client is gone");
    service.stop().await;
}
