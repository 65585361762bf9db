//! Draft rule sets replayed over the fleet (scoring law §14).

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::answers::{pages, send};
use crate::support::program::{empty_directory, output, program};
use crate::support::stream::{Stream, random_stream};
use crate::support::{TestService, answer, date};

pub const DRAFT: &str = include_str!("../rules/draft-30.toml");

async fn ask(service: &TestService, query: &str, draft: &str) -> (u16, Value) {
    let request = service.client.post(service.url(&format!("/v1/previews{query}")));
    answer(request.header("content-type", "application/toml").body(draft.to_owned())).await
}

/// Waits for the end of a preview.
pub async fn done(service: &TestService, query: &str, draft: &str) -> Value {
    let (status, asked) = ask(service, query, draft).await;
    assert_eq!((status, &asked["state"]), (202, &json!("queued")), "{asked}");
    let path = format!("/v1/previews/{}", asked["preview_id"].as_str().expect("an id"));
    loop {
        let preview = service.read(&path).await;
        match preview["state"].as_str() {
            Some("done") => return preview,
            Some("failed") => panic!("{preview}"),
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

async fn market() -> (TestService, Stream) {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(17));
    let service = TestService::start().await;
    service.register(&stream.shops, &stream.creators).await;
    send(&service, &stream.events).await;
    (service, stream)
}

/// All subjects of a preview by id.
async fn scores(service: &TestService, preview: &Value, query: &str) -> Vec<Value> {
    let path = format!("/v1/previews/{}/scores?{query}", preview["preview_id"].as_str().expect("an id"));
    let pages = pages(service, path.trim_end_matches('?'), 5).await;
    pages.iter().flat_map(|page| page["items"].as_array().expect("items").clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn law_7_a_preview_of_rules_in_force_equals_the_cards_of_a_run_on_the_same_counts() {
    let (service, _) = market().await;
    service.run(date("2026-11-20")).await;
    for (kind, of, id_field) in [
        ("shops", "shop-v2", "shop_id"),
        ("shops", "douyin-2026-09", "shop_id"),
        ("creators", "creator-v1", "creator_id"),
    ] {
        let book = &service.context.rules;
        let source = &book.get(of).expect("a rule set").source;
        let preview = done(&service, "", source).await;
        let summary = &preview["summary"];
        let cards = pages(&service, &format!("/v1/scores?kind={kind}&rule_set={of}"), 5).await;
        let cards: BTreeMap<String, Value> = cards
            .iter()
            .flat_map(|page| page["items"].as_array().expect("items"))
            .map(|card| {
                (card[id_field].to_string(), json!([card["status"], card["score"].to_string(), card["tier_level"]]))
            })
            .collect();
        let found = scores(&service, &preview, "").await;
        assert_eq!(
            (found.len(), found.len()),
            (cards.len(), preview["subjects_total"].as_u64().expect("a total") as usize)
        );
        for one in &found {
            let draft = &one["draft"];
            let of_preview = json!([draft["status"], draft["score"].to_string(), draft["tier_level"]]);
            assert_eq!(Some(&of_preview), cards.get(&one[id_field].to_string()), "{one}");
        }
        let counted: i64 = summary["draft"]["tiers"]
            .as_array()
            .expect("tiers")
            .iter()
            .map(|tier| tier["subjects"].as_i64().expect("subjects"))
            .sum();
        assert_eq!(counted as usize, cards.len());
        // The benchmark of the fleet says the same.
        let fleet = service.read(&format!("/v1/scores/summary?kind={kind}&rule_set={of}")).await;
        if of == "shop-v2" {
            assert_eq!(summary["draft"]["score"], fleet["score"]);
            let change = &summary["change"];
            let zero: Value = serde_json::from_str("0.00").expect("a number");
            assert!(["p10", "p50", "p90"].iter().all(|p| change[p] == zero), "against itself: {summary}");
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_shows_who_goes_where_and_why_and_publishes_nothing() {
    let (service, _) = market().await;
    let (status, problem) = ask(&service, "", DRAFT).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("date")), "{problem}");
    service.run(date("2026-11-20")).await;
    let preview = done(&service, "?against=shop-v1", DRAFT).await;
    assert_eq!(
        (&preview["rule_set"], &preview["against"], &preview["date"]),
        (&json!("draft-30"), &json!("shop-v1"), &json!("2026-11-20"))
    );
    let all = scores(&service, &preview, "sort=change").await;
    let changes: Vec<Option<f64>> = all.iter().map(|one| one["change"].as_f64()).collect();
    let known: Vec<f64> = changes.iter().flatten().copied().collect();
    assert!(known.len() > 1 && known.windows(2).all(|pair| pair[0] <= pair[1]), "{changes:?}");
    assert!(changes[known.len()..].iter().all(Option::is_none), "those without a change come last");
    for one in all.iter().filter(|one| !one["change"].is_null()) {
        let difference =
            one["draft"]["score"].as_f64().expect("a score") - one["against"]["score"].as_f64().expect("a score");
        assert!((difference - one["change"].as_f64().expect("a change")).abs() < 1e-9, "{one}");
        let movers = one["movers"].as_array().expect("movers");
        assert!((1..=3).contains(&movers.len()), "{one}");
        let parts: Vec<f64> = movers.iter().map(|mover| mover["change"].as_f64().expect("a part").abs()).collect();
        assert!(parts.windows(2).all(|pair| pair[0] >= pair[1]), "the greatest first: {one}");
    }
    // The matrix counts what the list shows.
    for step in preview["summary"]["moves"].as_array().expect("moves") {
        let word = |level: &Value| level.as_i64().map_or("none".to_owned(), |level| level.to_string());
        let query = format!("tier_from={}&tier_to={}", word(&step["from"]), word(&step["to"]));
        let found = scores(&service, &preview, &query).await;
        assert_eq!(Some(found.len() as u64), step["subjects"].as_u64(), "{query}");
    }
    let food = scores(&service, &preview, "category_id=food&sort=-change").await;
    assert!(!food.is_empty() && food.iter().all(|one| one["category_id"] == "food"));
    // Nobody is judged by it.
    assert_eq!(service.get("/v1/scores?kind=shops&rule_set=draft-30").await.0, 400);
    assert_eq!(service.read("/v1/runs").await["items"].as_array().map(Vec::len), Some(1));
    let audit = service.read("/v1/audit?action=preview.requested").await;
    assert_eq!(audit["items"][0]["after"]["rule_set"], "draft-30");

    let broken = DRAFT.replace("bad_stars_max = 1", "bad_stars_max = 4").replace("peers = 2", "peers = 1");
    let (status, problem) = ask(&service, "", &broken).await;
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (422, Some(2)), "{problem}");
    let line = DRAFT.lines().position(|line| line.starts_with("bad_stars_max")).expect("the line") + 1;
    assert_eq!(problem["errors"][0]["pointer"], format!("/line/{line}"));
    for (query, name) in
        [("?against=shop-v9", "against"), ("?against=creator-v1", "against"), ("?date=2026-11-21", "date")]
    {
        let (status, problem) = ask(&service, query, DRAFT).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(name)), "{problem}");
    }
    assert_eq!(service.post("/v1/previews", &json!({})).await.0, 415);
    assert_eq!(service.get("/v1/previews/99").await.0, 404);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_previews_are_kept() {
    let (service, _) = market().await;
    service.run(date("2026-11-20")).await;
    for _ in 0..21 {
        done(&service, "", DRAFT).await;
    }
    assert_eq!(service.get("/v1/previews/1").await.0, 404);
    let kept = service.read("/v1/previews/2/scores").await;
    assert!(!kept["items"].as_array().expect("items").is_empty());
    service.stop().await;
}

#[test]
fn the_command_line_lists_shows_compares_and_replays_rule_sets() {
    let directory = empty_directory("rules-command");
    let draft = directory.join("draft.toml");
    std::fs::write(&draft, DRAFT).expect("a file");
    let draft = draft.to_str().expect("a path");
    let run = |arguments: &[&str]| output(program(&directory, arguments));
    let (ok, listed) = run(&["rules", "list"]);
    assert!(
        ok && listed.contains("shop-v2") && listed.contains("default") && listed.contains("2026-09-08 – …"),
        "{listed}"
    );
    let (ok, shown) = run(&["rules", "show", "shop-v1"]);
    assert!(ok && shown.contains("id = \"shop-v1\""), "{shown}");
    let (same, nothing) = run(&["rules", "diff", "shop-v1", "shop-v1"]);
    assert!(same && nothing.is_empty(), "{nothing}");
    let (same, differences) = run(&["rules", "diff", "shop-v1", "shop-v2"]);
    assert!(!same && differences.contains("penalty.alliance_removed.below: 4.0 → 4.2"), "{differences}");
    let (ok, checked) = run(&["rules", "check", draft]);
    assert!(ok && checked.contains("weights: product 0."), "{checked}");
    let (ok, refused) = run(&["rules", "show", "shop-v9"]);
    assert!(!ok && refused.contains("neither a file nor one of the rule sets"), "{refused}");

    let events = directory.join("events.ndjson");
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(17));
    std::fs::write(&events, stream.events.join("\n")).expect("a file");
    assert!(run(&["migrate"]).0);
    assert!(run(&["load", events.to_str().expect("a path"), "--quiet"]).0);
    let csv = directory.join("out.csv");
    let csv_path = csv.to_str().expect("a path");
    let (ok, previewed) =
        run(&["rules", "preview", draft, "--date", "2026-11-20", "--against", "shop-v1", "--csv", csv_path]);
    assert!(ok && previewed.contains("draft-30 instead of shop-v1 on 2026-11-20: 12 subjects"), "{previewed}");
    assert!(previewed.contains("rise most:") || previewed.contains("fall most:"), "{previewed}");
    let rows = std::fs::read_to_string(&csv).expect("the file");
    assert_eq!(rows.lines().count(), 13, "{rows}");
    assert!(rows.starts_with("id,category_id,status_against,") && rows.contains("\"shop-3\""), "{rows}");
}
