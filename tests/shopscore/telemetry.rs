//! `/metrics`: what is counted, what is said of runs, and that it answers without a database.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::DateTime;
use serde_json::{Value, json};
use shopscore::domain::run::{RunRequest, Trigger};
use shopscore::storage::{lease, run as rows};

use crate::support::{Choices, TestService};

/// The value of a figure; `None` where it is not told.
fn figure(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    Some(line[name.len()..].trim().parse().expect("a number"))
}

async fn scrape(service: &TestService) -> String {
    let response = service.client.get(service.url("/metrics")).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let media_type = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
    let text = response.text().await.expect("a body");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let is_ours = name.starts_with("shopscore_") || name.starts_with("process_");
        assert!(is_ours && value.parse::<f64>().is_ok(), "{line}");
    }
    text
}

/// Waits until a figure has a value; what is said of runs may be a second old.
pub async fn figure_becomes(service: &TestService, name: &str, value: f64) {
    let began = std::time::Instant::now();
    loop {
        let text = scrape(service).await;
        if figure(&text, name) == Some(value) {
            return;
        }
        assert!(began.elapsed().as_secs() < 20, "{name} does not become {value}:\n{text}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn signed(id: &str) -> Value {
    json!({"id": id, "type": "order.signed", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": {"order_id": "o-1"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_by_what_became_of_them() {
    let service = TestService::start_with(Choices::keeping_unknown_data()).await;
    assert_eq!(figure(&scrape(&service).await, "shopscore_events_total{outcome=\"accepted\"}"), Some(0.0));
    let accepted: Vec<String> = (0..7).map(|number| signed(&format!("e-{number}")).to_string()).collect();
    service.send(&accepted).await;
    let mut conflict = signed("e-1");
    conflict["data"]["x"] = json!(1);
    service.send(&[signed("e-0").to_string(), conflict.to_string(), "{}".to_owned(), "x".to_owned()]).await;
    assert_eq!(service.post("/v1/events", &signed("e-8")).await.0, 201);
    assert_eq!(service.post("/v1/events", &signed("e-8")).await.0, 200);
    let text = scrape(&service).await;
    for (outcome, number) in [("accepted", 8.0), ("duplicate", 2.0), ("conflict", 1.0), ("rejected", 2.0)] {
        let name = format!("shopscore_events_total{{outcome=\"{outcome}\"}}");
        assert_eq!(figure(&text, &name), Some(number), "{name}\n{text}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_run_tells_its_figures_and_an_overdue_one_shows_until_it_is_published() {
    let service = TestService::start().await;
    assert_eq!(figure(&scrape(&service).await, "shopscore_run_overdue"), Some(0.0));
    assert_eq!(service.post("/v1/events", &signed("e-1")).await.0, 201);
    service.run("2026-11-20".parse().expect("date")).await;
    figure_becomes(&service, "shopscore_run_subjects{rule_set=\"shop-v2\"}", 1.0).await;
    let text = scrape(&service).await;
    for rule_set in ["shop-v2", "creator-v1"] {
        for (name, value) in [
            ("shopscore_run_duration_seconds", 0.0),
            ("shopscore_run_subjects", 1.0),
            ("shopscore_run_late_seconds", 0.0),
            ("shopscore_newest_date_age_days", 0.0),
            ("shopscore_newest_publication_age_seconds", 0.0),
        ] {
            let name = format!("{name}{{rule_set=\"{rule_set}\"}}");
            assert_eq!(figure(&text, &name), Some(value), "{name}\n{text}");
        }
    }
    assert_eq!(figure(&text, "shopscore_run_overdue"), Some(0.0));

    // Tomorrow's run is somebody's who says nothing, and holds it for long.
    let context = service.context.clone();
    let mut connection = context.store.run.acquire().await.expect("a connection");
    let mut transaction = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
    let request = RunRequest {
        date: "2026-11-21".parse().expect("date"),
        trigger: Trigger::Scheduled,
        reason: None,
        key_id: None,
    };
    let now = context.clock.now();
    let queued =
        rows::request(&mut transaction, &request, now).await.expect("a request").queued().expect("no other run");
    lease::claim(&mut transaction, Some(queued.run_id), now).await.expect("a claim").expect("the run");
    sqlx::query("update run set lease_until = clock_timestamp() + interval '1 day' where state = 'running'")
        .execute(&mut *transaction)
        .await
        .expect("a long lease");
    transaction.commit().await.expect("a commit");
    let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("a time").to_utc();
    service.context.clock.set(at("2026-11-21T12:59:59+08:00"));
    assert_eq!(service.read("/readyz").await["newest_published"], json!("2026-11-20"), "not before its slot ends");
    service.context.clock.set(at("2026-11-21T13:00:00+08:00"));
    figure_becomes(&service, "shopscore_run_overdue", 1.0).await;
    assert_eq!(service.get("/readyz").await.0, 200, "an overdue run takes no process out of service");
    let text = scrape(&service).await;
    assert_eq!(figure(&text, "shopscore_newest_date_age_days{rule_set=\"shop-v2\"}"), Some(1.0));
    assert_eq!(figure(&text, "shopscore_newest_publication_age_seconds{rule_set=\"shop-v2\"}"), Some(93_600.0));

    sqlx::query("update run set lease_until = clock_timestamp() - interval '1 second' where state = 'running'")
        .execute(&mut *connection)
        .await
        .expect("an expired lease");
    drop(connection);
    figure_becomes(&service, "shopscore_run_overdue", 0.0).await;
    let text = scrape(&service).await;
    assert_eq!(figure(&text, "shopscore_newest_date_age_days{rule_set=\"shop-v2\"}"), Some(0.0));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_rejections_and_writers_are_counted_and_the_database_need_not_be_there() {
    let service = TestService::start().await;
    assert_eq!(service.post("/v1/events", &signed("e-1")).await.0, 201);
    assert_eq!(service.post("/v1/events", &json!([signed("e-2"), {"id": "x"}, signed("e-1")])).await.0, 200);
    assert_eq!(service.post("/v1/events?dry_run=true", &json!([{"id": "x"}])).await.0, 200);
    assert_eq!(service.get("/v1/shops/s-1/score").await.0, 404);
    assert_eq!(service.get("/v1/shops/s-2/score").await.0, 404);
    assert_eq!(service.get("/nothing").await.0, 404);
    for made_up in ["BREW", "WHEN"] {
        let method = reqwest::Method::from_bytes(made_up.as_bytes()).expect("a method");
        let answer = service.client.request(method, service.url("/healthz")).send().await.expect("an answer");
        assert_eq!(answer.status(), 405);
    }
    let text = scrape(&service).await;
    for (name, value) in [
        ("shopscore_http_requests_total{route=\"/v1/events\",method=\"POST\",status=\"200\"}", 2.0),
        ("shopscore_http_requests_total{route=\"/v1/events\",method=\"POST\",status=\"201\"}", 1.0),
        ("shopscore_http_requests_total{route=\"/v1/{kind}/{id}/score\",method=\"GET\",status=\"404\"}", 2.0),
        ("shopscore_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"}", 1.0),
        ("shopscore_http_requests_total{route=\"/healthz\",method=\"other\",status=\"405\"}", 2.0),
        ("shopscore_http_request_duration_seconds_count{route=\"/v1/{kind}/{id}/score\",method=\"GET\"}", 2.0),
        ("shopscore_event_rejections_total{code=\"missing_field\"}", 1.0),
        ("shopscore_event_rejections_total{code=\"unknown_type\"}", 0.0),
        ("shopscore_ingest_groups_total", 2.0),
        ("shopscore_ingest_group_events_total", 3.0),
        ("shopscore_ingest_unfinished_events", 0.0),
        ("shopscore_database_up", 1.0),
    ] {
        assert_eq!(figure(&text, name), Some(value), "{name}\n{text}");
    }
    assert!(text.contains("shopscore_build_info{version="), "{text}");
    // A database that is gone.
    service.context.store.close().await;
    figure_becomes(&service, "shopscore_database_up", 0.0).await;
    let began = std::time::Instant::now();
    let text = scrape(&service).await;
    assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    assert_eq!(figure(&text, "shopscore_ingest_groups_total"), Some(2.0));
    assert_eq!(service.get("/readyz").await.0, 503);
    service.stop().await;
}

/// The names of figures in an expression of Prometheus.
fn figures_of(expression: &str) -> Vec<&str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("shopscore_") || word.starts_with("process_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_ask_for_figures_that_there_are_and_every_one_is_documented() {
    let service = TestService::start().await;
    assert_eq!(service.post("/v1/events", &signed("e-1")).await.0, 201);
    service.run("2026-11-20".parse().expect("date")).await;
    figure_becomes(&service, "shopscore_run_subjects{rule_set=\"shop-v2\"}", 1.0).await;
    let text = scrape(&service).await;
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let alerts = read("ops/alerts.yaml");
    let expressions: Vec<&str> = alerts.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).collect();
    assert!(expressions.len() >= 10, "{expressions:?}");
    let grafana: Value = serde_json::from_str(&read("ops/grafana-dashboard.json")).expect("JSON");
    let panels = grafana["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let shown: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("an expression")).collect();
    assert!(shown.len() >= 20, "{shown:?}");
    for expression in expressions.iter().chain(&shown) {
        for figure in figures_of(expression) {
            let known = names.contains(figure.trim_end_matches("_bucket"));
            assert!(known, "{expression}: there is no figure {figure} among {names:?}");
        }
    }
    for page in ["docs/operating.md", "docs/zh/operating.md"] {
        let page = read(page);
        for alert in alerts.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: ")) {
            assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not explained");
        }
        for figure in names.iter().filter(|name| name.starts_with("shopscore_")) {
            assert!(page.contains(&format!("`{figure}`")), "{figure} is not documented");
        }
    }
    service.stop().await;
}
