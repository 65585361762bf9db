//! Lists as CSV: the same as their pages in JSON.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::keys::{guarded_with, make};
use crate::support::answers::service_knowing;
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, answer, date, seeds};

async fn csv(service: &TestService, path: &str, accept: &str) -> (u16, String, String) {
    let response = service.client.get(service.url(path)).header("accept", accept).send().await.expect("an answer");
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].to_str().expect("a type").to_owned();
    (status, content_type, response.text().await.expect("a text"))
}

async fn put(service: &TestService, path: &str, body: &Value) -> (u16, Value) {
    answer(service.client.put(service.url(path)).json(body)).await
}

/// The rows of a table by the names of their columns.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

/// All items of a list, page by page.
async fn items(service: &TestService, path: &str, member: &str) -> Vec<(Value, Value)> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        let page = match &cursor {
            None => service.read(path).await,
            Some(cursor) => service.read(&format!("{path}{sign}cursor={cursor}")).await,
        };
        items.extend(page[member].as_array().expect("items").iter().map(|item| (page.clone(), item.clone())));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return items,
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_what_all_pages_have() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-19")).await;
        service.run(date("2026-11-20")).await;
        let shop = &stream.shops[0];
        let (status, _) =
            put(&service, &format!("/v1/shops/{shop}"), &json!({"name": "=SUM(1,1) \"Tea\", 茶\nhouse"})).await;
        assert_eq!(status, 200);
        let records = format!("/v1/shops/{shop}/metrics/negative_feedback_rate/records?side=denominator&limit=2");
        for (path, member, id) in [
            ("/v1/scores?limit=3&sort=score".to_owned(), "items", ("shop_id", "/shop_id")),
            ("/v1/scores?kind=creators".to_owned(), "items", ("creator_id", "/creator_id")),
            (format!("/v1/shops/{shop}/scores?from=2026-11-01"), "scores", ("date", "/date")),
            (format!("/v1/shops/{shop}/metrics?rule_set=douyin-2026-09"), "metrics", ("metric", "/id")),
            (records, "items", ("order_id", "/order_id")),
            (format!("/v1/shops/{shop}/products?limit=1"), "items", ("product_id", "/product_id")),
        ] {
            let (status, content_type, text) = csv(&service, &path, "text/csv").await;
            assert_eq!((status, content_type.as_str()), (200, "text/csv; charset=utf-8; header=present"), "{path}");
            let (rows, items) = (rows(&text), items(&service, &path, member).await);
            assert_eq!(rows.len(), items.len(), "{path}, seed {seed}");
            for (row, (whole, item)) in rows.iter().zip(&items) {
                assert_eq!(row[id.0], shown(item.pointer(id.1).expect("an id")), "{path}");
                for (name, cell) in row {
                    let value = item.get(name).or_else(|| whole.get(name)).filter(|value| !value.is_object());
                    // Cells of formulas have an apostrophe in front; others stand elsewhere in the answer, or are not said.
                    if let Some(value) = value {
                        let shown = shown(value);
                        assert!(*cell == shown || *cell == format!("'{shown}"), "{path} {name}: {cell} {shown}");
                    }
                }
            }
        }
        let (_, _, named) =
            csv(&service, &format!("/v1/scores?ids={shop}&bom=true"), "application/json;q=0.5, text/csv").await;
        assert!(named.starts_with("\u{feff}date,revision,rule_set,kind,shop_id,"), "{named}");
        assert!(named.contains("\"'=SUM(1,1) \"\"Tea\"\", 茶\nhouse\""), "{named}");
        let metrics = format!("/v1/shops/{shop}/metrics");
        let stars = csv(&service, &metrics, "text/csv").await.2;
        assert!(rows(&stars).iter().any(|row| row["title_zh"] == "综合负向反馈率"), "{stars}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_asked_for_by_name_and_shows_no_more_than_its_caller_sees() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(7));
    let plain = service_knowing(&stream, &stream.events).await;
    plain.run(date("2026-11-20")).await;
    for accept in ["*/*", "application/json", "application/json, text/csv", "text/*", "text/csv;q=0"] {
        assert_eq!(csv(&plain, "/v1/scores", accept).await.1, "application/json", "{accept}");
    }
    let (status, content_type, problem) = csv(&plain, "/v1/scores?colour=red", "text/csv").await;
    assert_eq!((status, content_type.as_str()), (400, "application/problem+json"), "{problem}");
    assert_eq!(csv(&plain, "/v1/shops/nobody/metrics", "text/csv").await.0, 404);
    // What the client knows in JSON is not what it asks for.
    let etag = plain.client.get(plain.url("/v1/scores")).send().await.expect("an answer").headers()["etag"].clone();
    let again = plain.client.get(plain.url("/v1/scores")).header("accept", "text/csv").header("if-none-match", etag);
    assert_eq!(again.send().await.expect("an answer").status(), 200);
    plain.stop().await;
    let service = guarded_with(Choices::default()).await;
    for shop in ["s-1", "s-2"] {
        assert_eq!(put(&service, &format!("/v1/shops/{shop}"), &json!({"category_id": "food"})).await.0, 201);
    }
    service.run(date("2026-11-20")).await;
    let (key, _) = make(&service, &["scores:read"], &["s-2"]).await;
    let request = service.client.get(service.url("/v1/scores")).bearer_auth(&key).header("accept", "text/csv");
    let own = rows(&request.send().await.expect("an answer").text().await.expect("a text"));
    assert_eq!(own.iter().map(|row| row["shop_id"].as_str()).collect::<Vec<_>>(), ["s-2"]);
    let other = service.client.get(service.url("/v1/shops/s-1/metrics")).bearer_auth(&key).header("accept", "text/csv");
    assert_eq!(other.send().await.expect("an answer").status(), 404);
    service.stop().await;
}
