//! The audit trail: every change by hand is noted once, with who made it, and nothing else is.

use serde_json::{Value, json};
use shopscore::access::{self, Asking, KeyRequest};
use shopscore::domain::audit::Actor;
use shopscore::scoring::retention;

use crate::keys::{get, guarded, guarded_with, make, post, revoke};
use crate::support::{Choices, TestService, answer};

async fn put(service: &TestService, path: &str, body: &Value) -> u16 {
    answer(service.client.put(service.url(path)).json(body)).await.0
}

/// The entries of a list, oldest first: action, target or subject, before, after.
async fn entries(service: &TestService, query: &str) -> Vec<(String, Value)> {
    let page = service.read(&format!("/v1/audit{query}")).await;
    let items = page["items"].as_array().expect("items");
    items.iter().rev().map(|item| (item["action"].as_str().expect("an action").to_owned(), item.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_by_hand_is_noted_once_with_who_made_it() {
    let service = guarded().await;
    let named = json!({"scopes": ["admin"], "name": "night shift"});
    let (_, made) = service.post("/v1/keys", &named).await;
    let (night, night_id) = (made["key"].as_str().expect("a key"), made["key_id"].as_str().expect("an id"));
    assert_eq!(put(&service, "/v1/shops/s-1", &json!({"name": "One"})).await, 201);
    assert_eq!(put(&service, "/v1/shops/s-1", &json!({"category_id": "food"})).await, 200);
    assert_eq!(put(&service, "/v1/shops/s-1", &json!({"category_id": "food"})).await, 200, "nothing changes");
    let batch = json!({"shops": [{"shop_id": "s-1", "name": null}, {"shop_id": "s-2"}]});
    assert_eq!(post(&service, night, "/v1/shops:batch", &batch).await.0, 200);
    let exclusion =
        json!({"target": "order", "id": "o-1", "shop_id": "s-1", "reason": "brushing", "decided_by": "ops"});
    let (status, excluded) = post(&service, night, "/v1/exclusions", &exclusion).await;
    assert_eq!(status, 201, "{excluded}");
    assert_eq!(service.post("/v1/exclusions", &exclusion).await.0, 409);
    let gone = format!("/v1/exclusions/{}", excluded["exclusion_id"].as_str().expect("an id"));
    for _ in 0..2 {
        let request =
            service.client.delete(service.url(&gone)).json(&json!({"revoked_by": "ops", "note": "a mistake"}));
        assert_eq!(answer(request).await.0, 200);
    }
    assert_eq!(service.post("/v1/runs", &json!({"date": "2026-11-20", "reason": "again"})).await.0, 202);
    let (_, rotated) = service.post(&format!("/v1/keys/{night_id}/rotate"), &json!({"grace_hours": 1})).await;
    let successor: i32 = rotated["key_id"].as_str().expect("an id").parse().expect("a number");
    for _ in 0..2 {
        assert_eq!(revoke(&service, successor).await.0, 200);
    }
    assert_eq!(answer(service.client.delete(service.url("/v1/shops/s-2"))).await.0, 202);

    let noted = entries(&service, "").await;
    let actions: Vec<&str> = noted.iter().map(|(action, _)| action.as_str()).collect();
    let expected = [
        // By the command line, for the test itself.
        "key.created",
        "key.created",
        "subject.registered",
        "subject.changed",
        "subject.changed",
        "subject.registered",
        "exclusion.created",
        "exclusion.revoked",
        "run.requested",
        "key.rotated",
        "key.revoked",
        "subject.erased",
    ];
    assert_eq!(actions, expected);
    assert_eq!(noted[0].1["actor"], json!({"kind": "command_line", "key_id": null, "key_name": null}));
    let by_night = json!({"kind": "key", "key_id": night_id, "key_name": "night shift"});
    let whose = |place: usize| noted[place].1["actor"] == by_night;
    assert!(whose(4) && whose(5) && whose(6) && !whose(7), "{noted:?}");
    let change = &noted[3].1;
    assert_eq!((&change["subject_kind"], &change["subject_id"]), (&json!("shop"), &json!("s-1")));
    assert_eq!(change["before"], json!({"name": "One", "category_id": null}));
    assert_eq!(change["after"], json!({"name": "One", "category_id": "food"}));
    assert_eq!((&noted[2].1["before"], &noted[2].1["after"]["name"]), (&Value::Null, &json!("One")));
    assert_eq!(noted[7].1["before"]["revoked_by"], Value::Null);
    assert_eq!(noted[7].1["after"]["revoked_by"], "ops");
    assert_eq!(noted[8].1["after"], json!({"date": "2026-11-20", "reason": "again"}));
    assert_eq!(
        (&noted[9].1["before"]["key_id"], &noted[9].1["after"]["replaces_key_id"]),
        (&json!(night_id), &json!(night_id))
    );
    let text = serde_json::to_string(&noted.iter().map(|(_, entry)| entry).collect::<Vec<_>>()).expect("text");
    let secret = night.rsplit('_').next().expect("a secret");
    assert!(!text.contains(secret), "a secret is shown");

    let count = async |query: &str| entries(&service, query).await.len();
    assert_eq!(count(&format!("?actor={night_id}")).await, 3);
    assert_eq!(count("?actor=command_line").await, 1);
    assert_eq!(count("?action=subject.changed").await, 2);
    assert_eq!(count("?subject=s-1").await, 5);
    assert_eq!(count("?from=2026-11-20&to=2026-11-20").await, expected.len());
    assert_eq!(count("?to=2026-11-19").await, 0);
    assert_eq!(count("?from=2026-11-21").await, 0);
    let first = service.read("/v1/audit?limit=10").await;
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    assert_eq!(entries(&service, &format!("?limit=10&cursor={cursor}")).await.len(), 2);
    assert_eq!(service.get("/v1/audit?actor=-1").await.0, 400);
    let (reader, _) = make(&service, &["scores:read", "events:write"], &[]).await;
    assert_eq!(get(&service, &reader, "/v1/audit").await.0, 403);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_of_registrations_is_noted_entry_by_entry() {
    let service = guarded().await;
    for (name, changed) in [("first", 10_000), ("second", 10_000), ("second", 0)] {
        let before = last_entry(&service).await;
        let shops: Vec<Value> = (0..10_000)
            .map(|shop| json!({"shop_id": format!("s-{shop}"), "name": name, "category_id": "food"}))
            .collect();
        let (status, answered) = service.post("/v1/shops:batch", &json!({"shops": shops})).await;
        assert_eq!(status, 200, "{answered}");
        assert_eq!(last_entry(&service).await - before, changed);
    }
    service.stop().await;
}

async fn last_entry(service: &TestService) -> i64 {
    let last = "select coalesce(max(entry_id), 0) from audit_entry";
    sqlx::query_scalar(last).fetch_one(&service.context.store.read).await.expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_leaves_no_entry_and_old_ones_go_after_their_days() {
    let mut choices = Choices::default();
    choices.retention.audit_days = Some(30);
    let service = guarded_with(choices).await;
    let (_, key_id) = make(&service, &["admin"], &[]).await;
    let before = entries(&service, "").await.len();
    // The audit trail cannot be written, so the key cannot be revoked, either.
    let execute = async |sql: &'static str| {
        sqlx::query(sql).execute(&service.context.store.read).await.expect("done");
    };
    execute("alter table audit_entry rename to audit_away").await;
    let mut connection = service.context.store.read.acquire().await.expect("a connection");
    let asking = Asking { by: Actor::CommandLine, idempotency_key: None, now: service.context.clock.now() };
    assert!(access::revoke(&mut connection, key_id, &asking).await.is_err());
    let wish = KeyRequest { scopes: vec!["admin".to_owned()], ..KeyRequest::default() };
    assert!(access::create(&mut connection, &wish, &asking).await.is_err());
    drop(connection);
    execute("alter table audit_away rename to audit_entry").await;
    let key = service.read(&format!("/v1/keys/{key_id}")).await;
    assert_eq!(key["revoked_at"], Value::Null);
    assert_eq!(entries(&service, "").await.len(), before);

    execute("update audit_entry set at = at - interval '31 days' where entry_id = 1").await;
    let swept = retention::sweep(&service.context).await.expect("a sweep");
    assert_eq!(swept.audit_entries, 1);
    assert_eq!(entries(&service, "").await.len(), before - 1);
    service.stop().await;
}
