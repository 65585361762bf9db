//! The daily slot over several processes: one run per date, and a process that falls silent is replaced.

use serde_json::{Value, json};
use shopscore::domain::run::{RunRequest, Trigger};
use shopscore::scoring::run::{RunError, execute};
use shopscore::storage::{lease, run as rows};

use crate::support::{Choices, TestService, fresh_database, shanghai};
use crate::telemetry::figure_becomes;

/// Waits until the runs of a date are as wanted.
async fn runs_when(service: &TestService, date: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    loop {
        let page = service.read(&format!("/v1/runs?date={date}")).await;
        let runs = page["items"].as_array().expect("items").clone();
        if wanted(&runs) {
            return runs;
        }
        tokio::task::yield_now().await;
    }
}

fn published(runs: &[Value]) -> bool {
    runs.iter().any(|run| run["state"] == "published")
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_publish_a_date_once_in_its_slot() {
    let database = fresh_database().await;
    let start = || TestService::start_on(database.clone(), Choices::default());
    let (first, second, third) = tokio::join!(start(), start(), start());
    first.register_in(&["s-1".to_owned()], "food").await;
    assert_eq!(first.read("/v1/runs").await["items"], json!([]), "nothing is due before the slot");
    for service in [&first, &second, &third] {
        service.context.clock.set(shanghai("2026-11-20T12:00:30"));
    }
    let runs = runs_when(&second, "2026-11-20", published).await;
    assert_eq!(
        (&runs[0]["trigger"], &runs[0]["late"], &runs[0]["revision"]),
        (&json!("scheduled"), &json!(false), &json!(1))
    );
    // Later the next day all three look again; the days before are not run anew.
    for service in [&first, &second, &third] {
        service.context.clock.set(shanghai("2026-11-21T14:00:00"));
    }
    let next = runs_when(&third, "2026-11-21", published).await;
    assert_eq!((next.len(), &next[0]["trigger"], &next[0]["late"]), (1, &json!("catch_up"), &json!(true)));
    assert_eq!(first.read("/v1/runs").await["items"].as_array().expect("items").len(), 2, "one run a date");
    assert_eq!(first.read("/readyz").await["newest_published"], json!("2026-11-21"));
    for service in [first, second, third] {
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_fell_silent_is_taken_over_and_the_silent_one_cannot_publish() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    let context = service.context.clone();
    let now = context.clock.now();
    let mut connection = context.store.run.acquire().await.expect("a connection");
    // A process queues and claims a run in one breath, so that the service does not get it, and falls silent.
    let mut transaction = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
    let request =
        RunRequest { date: "2026-11-20".parse().expect("date"), trigger: Trigger::Manual, reason: None, key_id: None };
    let queued =
        rows::request(&mut transaction, &request, now).await.expect("a request").queued().expect("no other run");
    let silent = lease::claim(&mut transaction, Some(queued.run_id), now).await.expect("a claim").expect("the run");
    transaction.commit().await.expect("a commit");
    let (status, problem) = service.post("/v1/runs", &json!({"date": "2026-11-20"})).await;
    assert_eq!((status, &problem["run_id"]), (409, &json!(silent.run_id.to_string())));
    sqlx::query("update run set lease_until = clock_timestamp() - interval '1 second'")
        .execute(&mut *connection)
        .await
        .expect("an expired lease");
    drop(connection);
    let runs = runs_when(&service, "2026-11-20", published).await;
    assert_eq!(
        (runs.len(), &runs[0]["run_id"], &runs[0]["revision"]),
        (1, &json!(silent.run_id.to_string()), &json!(1))
    );
    let before = service.read("/v1/shops/s-1/metrics").await;
    let result = execute(&context, &silent).await;
    assert!(matches!(result, Err(RunError::LeaseLost)), "{result:?}");
    assert_eq!(service.read("/v1/shops/s-1/metrics").await, before, "the silent process wrote nothing");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_in_the_morning_does_not_stand_for_the_one_of_the_slot() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    service.run("2026-11-20".parse().expect("date")).await;
    service.context.clock.set(shanghai("2026-11-20T12:00:30"));
    let both = |runs: &[Value]| runs.iter().filter(|run| run["state"] == "published").count() == 2;
    let runs = runs_when(&service, "2026-11-20", both).await;
    assert_eq!((&runs[0]["trigger"], &runs[0]["revision"]), (&json!("scheduled"), &json!(2)));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_slot_that_is_owed_shows_as_overdue_though_one_by_hand_came_before_it() {
    let service = TestService::start().await;
    service.register_in(&["s-1".to_owned()], "food").await;
    service.run("2026-11-20".parse().expect("date")).await;
    // Another process decides what is due and falls silent, so that the run of the slot stays owed.
    let mut connection = service.context.store.run.acquire().await.expect("a connection");
    let mut deciding = sqlx::Connection::begin(&mut *connection).await.expect("a transaction");
    sqlx::query("select from schedule for update").execute(&mut *deciding).await.expect("the schedule");
    service.context.clock.set(shanghai("2026-11-20T13:00:00"));
    figure_becomes(&service, "shopscore_run_overdue", 1.0).await;
    assert_eq!(
        service.get("/readyz").await.0,
        200,
        "all processes share the fact: none is taken out of service for it"
    );
    deciding.rollback().await.expect("the schedule is free");
    drop(connection);
    figure_becomes(&service, "shopscore_run_overdue", 0.0).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_in_another_time_zone_stops_processes_that_count_in_the_old_one() {
    let service = TestService::start().await;
    let event = json!({"id": "e-1", "type": "order.signed", "shop_id": "s", "time": "2026-11-08T10:00:00Z", "data": {"order_id": "o"}});
    assert_eq!(service.post("/v1/events", &event).await.0, 201);
    let elsewhere = shopscore::domain::calendar::Calendar::new(chrono_tz::Europe::Berlin);
    shopscore::scoring::rebuild::rebuild(&service.context.store, &elsewhere, &shopscore::scoring::rebuild::unwatched)
        .await
        .expect("a rebuild");
    assert_eq!(service.post("/v1/events", &event).await.0, 503);
    let (_, run) = service.post("/v1/runs", &json!({"date": "2026-11-20"})).await;
    let failed = |runs: &[Value]| runs.iter().any(|run| run["state"] == "failed");
    let runs = runs_when(&service, "2026-11-20", failed).await;
    assert_eq!(runs[0]["run_id"], run["run_id"]);
    assert!(runs[0]["error"].as_str().expect("a reason").contains("Europe/Berlin"), "{}", runs[0]);
    service.stop().await;
}
