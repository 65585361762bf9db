//! What is not kept for ever: full cards, and old events with what they counted for.

use std::process::Command;

use chrono::{NaiveDate, TimeDelta};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::config::RetentionSettings;
use shopscore::scoring::retention::{Swept, sweep};
use shopscore::storage::retention as rows;

use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, date, fresh_database, shanghai};

fn choices(now: &str, card_days: u16, event_days: Option<u16>) -> Choices {
    let retention = RetentionSettings { card_days, event_days, ..RetentionSettings::default() };
    Choices { now: shanghai(now), retention, ..Choices::default() }
}

/// A service whose own task never sweeps, since a day far ahead is taken: what a test removes, the test counts.
async fn quiet(service: TestService) -> TestService {
    let mut connection = service.context.store.run.acquire().await.expect("a connection");
    rows::take_day(&mut connection, date("2040-01-01")).await.expect("an answer");
    drop(connection);
    service
}

async fn start(now: &str, card_days: u16, event_days: Option<u16>) -> TestService {
    quiet(TestService::start_with(choices(now, card_days, event_days)).await).await
}

async fn sweep_now(service: &TestService) -> Swept {
    sweep(&service.context).await.expect("a sweep")
}

async fn stored(service: &TestService) -> Vec<String> {
    let ids = sqlx::query_scalar("select event_id from event order by event_id");
    ids.fetch_all(&service.context.store.read).await.expect("ids")
}

async fn count(service: &TestService, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&service.context.store.read).await.expect("a count")
}

/// The products that are off the shelf now.
async fn off_shelf(service: &TestService) -> Vec<(String, String, NaiveDate)> {
    let rows = sqlx::query_as(
        "select shop_id, product_id, from_day from product_off_shelf where until_day is null
         order by shop_id, product_id",
    );
    rows.fetch_all(&service.context.store.read).await.expect("spans")
}

fn event(id: &str, event_type: &str, time: &str, data: Value) -> String {
    json!({"id": id, "type": event_type, "shop_id": "s", "time": format!("{time}+08:00"), "data": data}).to_string()
}

/// An order of a creator: paid, picked up and signed on one day.
fn order(id: &str, day: &str) -> Vec<String> {
    let of_order = json!({"order_id": id});
    let paid = json!({"order_id": id, "product_id": "p", "creator_id": "c"});
    vec![
        event(&format!("{id}-paid"), "order.paid", &format!("{day}T10:00:00"), paid),
        event(&format!("{id}-picked-up"), "order.picked_up", &format!("{day}T18:00:00"), of_order.clone()),
        event(&format!("{id}-signed"), "order.signed", &format!("{day}T23:00:00"), of_order),
    ]
}

/// What was known in November 2026: an order, one without payment, a session; a product whose last standing mark took
/// it off the shelf, and one with a single mark.
fn old_events() -> Vec<String> {
    let mut events = order("o-old", "2026-11-05");
    let session = json!({"session_id": "i", "creator_id": "c"});
    let mark = |id: &str, event_type: &str, day: &str, data: Value| {
        event(id, event_type, &format!("2026-10-{day}T10:00:00"), data)
    };
    events.extend([
        event("unpaid", "order.signed", "2026-11-06T10:00:00", json!({"order_id": "o-unpaid"})),
        event("session-1", "im.session_started", "2026-11-06T10:00:00", session),
        event("session-2", "im.replied", "2026-11-06T10:01:00", json!({"session_id": "i"})),
        mark("shelf-1", "product.listed", "01", json!({"product_id": "p"})),
        mark("shelf-2", "product.delisted", "10", json!({"product_id": "p"})),
        mark("shelf-3", "product.listed", "20", json!({"product_id": "p"})),
        mark("shelf-4", "event.retracted", "21", json!({"product_id": "p", "event_id": "shelf-3"})),
        mark("shelf-5", "product.delisted", "10", json!({"product_id": "q"})),
    ]);
    events
}

