//! Parameters and pages: what is wrong is named, and what a list answers goes by what was asked for.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::keys::guarded;
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
        ("cursor=", "cursor"),
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
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_contradict_each_other_are_named_with_all_else_that_is_wrong() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    for (path, wrong) in [
        ("/v1/shops/s-1/scores?from=2026-11-20&to=2026-11-19&x=1".to_owned(), ["from", "x"]),
        ("/v1/shops/s-1/scores?from=2025-10-15&to=2026-11-20&x=1".to_owned(), ["from", "x"]),
        ("/v1/shops/s-1/score/changes?date=2026-11-20&from=2026-11-21&x=1".to_owned(), ["from", "x"]),
        ("/v1/scores?cursor=00&x=1".to_owned(), ["cursor", "x"]),
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

/// The payments and sign-offs of so many orders of a shop.
fn orders(shop: &str, number: usize) -> Vec<String> {
    let event = |id: &str, event_type: &str, order: &str, data: Value| {
        let mut event = json!({"id": id, "type": event_type, "shop_id": shop, "time": "2026-11-02T10:00:00+08:00"});
        event["data"] = data;
        event["data"]["order_id"] = json!(order);
        event.to_string()
    };
    let of_order = |order: String| {
        let paid = event("1", "order.paid", &order, json!({"product_id": order, "creator_id": "c-1"}));
        [paid, event("2", "order.signed", &order, json!({}))]
    };
    (0..number).map(|order| format!("o-{order}")).flat_map(of_order).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_in_the_list_it_was_written_for_and_in_no_other() {
    let service = guarded().await;
    for shop in ["s-1", "s-2", "s-3"] {
        service.send(&orders(shop, 3)).await;
    }
    for _ in 0..3 {
        service.run(date("2026-11-20")).await;
    }
    let records = "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=denominator";
    let lists: [(&str, &[&str]); 5] = [
        (
            records,
            &[
                "/v1/shops/s-2/metrics/negative_feedback_rate/records?side=denominator",
                "/v1/creators/c-1/metrics/negative_feedback_rate/records?side=denominator",
                "/v1/shops/s-1/metrics/complaint_rate/records?side=denominator",
                "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=numerator",
                "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=denominator&rule_set=shop-v1",
                "/v1/shops/s-1/metrics/negative_feedback_rate/records?side=denominator&revision=1",
                "/v1/shops/s-1/products?",
            ],
        ),
        (
            "/v1/shops/s-1/products?sort=paid_orders",
            &[
                "/v1/shops/s-1/products?sort=complaint_rate",
                "/v1/shops/s-1/products?sort=paid_orders&order=asc",
                "/v1/shops/s-2/products?sort=paid_orders",
            ],
        ),
        (
            "/v1/scores?sort=score",
            &[
                "/v1/scores?sort=-score",
                "/v1/scores?sort=score&kind=creators",
                "/v1/scores?sort=score&rule_set=shop-v1",
                "/v1/scores?sort=score&category_id=food",
            ],
        ),
        ("/v1/shops?", &["/v1/creators?", "/v1/shops?category_id=food"]),
        ("/v1/runs?state=published", &["/v1/runs?", "/v1/runs?state=failed", "/v1/keys?", "/v1/exclusions?"]),
    ];
    for (list, others) in lists {
        let page = service.read(&format!("{list}&limit=1")).await;
        let cursor = page["next_cursor"].as_str().unwrap_or_else(|| panic!("{list} has one page: {page}")).to_owned();
        let next = service.read(&format!("{list}&limit=2&cursor={cursor}")).await;
        assert_eq!(next["items"].as_array().map(Vec::len), Some(2), "{list}: {next}");
        let changed = format!("{}{}", &cursor[..cursor.len() - 1], if cursor.ends_with('0') { 1 } else { 0 });
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let forged = [changed, hex("1,1793600000000000,s-2,1,o-0,0"), hex("9"), "0".repeat(80)];
        let elsewhere = others.iter().map(|other| format!("{other}&cursor={cursor}"));
        for path in elsewhere.chain(forged.map(|cursor| format!("{list}&cursor={cursor}"))) {
            let (status, problem) = service.get(&path).await;
            assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("cursor")), "{path}: {problem}");
        }
    }
    service.stop().await;
}
