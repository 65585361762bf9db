//! Keys and what processes keep in memory: lists of the fleet for callers who see different shops, and revocation that
//! reaches every process.

use serde_json::{Value, json};
use shopscore::access::{self, Asking};
use shopscore::domain::audit::Actor;

use crate::keys::{get, guarded, make, post};
use crate::support::{Choices, TestService, answer, fresh_database};

/// The shops of a page.
fn shops(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
    items.iter().map(|item| item["shop_id"].as_str().expect("a shop")).collect()
}

async fn read(service: &TestService, key: &str, path: &str) -> Value {
    let (status, body) = get(service, key, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_fleet_shows_each_caller_its_own_shops_whoever_asked_before() {
    let service = guarded().await;
    service.register(&["s-1", "s-2", "s-3"].map(str::to_owned), &["c-1".to_owned()]).await;
    let run = service.run("2026-11-20".parse().expect("date")).await;
    let run_path = format!("/v1/runs/{}", run["run_id"].as_str().expect("an id"));
    let (everybody, _) = make(&service, &["scores:read"], &[]).await;
    let (merchant, _) = make(&service, &["scores:read"], &["s-1", "s-3", "s-9"]).await;
    let (other, _) = make(&service, &["scores:read"], &["s-2"]).await;
    // Each list is first asked for by another of the three, whose answer must not become the next one's.
    let callers = [(&everybody, 0), (&merchant, 1), (&other, 2)];
    let lists: [(&str, [&[&str]; 3]); 6] = [
        ("/v1/scores", [&["s-1", "s-2", "s-3"], &["s-1", "s-3"], &["s-2"]]),
        ("/v1/scores?sort=id", [&["s-1", "s-2", "s-3"], &["s-1", "s-3"], &["s-2"]]),
        ("/v1/scores?sort=-score", [&["s-1", "s-2", "s-3"], &["s-1", "s-3"], &["s-2"]]),
        ("/v1/scores?ids=s-2,s-3", [&["s-2", "s-3"], &["s-3"], &["s-2"]]),
        ("/v1/scores?ids=s-2", [&["s-2"], &[], &["s-2"]]),
        ("/v1/scores?status=insufficient_volume&ids=s-1", [&["s-1"], &["s-1"], &[]]),
    ];
    for (index, (path, wanted)) in lists.iter().enumerate() {
        // Whoever sees here that the run is published is answered from memory next.
        service.read(&run_path).await;
        for turn in 0..6 {
            let (key, column) = callers[(index + turn) % 3];
            let page = read(&service, key, path).await;
            assert_eq!((shops(&page), &page["next_cursor"]), (wanted[column].to_vec(), &Value::Null), "{path}");
        }
    }
    let creators = |page: &Value| page["items"].as_array().map(Vec::len);
    for (key, number) in [(&everybody, 1), (&merchant, 0), (&everybody, 1)] {
        assert_eq!(creators(&read(&service, key, "/v1/scores?kind=creators").await), Some(number));
    }
    let first = read(&service, &merchant, "/v1/scores?limit=1").await;
    let next = format!("/v1/scores?limit=1&cursor={}", first["next_cursor"].as_str().expect("a cursor"));
    let second = read(&service, &merchant, &next).await;
    assert_eq!((shops(&first), shops(&second), &second["next_cursor"]), (vec!["s-1"], vec!["s-3"], &Value::Null));
    assert_eq!(shops(&read(&service, &other, &next).await), ["s-2"], "another's cursor is a place, no permission");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_kept_for_one_caller_is_not_another_ones_to_see() {
    let service = guarded().await;
    service.register(&["s-1", "s-2"].map(str::to_owned), &[]).await;
    service.run("2026-11-20".parse().expect("date")).await;
    let (merchant, _) = make(&service, &["scores:read"], &["s-1"]).await;
    for route in ["score", "metrics", "penalties", "scores"] {
        let (own, others) = (format!("/v1/shops/s-1/{route}"), format!("/v1/shops/s-2/{route}"));
        for _ in 0..2 {
            service.read(&others).await;
            assert_eq!(get(&service, &merchant, &others).await.0, 404, "{others}");
            assert_eq!(read(&service, &merchant, &own).await, service.read(&own).await);
        }
        // Nor does a tag that fits everything say that there is something.
        let request = service.client.get(service.url(&others)).bearer_auth(merchant.as_str());
        let response = request.header("if-none-match", "*").send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers().get("etag")), (404, None), "{others}");
    }
    service.stop().await;
}

/// Asks until a key is refused.
async fn refused(service: &TestService, key: &str) {
    loop {
        match get(service, key, "/v1/rule-sets").await {
            (200, _) => tokio::task::yield_now().await,
            (401, _) => return,
            (status, body) => panic!("{status} {body}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_in_every_process_at_once_and_its_revocation_reaches_them_all() {
    let database = fresh_database().await;
    let start = || TestService::start_on(database.clone(), Choices { auth_required: true, ..Choices::default() });
    let (first, second) = tokio::join!(start(), start());
    let (admin, _) = make(&first, &["admin"], &[]).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let (status, key) = post(&first, &admin, "/v1/keys", &json!({"scopes": ["scores:read"]})).await;
        let text = key["key"].as_str().expect("a key").to_owned();
        assert_eq!((status, get(&second, &text, "/v1/rule-sets").await.0), (201, 200), "good at once elsewhere");
        let key_id: i32 = key["key_id"].as_str().expect("an id").parse().expect("a number");
        made.push((text, key_id));
    }
    let (by_request, by_request_id) = &made[0];
    let request = first.client.delete(first.url(&format!("/v1/keys/{by_request_id}"))).bearer_auth(admin.as_str());
    assert_eq!(answer(request).await.0, 200);
    assert_eq!(get(&first, by_request, "/v1/rule-sets").await.0, 401, "the process that revoked it knows at once");
    refused(&second, by_request).await;
    // As the command does it: beside all processes.
    let (by_hand, by_hand_id) = &made[1];
    let now = first.context.clock.now();
    let asking = Asking { by: Actor::CommandLine, idempotency_key: None, now };
    let mut connection = first.context.store.read.acquire().await.expect("a connection");
    access::revoke(&mut connection, *by_hand_id, &asking).await.expect("a revocation").expect("the key");
    drop(connection);
    tokio::join!(refused(&first, by_hand), refused(&second, by_hand));
    assert_eq!(get(&second, &admin, "/v1/keys").await.0, 200, "the others stand");
    first.stop().await;
    second.stop().await;
}
