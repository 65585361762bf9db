//! The dashboard in a real browser. Each test fills a service and lets a story of `tests/dashboard` look at it: Chromium driven by
//! playwright-core. A story fails on any error in the console, breach of the page's policy, request to anywhere else, or finding
//! of axe.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::keys::{guarded, make};
use crate::support::answers::{items, send};
use crate::support::receiver::{Mode, Receiver};
use crate::support::stream::random_stream;
use crate::support::{TestService, answer, date};
use crate::webhooks::opened;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard")
}

/// Lets a story look at a service. `facts` are what it must know.
async fn tell(story: &str, service: &TestService, mut facts: Value) {
    facts["base"] = json!(service.base);
    let mut node = Command::new("node");
    node.arg(format!("{story}.mjs"))
        .current_dir(folder())
        .env("SHOPSCORE_STORY", facts.to_string())
        .stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || node.output()).await.expect("it ends");
    let output = ended.expect("Node.js: run make browser, which installs it with Chromium");
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{story}: {said}");
    assert!(folder().join("node_modules").exists(), "playwright-core is missing: run make browser");
    assert!(output.status.success(), "{story}: {}\n{said}", facts);
}

/// The stream that stories look at: always the same one, so that there is a shop with all that they need.
const SEED: u64 = 992_155;

/// A service with two published dates of a made-up stream.
async fn filled(service: TestService) -> TestService {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(SEED));
    service.register(&stream.shops, &stream.creators).await;
    let (early, late) = stream.events.split_at(stream.events.len() * 9 / 10);
    send(&service, early).await;
    service.run(date("2026-11-19")).await;
    send(&service, late).await;
    service.run(date("2026-11-20")).await;
    service
}

async fn cards(service: &TestService, query: &str) -> Vec<Value> {
    items(&[service.read(&format!("/v1/scores?{query}")).await])
}

