//! Erasing a shop: nothing of it stays but the record of that, and nobody else notices.

use serde_json::{Value, json};

use crate::contract::order;
use crate::keys::{get, guarded_with, make, post};
use crate::previews::{self, DRAFT};
use crate::support::receiver::{Mode, Receiver};
use crate::support::{TestService, answer};
use crate::webhooks::{all_is_announced, id_of, opened, subscribe};

async fn delete(service: &TestService, path: &str) -> (u16, Value) {
    answer(service.client.delete(service.url(path))).await
}

/// Waits until all erasures are done, and returns the newest.
async fn erased(service: &TestService) -> Value {
    loop {
        let erasures = service.read("/v1/erasures").await;
        let items = erasures["items"].as_array().expect("items");
        if items.iter().all(|one| one["state"] == "done") {
            return items[0].clone();
        }
        tokio::task::yield_now().await;
    }
}

/// The tables that still name a shop, but for records of erasures, the shops of keys, and who changed something of it.
async fn tables_that_name(service: &TestService, shop: &str) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns
         where table_schema = 'public' and column_name in ('shop_id', 'subject_id') and table_name not in ('erasure', 'audit_entry')
           and table_name in (select table_name from information_schema.tables where table_type = 'BASE TABLE')",
    )
    .fetch_all(&service.context.store.read)
    .await
    .expect("columns");
    assert!(columns.len() >= 12, "{columns:?}");
    let mut found = Vec::new();
    for (table, column) in columns {
        let query = format!("select exists (select from {table} where {column} = $1)");
        let query = sqlx::query_scalar::<_, bool>(sqlx::AssertSqlSafe(query)).bind(shop);
        if query.fetch_one(&service.context.store.read).await.expect("an answer") {
            found.push(table);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_shop_stays_and_nobody_else_notices() {
    let (service, receiver) = (guarded_with(opened()).await, Receiver::start().await);
    // Nothing arrives at one of them, so that something is on its way.
    receiver.set("/fails", Mode::Fail(500));
    for path in ["/fails", "/good"] {
        let events = ["score.published", "metric.alert"];
        let hook = json!({"url": receiver.url(path), "events": events, "shop_ids": ["s-1", "s-2"]});
        let made = subscribe(&service, hook).await;
        for of in [json!({"shop_id": "s-1"}), json!({"all": true})] {
            let mut rule = json!({"webhook_id": id_of(&made), "score": "score", "op": "below", "value": 6});
            rule.as_object_mut().expect("a rule").extend(of.as_object().expect("members").clone());
            assert_eq!(service.post("/v1/alerts", &rule).await.0, 201);
        }
    }
    for shop in ["s-1", "s-2"] {
        let orders: Vec<String> = (0..40).flat_map(|number| order(shop, &format!("o-{number}"), Some("c-1"))).collect();
        service.send(&orders).await;
        // Old enough to be in the sums that runs keep.
        let old: Vec<String> =
            order(shop, "old", Some("c-1")).iter().map(|event| event.replace("2026-1", "2026-0")).collect();
        let old: Vec<String> =
            old.iter().map(|event| event.replace("2026-00", "2026-08").replace("2026-01", "2026-09")).collect();
        service.send(&old).await;
        let listed = json!({"id": "l", "type": "product.listed", "shop_id": shop, "time": "2026-11-08T10:00:00+08:00", "data": {"product_id": "p"}});
        assert_eq!(service.post("/v1/events", &json!([listed, {"id": "x", "shop_id": shop}])).await.0, 200);
        let sham = json!({"shop_id": shop, "target": "order", "id": "o-1", "reason": "sham", "decided_by": "ops"});
        assert_eq!(service.post("/v1/exclusions", &sham).await.0, 201);
        let fine =
            json!({"shop_id": shop, "code": "fake_trade", "from": "2026-11-01", "reason": "sham", "decided_by": "ops"});
        assert_eq!(service.post("/v1/adjustments", &fine).await.0, 201);
    }
    for date in ["2026-11-19", "2026-11-20"] {
        service.run(date.parse().expect("date")).await;
    }
    let preview = previews::done(&service, "", DRAFT).await;
    assert_eq!(preview["subjects_total"], json!(2), "{preview}");
    all_is_announced(&service).await;
    let other = service.read("/v1/shops/s-2/metrics").await;
    let (own_key, _) = make(&service, &["scores:read", "events:write"], &["s-1"]).await;
    let (shared_key, _) = make(&service, &["scores:read"], &["s-1", "s-2"]).await;
    assert_eq!(service.read("/v1/creators/c-1/score").await["signed_orders"], json!(80));

    assert_eq!(delete(&service, "/v1/shops/s-9").await.0, 404);
    assert_eq!(delete(&service, "/v1/creators/c-1").await.0, 405);
    assert_eq!(answer(service.client.delete(service.url("/v1/shops/s-1")).bearer_auth(&shared_key)).await.0, 403);
    let (status, begun) = delete(&service, "/v1/shops/s-1").await;
    assert_eq!((status, &begun["shop_id"], &begun["key_id"]), (202, &json!("s-1"), &json!("1")), "{begun}");
    let done = erased(&service).await;
    assert_eq!((&done["erasure_id"], &done["events"]), (&begun["erasure_id"], &json!(83)), "{done}");

    // What changes kept sums is noted until the next run makes them anew.
    let kept = ["late_count", "settled_sum"];
    let named = tables_that_name(&service, "s-1").await;
    assert!(named.iter().all(|table| kept.contains(&table.as_str())), "{named:?}");
    for path in ["/v1/shops/s-1", "/v1/shops/s-1/score", "/v1/shops/s-1/intake", "/v1/shops/s-1/orders/o-2"] {
        assert_eq!(service.get(path).await.0, 404, "{path}");
    }
    let fleet = service.read("/v1/scores?date=2026-11-19").await;
    assert_eq!(fleet["items"].as_array().expect("items").len(), 1, "{fleet}");
    assert_eq!(service.read("/v1/shops/s-2/metrics").await, other);
    assert_eq!(get(&service, &own_key, "/v1/rule-sets").await.0, 401, "its key is revoked");
    assert_eq!(get(&service, &shared_key, "/v1/shops/s-2/score").await.0, 200);
    service.assert_counts_equal_a_rebuild().await;
    service.run("2026-11-20".parse().expect("date")).await;
    assert_eq!(tables_that_name(&service, "s-1").await, Vec::<String>::new());
    let trail = service.read("/v1/audit?subject=s-1").await;
    let entries = trail["items"].as_array().expect("entries");
    assert!(!entries.is_empty() && entries.iter().all(|entry| entry["before"].is_null() && entry["after"].is_null()));
    let hooks = service.read("/v1/webhooks").await;
    let hooks = hooks["items"].as_array().expect("webhooks");
    assert!(hooks.len() == 2 && hooks.iter().all(|hook| hook["shop_ids"] == json!(["s-2"])), "{hooks:?}");
    assert_eq!(service.read("/v1/creators/c-1/score").await["signed_orders"], json!(40));
    assert_eq!(service.read("/v1/shops/s-2/score").await["signed_orders"], json!(40));

    // An event that comes later makes the shop anew.
    let (_, admin) = post(&service, &own_key, "/v1/events", &json!([])).await;
    assert_eq!(admin["status"], json!(401));
    service.send(&order("s-1", "o-1", None)).await;
    assert_eq!(service.read("/v1/shops/s-1").await["category_id"], Value::Null);
    assert_eq!(delete(&service, "/v1/shops/s-1").await.0, 202, "and it can be erased again");
    assert_eq!(erased(&service).await["events"], json!(order("s-1", "o-1", None).len()));
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}
