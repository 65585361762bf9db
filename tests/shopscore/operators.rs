//! What operators do: exclusions, one by one and many at once, and runs of many dates.

use serde_json::{Value, json};

use crate::contract::order;
use crate::support::{TestService, answer};

#[tokio::test(flavor = "multi_thread")]
async fn exclusions_are_a_ledger() {
    let service = TestService::start().await;
    let body = json!({"shop_id": "s-1", "target": "review", "id": "r", "order_id": "o", "reason": "sham", "decided_by": "ops"});
    let (status, first) = service.post("/v1/exclusions", &body).await;
    assert_eq!((status, &first["active"], &first["revoked_at"]), (201, &json!(true), &Value::Null));
    let (status, problem) = service.post("/v1/exclusions", &body).await;
    assert_eq!((status, &problem["exclusion_id"]), (409, &first["exclusion_id"]));
    let path = format!("/v1/exclusions/{}", first["exclusion_id"].as_str().expect("id"));
    let delete =
        || answer(service.client.delete(service.url(&path)).json(&json!({"revoked_by": "ops", "note": "wrong one"})));
    let (status, revoked) = delete().await;
    assert_eq!((status, &revoked["active"], &revoked["revoked_by"]), (200, &json!(false), &json!("ops")));
    assert_eq!(delete().await, (200, revoked.clone()), "a revocation stays as it was");
    assert_eq!(service.post("/v1/exclusions", &body).await.0, 201, "the target may be excluded again");
    let active = service.read("/v1/exclusions?shop_id=s-1&active=true").await;
    assert_eq!(active["items"].as_array().expect("items").len(), 1);
    assert_eq!(service.read("/v1/exclusions").await["items"][1], revoked);
    let faulty = json!({"shop_id": "s-1", "target": "review", "id": "r", "reason": "", "decided_by": "ops"});
    let (status, problem) = service.post("/v1/exclusions", &faulty).await;
    let pointers: Vec<&Value> =
        problem["errors"].as_array().expect("errors").iter().map(|error| &error["pointer"]).collect();
    assert_eq!((status, pointers), (422, vec![&json!("/order_id"), &json!("/reason")]));
    assert_eq!(service.get("/v1/exclusions/x").await.1["type"], json!("urn:shopscore:problem:exclusion-not-found"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_exclusions_are_entered_at_once_and_sent_again_without_harm() {
    let service = TestService::start().await;
    let shops = ["s-1", "s-2", "s-3"];
    for shop in shops {
        let events: Vec<String> = (0..40).flat_map(|number| order(shop, &format!("o-{number}"), None)).collect();
        service.send(&events).await;
    }
    let sham = |shop: &str, order: &str| json!({"shop_id": shop, "target": "order", "id": order, "reason": "sham", "decided_by": "ops"});
    let (_, single) = service.post("/v1/exclusions", &sham("s-1", "o-0")).await;
    let mut entries: Vec<Value> =
        shops.iter().flat_map(|shop| (0..30).map(|number| sham(shop, &format!("o-{number}")))).collect();
    entries.push(sham("s-1", "o-1"));
    entries.push(sham("s-1", "typo"));
    let batch = json!({"exclusions": entries});
    let (status, answer) = service.post("/v1/exclusions:batch", &batch).await;
    let counts = |answer: &Value| ["created", "already_excluded", "unmatched"].map(|name| answer[name].clone());
    assert_eq!((status, counts(&answer)), (200, [json!(90), json!(2), json!(1)]), "{answer}");
    let result = |index: usize| &answer["results"][index];
    assert_eq!(
        (&result(0)["outcome"], &result(0)["exclusion_id"]),
        (&json!("already_excluded"), &single["exclusion_id"])
    );
    assert_eq!(result(90)["exclusion_id"], result(1)["exclusion_id"], "the same target twice");
    assert_eq!((&result(91)["outcome"], &result(91)["matched"]), (&json!("created"), &json!(false)));
    let (_, again) = service.post("/v1/exclusions:batch", &batch).await;
    assert_eq!(counts(&again), [json!(0), json!(92), json!(1)]);
    service.run("2026-11-20".parse().expect("date")).await;
    for shop in shops {
        assert_eq!(service.read(&format!("/v1/shops/{shop}/score")).await["signed_orders"], json!(10), "{shop}");
    }
    service.assert_counts_equal_a_rebuild().await;

    entries = vec![
        sham("s-1", "o-35"),
        sham("s-1", "a,b"),
        json!({"shop_id": "s-1", "target": "review", "id": "r", "reason": "x", "decided_by": "y"}),
    ];
    let (status, problem) = service.post("/v1/exclusions:batch", &json!({"exclusions": entries})).await;
    let pointers: Vec<&Value> =
        problem["errors"].as_array().expect("errors").iter().map(|error| &error["pointer"]).collect();
    assert_eq!((status, pointers), (422, vec![&json!("/exclusions/1/id"), &json!("/exclusions/2/order_id")]));
    let of_shop = service.read("/v1/exclusions?shop_id=s-1&limit=1000").await;
    assert_eq!(of_shop["items"].as_array().expect("items").len(), 31, "nothing was written");
    let too_many = vec![sham("s-1", "o"); 5_001];
    assert_eq!(service.post("/v1/exclusions:batch", &json!({"exclusions": too_many})).await.0, 413);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_range_of_dates_are_queued_together() {
    let service = TestService::start().await;
    service.send(&order("s-1", "o-1", None)).await;
    let (status, first) = service.post("/v1/runs", &json!({"date": "2026-11-18"})).await;
    assert_eq!(status, 202);
    let (status, answer) =
        service.post("/v1/runs", &json!({"from": "2026-11-17", "to": "2026-11-20", "reason": "appeals"})).await;
    let dates: Vec<&Value> = answer["runs"].as_array().expect("runs").iter().map(|run| &run["date"]).collect();
    assert_eq!((status, dates), (202, vec![&json!("2026-11-17"), &json!("2026-11-19"), &json!("2026-11-20")]));
    assert_eq!(answer["under_way"], json!([{"date": "2026-11-18", "run_id": first["run_id"]}]));
    assert_eq!(answer["runs"][2]["reason"], json!("appeals"));
    for (wrong, pointer) in [
        (json!({}), "/date"),
        (json!({"date": "2026-11-20", "to": "2026-11-20"}), "/date"),
        (json!({"from": "2026-11-20"}), "/to"),
        (json!({"to": "2026-11-20"}), "/from"),
        (json!({"from": "2026-11-20", "to": "2026-11-19"}), "/to"),
        (json!({"from": "2026-11-19", "to": "2026-11-21"}), "/to"),
        (json!({"from": "2025-10-17", "to": "2026-11-21"}), "/to"),
        (json!({"from": "1969-12-31", "to": "1970-01-02"}), "/from"),
        (json!({"from": "17.11.2026", "to": "2026-11-20"}), "/from"),
    ] {
        let (status, problem) = service.post("/v1/runs", &wrong).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{wrong}: {problem}");
    }
    assert_eq!(service.read("/v1/runs").await["items"].as_array().expect("items").len(), 4);
    service.stop().await;
}