/// A shop with a score, and with negative feedback and its change.
async fn told_shop(service: &TestService) -> String {
    for card in cards(service, "status=scored").await {
        let shop = card["shop_id"].as_str().expect("shop_id").to_owned();
        let metrics = service.read(&format!("/v1/shops/{shop}/metrics")).await;
        let feedback = metrics["metrics"].as_array().expect("metrics").iter();
        let faults =
            feedback.filter(|metric| metric["id"] == "negative_feedback_rate").map(|metric| &metric["numerator"]);
        if card["change"].is_null() || !faults.into_iter().any(|numerator| numerator.as_i64() > Some(2)) {
            continue;
        }
        if service.read(&format!("/v1/shops/{shop}/score/changes")).await["change"].as_f64() != Some(0.0) {
            return shop;
        }
    }
    panic!("no shop has a score, a change and negative feedback");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_finds_the_shop_and_sees_why_it_moved_and_what_would_help() {
    let service = filled(TestService::start().await).await;
    let shop = told_shop(&service).await;
    tell("manager", &service, json!({"shop": shop})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_who_fell_excludes_an_order_and_runs_the_date_again() {
    let service = filled(TestService::start().await).await;
    let shop = told_shop(&service).await;
    make_one_fall(&service).await;
    tell("operator", &service, json!({"shop": shop})).await;
    service.stop().await;
}

/// Scores of the date before were a tier better, of those that are not in the best tier now.
async fn make_one_fall(service: &TestService) {
    let mut connection = PgConnection::connect_with(&service.database()).await.expect("a connection");
    let shown = service.read("/v1/scores?limit=1").await["rule_set"].as_str().expect("rule_set").to_owned();
    let better = "update score set score_hundredths = 490, tier_level = 0
                  from run, score as later join run as later_run using (run_id)
                  where run.run_id = score.run_id and run.date = '2026-11-19' and later_run.date = '2026-11-20'
                    and score.rule_set = (select version_no from rule_set_version where rule_set_id = $1)
                    and later.rule_set = score.rule_set and later.subject_id = score.subject_id
                    and later.tier_level > 0 and score.score_hundredths is not null";
    let changed = sqlx::query(better).bind(shown).execute(&mut connection).await.expect("an update").rows_affected();
    assert!(changed > 0, "no shop has a score on both dates and could be better");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_fits_phones_and_wide_screens_in_light_and_dark_and_both_languages() {
    let service = filled(TestService::start().await).await;
    let shop = told_shop(&service).await;
    let (status, _) = answer(service.client.put(service.url("/v1/shops/a-new-one")).json(&json!({}))).await;
    assert_eq!(status, 201);
    service.run(date("2026-11-20")).await;
    let creators = cards(&service, "kind=creators&status=scored").await;
    let creator = creators.first().map_or(json!("creator-0"), |card| card["creator_id"].clone());
    tell("looks", &service, json!({"shop": shop, "creator": creator, "few": "a-new-one"})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_subscribes_sees_what_arrives_and_who_changed_what() {
    let (service, receiver) = (filled(TestService::start_with(opened()).await).await, Receiver::start().await);
    receiver.set("/gone", Mode::Fail(410));
    tell("told", &service, json!({"good": receiver.url("/good"), "gone": receiver.url("/gone")})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_run_the_page_says_so_and_shows_the_first_scores_by_itself() {
    let service = TestService::start().await;
    service.register_in(&["shop-0".to_owned()], "food").await;
    tell("empty", &service, json!({})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_a_shop_sees_itself_alone_and_a_key_stays_in_its_tab() {
    let service = filled(guarded().await).await;
    let shop = told_shop(&service).await;
    let all = cards(&service, "status=scored").await;
    let other = all.iter().find(|card| card["shop_id"] != json!(shop)).expect("another shop")["shop_id"].clone();
    let (shop_key, _) = make(&service, &["scores:read"], &[&shop]).await;
    let (admin_key, _) = make(&service, &["scores:read", "admin"], &[]).await;
    let facts = json!({"shop": shop, "other": other, "shop_key": shop_key, "admin_key": admin_key});
    tell("keys", &service, facts).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_service_is_away_what_was_shown_stays_and_polling_costs_a_304() {
    let service = filled(TestService::start().await).await;
    tell("away", &service, json!({})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_shown_as_what_they_are() {
    let service = TestService::start().await;
    let long = "长名字".repeat(66);
    let names = [
        ("tag", "<script>window.harmed=1</script><img src=x onerror=window.harmed=1>"),
        ("right-to-left", "\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd} moc.elpmaxe"),
        ("long", &long),
        ("unbroken", &"W".repeat(200)),
        ("emoji", "👩‍👩‍👧‍👦🛒 ${name} {{7*7}}"),
        ("a/b?c=d&e#f%20g", "=cmd|'/c calc'!A1"),
    ];
    for (id, name) in names {
        let path =
            format!("/v1/shops/{}", id.replace('%', "%25").replace('/', "%2F").replace('?', "%3F").replace('#', "%23"));
        let (status, body) = answer(service.client.put(service.url(&path)).json(&json!({"name": name}))).await;
        assert_eq!(status, 201, "{id}: {body}");
    }
    service.run(date("2026-11-20")).await;
    tell(
        "hostile",
        &service,
        json!({"names": serde_json::Map::from_iter(names.map(|(id, name)| (id.to_owned(), json!(name))))}),
    )
    .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_shops_are_scrolled_sorted_and_found() {
    let service = TestService::start().await;
    service.register_in(&["shop-0".to_owned()], "food").await;
    service.run(date("2026-11-19")).await;
    service.run(date("2026-11-20")).await;
    let mut connection = PgConnection::connect_with(&service.database()).await.expect("a connection");
    // Copies of the one shop, with scores all over the scale.
    let copies =
        "insert into score (run_id, rule_set, subject_id, category_id, signed_orders, score_hundredths, tier_level)
        select run_id, rule_set, 'many-' || lpad(n::text, 5, '0'), 'c-' || n % 30, 40 + n % 900, hundredths,
               (case when hundredths < 480 then 1 else 0 end + case when hundredths < 460 then 1 else 0 end
                + case when hundredths < 430 then 1 else 0 end + case when hundredths < 420 then 1 else 0 end)
        from score cross join lateral (
            select n, 380 + (n * 7919 + run_id * 13) % 121 as hundredths from generate_series(0, 99999) as n) as copy
        where subject_id = 'shop-0'";
    connection.execute(AssertSqlSafe(copies.to_owned())).await.expect("copies");
    connection.execute("analyze score").await.expect("statistics");
    tell("many", &service, json!({})).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_languages_of_the_page_have_the_same_messages() {
    let service = TestService::start().await;
    tell("messages", &service, json!({})).await;
    service.stop().await;
}
