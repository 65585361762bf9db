//! Parameters and pages: what is wrong is named, and what a list answers goes by what was asked for.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::support::{TestService, date};

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_by_cursor_and_bad_parameters_are_named() {
    let service = TestService::start().await;
    let shops: Vec<String> = (0..5).map(|index| format!("s-{index}")).collect();
    service.register_in(&shops, "food").await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.read(&format!("/v1/shops?category_id=food&limit=2{cursor}")).await;
        seen.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|item| item["shop_id"].as_str().expect("id").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, shops);
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=zz", "cursor"),
        ("category_id=a,b", "category_id"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ] {
        let (status, problem) = service.get(&format!("/v1/shops?{query}")).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(name)), "{query}: {problem}");
    }
    for (query, name) in [
        ("date=2026-2-1", "date"),
        ("date=2026-02-30", "date"),
        ("revision=0", "revision"),
        ("rule_set=shop-v9", "rule_set"),
    ] {
        let (status, problem) = service.get(&format!("/v1/shops/s-1/score?{query}")).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(name)), "{query}");
    }
    // The cursor is 2147483648 in hex, one more than any key has.
    let (status, problem) = service.get("/v1/keys?cursor=32313437343833363438").await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("cursor")), "{problem}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_contradict_each_other_are_named_with_all_else_that_is_wrong() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let cursor: String = "id,1,,s-1".bytes().map(|byte| format!("{byte:02x}")).collect();
    for (path, wrong) in [
        ("/v1/shops/s-1/scores?from=2026-11-20&to=2026-11-19&x=1".to_owned(), ["from", "x"]),
        ("/v1/shops/s-1/scores?from=2025-10-15&to=2026-11-20&x=1".to_owned(), ["from", "x"]),
        ("/v1/shops/s-1/score/changes?date=2026-11-20&from=2026-11-20&x=1".to_owned(), ["from", "x"]),
        (format!("/v1/scores?sort=score&cursor={cursor}&x=1"), ["cursor", "x"]),
    ] {
        let (status, problem) = service.get(&path).await;
        let errors = problem["errors"].as_array().expect("errors");
        let named: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!((status, &named[..]), (400, &wrong[..]), "{path}: {problem}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_as_new_as_the_newest_run_of_its_dates_even_for_a_shop_that_no_run_knew() {
    let service = TestService::start().await;
    let run = service.run(date("2026-11-20")).await;
    service.register_in(&["s-new".to_owned()], "food").await;
    let path = "/v1/shops/s-new/scores?from=2026-11-19&to=2026-11-20";
    let response = service.client.get(service.url(path)).send().await.expect("an answer");
    let modified = response.headers()["last-modified"].to_str().expect("a time").to_owned();
    let published: DateTime<Utc> = run["published_at"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(modified, published.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    service.stop().await;
}