/// The old events, and a young order 416 days later.
async fn old_and_young() -> TestService {
    let service = start("2026-11-20T11:00:00", 400, Some(400)).await;
    assert_eq!(service.send(&old_events()).await["accepted"], json!(old_events().len()));
    service.context.clock.set(shanghai("2028-01-10T08:00:00"));
    assert_eq!(service.send(&order("o-young", "2028-01-08")).await["accepted"], json!(3));
    service
}

const LEFT: [&str; 5] = ["o-young-paid", "o-young-picked-up", "o-young-signed", "shelf-2", "shelf-5"];

#[tokio::test(flavor = "multi_thread")]
async fn old_orders_and_sessions_go_with_their_counts_and_a_product_keeps_its_last_mark() {
    let service = old_and_young().await;
    let before = off_shelf(&service).await;
    assert_eq!(before.len(), 2);
    let swept = sweep_now(&service).await;
    assert_eq!((swept.aggregates, swept.events), (4, 9), "an order, one without payment, a session, a product");
    assert_eq!(stored(&service).await, LEFT);
    service.assert_counts_equal_a_rebuild().await;
    assert_eq!(off_shelf(&service).await, before);
    assert_eq!(count(&service, "select count(*) from daily_count where day < '2028-01-01'").await, 0);
    assert_eq!(count(&service, "select count(*) from product_count where day < '2028-01-01'").await, 0);
    assert_eq!(
        count(&service, "select count(*) from daily_count").await,
        2,
        "the shop and the creator of the young order"
    );
    assert_eq!(sweep_now(&service).await, Swept::default(), "nothing is left for another sweep");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_refused_only_for_days_that_lost_events() {
    let whole_from = async |service: &TestService| -> Option<NaiveDate> {
        let day = sqlx::query_scalar("select whole_from from retention");
        day.fetch_one(&service.context.store.read).await.expect("a row")
    };
    let service = start("2026-11-20T11:00:00", 400, Some(400)).await;
    service.send(&order("o-1", "2026-11-05")).await;
    assert_eq!(sweep_now(&service).await, Swept::default());
    assert_eq!(whole_from(&service).await, None, "nothing was removed");
    service.run(date("2026-02-01")).await;
    service.stop().await;

    let service = old_and_young().await;
    assert_eq!(sweep_now(&service).await.aggregates, 4);
    assert_eq!(whole_from(&service).await, Some(date("2026-11-07")), "the last removed event is of the 6th");
    assert_eq!(sweep_now(&service).await, Swept::default());
    assert_eq!(whole_from(&service).await, Some(date("2026-11-07")));
    service.run(date("2027-12-20")).await;
    let (_, run) = service.post("/v1/runs", &json!({"date": "2026-11-20"})).await;
    let path = format!("/v1/runs/{}", run["run_id"].as_str().expect("an id"));
    let failed = loop {
        let run = service.read(&path).await;
        match run["state"].as_str() {
            Some("failed") => break run,
            Some("published") => panic!("{run}"),
            _ => tokio::task::yield_now().await,
        }
    };
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("2026-11-07")), "{failed}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_stay_for_ever_unless_the_operator_says_otherwise() {
    let service = start("2026-11-20T11:00:00", 400, None).await;
    service.send(&old_events()).await;
    service.context.clock.set(shanghai("2036-01-10T08:00:00"));
    assert_eq!(sweep_now(&service).await, Swept::default());
    assert_eq!(service.send(&old_events()).await["duplicates"], json!(old_events().len()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_events_that_are_sent_again_are_too_old_and_count_nothing() {
    let service = old_and_young().await;
    sweep_now(&service).await;
    let answer = service.send(&old_events()).await;
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(0), &json!(old_events().len())), "{answer}");
    for result in answer["results"].as_array().expect("results") {
        assert_eq!((&result["code"], &result["pointer"]), (&json!("too_old"), &json!("/time")), "{result}");
    }
    assert_eq!(stored(&service).await, LEFT);
    service.assert_counts_equal_a_rebuild().await;
    // 400 days to the second are not too old yet.
    let edge = |id: &str, time: &str| event(id, "order.signed", time, json!({"order_id": "o-edge"}));
    let answer = service.send(&[edge("edge-1", "2026-12-06T08:00:00"), edge("edge-2", "2026-12-06T07:59:59")]).await;
    assert_eq!((&answer["accepted"], &answer["results"][0]["code"]), (&json!(1), &json!("too_old")), "{answer}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_records_of_a_kept_revision_need_stays_and_older_dates_are_not_run_again() {
    let service = start("2026-11-10T11:00:00", 1_000, Some(400)).await;
    service.send(&order("o-before", "2026-07-01")).await;
    service.send(&order("o-in-window", "2026-08-08")).await;
    let delisted = event("shelf-1", "product.delisted", "2026-09-01T10:00:00", json!({"product_id": "q"}));
    let listed = event("shelf-2", "product.listed", "2026-09-10T10:00:00", json!({"product_id": "q"}));
    service.send(&[delisted, listed]).await;
    service.context.clock.set(shanghai("2026-11-20T11:00:00"));
    service.run(date("2026-11-20")).await;

    service.context.clock.set(shanghai("2028-01-10T08:00:00"));
    let swept = sweep_now(&service).await;
    assert_eq!((swept.aggregates, swept.events), (1, 3), "the order from before the windows");
    let left = ["o-in-window-paid", "o-in-window-picked-up", "o-in-window-signed", "shelf-1", "shelf-2"];
    assert_eq!(stored(&service).await, left);
    service.assert_counts_equal_a_rebuild().await;

    service.run(date("2026-11-20")).await;
    let first = service.read("/v1/shops/s/metrics?date=2026-11-20&revision=1").await;
    let second = service.read("/v1/shops/s/metrics?date=2026-11-20&revision=2").await;
    assert_eq!(first["metrics"], second["metrics"], "the whole windows are still there");
    service.run(date("2026-11-19")).await;
    let (status, run) = service.post("/v1/runs", &json!({"date": "2026-10-10"})).await;
    assert_eq!(status, 202, "{run}");
    let path = format!("/v1/runs/{}", run["run_id"].as_str().expect("run_id"));
    let error = loop {
        let run = service.read(&path).await;
        assert_ne!(run["state"], json!("published"), "a part of its window is gone");
        if let Some(error) = run["error"].as_str() {
            break error.to_owned();
        }
        tokio::task::yield_now().await;
    };
    assert!(error.contains("2026-06-28") && error.contains("2026-07-02"), "{error}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_cards_go_after_their_days_and_short_cards_stay() {
    let service = start("2026-11-20T11:00:00", 400, None).await;
    service.send(&order("o", "2026-11-05")).await;
    let run = service.run(date("2026-11-20")).await;
    let run_id: i64 = run["run_id"].as_str().expect("run_id").parse().expect("a number");
    let group = "insert into peer_group (run_id, rule_set, metric, members, category_id, members_values)
         values ($1, 999, 0, 1, '', '')";
    sqlx::query(group).bind(run_id).execute(&service.context.store.run).await.expect("a peer group");
    let metrics = "/v1/shops/s/metrics?date=2026-11-20";

    service.context.clock.set(shanghai("2027-12-25T08:00:00"));
    assert_eq!(sweep_now(&service).await, Swept::default(), "400 days later everything is there");
    service.read(metrics).await;

    service.context.clock.set(shanghai("2027-12-26T08:00:00"));
    let swept = sweep_now(&service).await;
    assert_eq!(swept.cards, 2, "the shop's and the creator's");
    assert_eq!(count(&service, "select count(*) from peer_group where rule_set = 999").await, 0, "peers go with them");
    // An answer that a process kept goes with the next look at the marks.
    let problem = loop {
        let (status, body) = service.get(metrics).await;
        if status != 200 {
            break body;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&problem["status"], &problem["type"]),
        (&json!(404), &json!("urn:shopscore:problem:score-not-published")),
        "{problem}"
    );
    assert!(problem["detail"].as_str().expect("detail").contains("has been removed"), "{problem}");
    let history = service.read("/v1/shops/s/scores?from=2026-11-20&to=2026-11-20").await;
    assert_eq!(history["scores"][0]["signed_orders"], json!(1), "{history}");
    let runs = service.read("/v1/runs?date=2026-11-20").await;
    assert_eq!(runs["items"][0]["state"], json!("published"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_sweep_at_once_take_nothing_away_twice() {
    let seed = rand::rng().next_u64();
    println!("seed {seed}");
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
    let database = fresh_database().await;
    let begin = || TestService::start_on(database.clone(), choices("2026-11-20T11:00:00", 400, Some(400)));
    let (first, second) = tokio::join!(begin(), begin());
    let (first, second) = (quiet(first).await, quiet(second).await);
    for batch in stream.events.chunks(5_000) {
        first.send(batch).await;
    }
    let excluded =
        json!({"shop_id": stream.shops[0], "target": "order", "id": "o1", "reason": "test", "decided_by": "test"});
    assert_eq!(first.post("/v1/exclusions", &excluded).await.0, 201);
    let before = (stored(&first).await.len() as u64, off_shelf(&first).await);
    for service in [&first, &second] {
        service.context.clock.set(shanghai("2028-01-10T08:00:00"));
    }
    let young = order("o-young", "2028-01-08");
    let (one, other, answer) = tokio::join!(sweep_now(&first), sweep_now(&second), first.send(&young));
    assert_eq!(answer["accepted"], json!(3), "writers go on meanwhile: {answer}");
    let left = stored(&first).await.len() as u64 - 3;
    assert_eq!(one.events + other.events, before.0 - left, "each event goes once");
    assert_eq!(count(&first, "select count(*) from event where aggregate_kind <> 3").await, 3, "the young order");
    let marks = "select coalesce(max(marks), 0) from (
         select count(*) as marks from event where aggregate_kind = 3 group by shop_id, aggregate_id) as product";
    assert!(count(&first, marks).await <= 1, "one mark of a product");
    let now: Vec<(String, String)> = off_shelf(&first).await.into_iter().map(|(shop, id, _)| (shop, id)).collect();
    let then: Vec<(String, String)> = before.1.into_iter().map(|(shop, id, _)| (shop, id)).collect();
    assert_eq!(now, then, "products are where they were");
    first.assert_counts_equal_a_rebuild().await;
    for service in [first, second] {
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_processes_one_takes_the_day() {
    let service = start("2026-11-20T11:00:00", 400, None).await;
    let store = &service.context.store;
    let (mut one, mut other) = (store.run.acquire().await.expect("one"), store.run.acquire().await.expect("other"));
    let mut day = date("2040-01-01");
    for _ in 0..20 {
        day += TimeDelta::days(1);
        let (first, second) = tokio::join!(rows::take_day(&mut one, day), rows::take_day(&mut other, day));
        assert_ne!(first.expect("an answer"), second.expect("an answer"), "{day}");
        assert!(!rows::take_day(&mut one, day).await.expect("an answer"), "the day is taken");
    }
    drop((one, other));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_it_removed_and_refuses_to_keep_less_than_400_days() {
    let program = env!("CARGO_BIN_EXE_shopscore");
    for setting in ["--card-days", "--event-days"] {
        let output = Command::new(program).args(["retain", setting, "399"]).output().expect("the program");
        assert!(!output.status.success(), "{setting}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("400"), "{output:?}");
    }
    let options = fresh_database().await;
    let database = options.get_database().expect("a name");
    let socket = options.get_socket().expect("a socket").display();
    let url = format!("postgres:///{database}?host={socket}&user=shopscore");
    let mut command = Command::new(program);
    let output =
        command.env("DATABASE_URL", url).args(["retain", "--event-days", "500"]).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("0 full cards") && said.contains("0 events"), "{output:?}");
}
