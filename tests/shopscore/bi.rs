//! What analysts read with SQL: the same as the answers over HTTP, and nothing else of the database.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shopscore::config::RetentionSettings;
use shopscore::storage::bi;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::answers::service_knowing;
use crate::support::program::{empty_directory, program};
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, date, seeds};

/// Rows of a query as JSON objects.
async fn rows(service: &TestService, sql: &str) -> Vec<Value> {
    let sql = format!("select to_jsonb(found) from ({sql}) as found");
    let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&service.context.store.read);
    rows.await.expect("rows")
}

/// How many rows the command unpacks of a date.
fn unpack(service: &TestService, date: &str) -> Value {
    let mut command = program(&empty_directory("bi"), &["bi", "unpack", "--date", date, "--json"]);
    let output = command.env("DATABASE_URL", service.database_url()).output().expect("the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["rows"].clone()
}

fn same(left: &Value, right: &Value) -> bool {
    left == right || matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if (left - right).abs() < 1e-9)
}

#[tokio::test(flavor = "multi_thread")]
async fn views_say_what_the_answers_say() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-19")).await;
        service.run(date("2026-11-20")).await;
        service.run(date("2026-11-20")).await;
        let unpacked = unpack(&service, "2026-11-20");
        assert_eq!(unpack(&service, "2026-11-20"), Value::Null, "once");
        let runs = rows(&service, "select date, revision, is_newest, state from bi.run order by run_id").await;
        let told: Vec<(&str, i64, bool)> = runs
            .iter()
            .map(|run| {
                (
                    run["date"].as_str().expect("a date"),
                    run["revision"].as_i64().expect("one"),
                    run["is_newest"] == true,
                )
            })
            .collect();
        assert_eq!(told, [("2026-11-19", 1, true), ("2026-11-20", 1, false), ("2026-11-20", 2, true)]);
        let metrics = rows(&service, "select * from bi.metric").await;
        assert_eq!(unpacked, metrics.len());
        for (kind, ids, rule_sets) in [
            ("shop", &stream.shops, &["shop-v1", "shop-v2", "douyin-2026-09"][..]),
            ("creator", &stream.creators, &["creator-v1"][..]),
        ] {
            for (id, rule_set) in ids.iter().flat_map(|id| rule_sets.iter().map(move |rule_set| (id, rule_set))) {
                let base = format!("/v1/{kind}s/{id}");
                let which = format!(
                    "date = '2026-11-20' and is_newest and rule_set = '{rule_set}' and kind = '{kind}' and id = '{id}'"
                );
                let (status, score) = service.get(&format!("{base}/score?rule_set={rule_set}")).await;
                let found = rows(&service, &format!("select * from bi.score where {which}")).await;
                if status != 200 {
                    assert!(found.is_empty(), "{which}: {found:?}");
                    continue;
                }
                let [row] = found.as_slice() else { panic!("{which}: {found:?}") };
                for (column, pointer) in [
                    ("category_id", "/category_id"),
                    ("status", "/status"),
                    ("score", "/score"),
                    ("tier_level", "/tier/level"),
                    ("signed_orders", "/signed_orders"),
                    ("revision", "/revision"),
                ] {
                    let wanted = score.pointer(pointer).cloned().unwrap_or_default();
                    assert!(same(&row[column], &wanted), "seed {seed}: {which} {column}: {} for {wanted}", row[column]);
                }
                let penalties = service.read_owned(format!("{base}/penalties?rule_set={rule_set}")).await;
                let key = |penalty: &Value, code: &str| {
                    format!(
                        "{} {} {} {}",
                        penalty[code],
                        penalty["below"].as_f64().expect("a bound"),
                        penalty["dimension"],
                        penalty["title"]["zh"].as_str().or(penalty["title_zh"].as_str()).expect("a title")
                    )
                };
                let mut wanted: Vec<String> = penalties["penalties"]
                    .as_array()
                    .expect("penalties")
                    .iter()
                    .map(|penalty| key(penalty, "code"))
                    .collect();
                let found = rows(&service, &format!("select * from bi.penalty where {which}")).await;
                let mut found: Vec<String> = found.iter().map(|penalty| key(penalty, "code")).collect();
                wanted.sort();
                found.sort();
                assert_eq!(found, wanted, "seed {seed}: {which}");
                let answered = service.read_owned(format!("{base}/metrics?rule_set={rule_set}")).await;
                let of_card: BTreeMap<&str, &Value> = metrics
                    .iter()
                    .filter(|row| row["id"] == id.as_str() && row["rule_set"] == *rule_set && row["kind"] == kind)
                    .map(|row| (row["metric"].as_str().expect("a metric"), row))
                    .collect();
                let wanted = answered["metrics"].as_array().expect("metrics");
                assert_eq!(of_card.len(), wanted.len(), "{which}");
                for metric in wanted {
                    let row = of_card[metric["id"].as_str().expect("an id")];
                    for member in
                        ["dimension", "numerator", "denominator", "value", "points", "basis", "peers", "better_peers"]
                    {
                        assert!(same(&row[member], &metric[member]), "seed {seed}: {which} {metric} {member}: {row}");
                    }
                }
            }
        }
        let sums = rows(&service, "select sum(signed_orders)::bigint as of_view, (select sum(signed_orders)::bigint from daily_count) as of_table from bi.daily_count").await;
        assert_eq!(sums[0]["of_view"], sums[0]["of_table"]);
        let events = rows(&service, "select aggregate_kind, type, data from bi.event").await;
        assert!(
            !events.is_empty()
                && events.iter().all(|event| event["type"].is_string() && event["aggregate_kind"].is_string())
        );
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_reads_the_views_alone_and_a_service_keeps_the_newest_dates_unpacked() {
    let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(3));
    let retention = RetentionSettings { bi_days: 2, ..RetentionSettings::default() };
    let service = TestService::start_with(Choices { retention, ..Choices::default() }).await;
    service.register_in(&stream.shops, "food").await;
    service.send(&stream.events).await;
    for day in ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"] {
        service.run(date(day)).await;
    }
    // It looks every ten seconds.
    let began = Instant::now();
    loop {
        let kept = rows(&service, "select distinct date from bi.metric order by 1").await;
        let kept: Vec<&Value> = kept.iter().map(|row| &row["date"]).collect();
        if kept == ["2026-11-19", "2026-11-20"] {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{kept:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What is erased of a shop is erased here, too.
    let gone = format!("select id from bi.metric where kind = 'shop' and id = '{}'", stream.shops[0]);
    assert!(!rows(&service, &gone).await.is_empty());
    let erased =
        service.client.delete(service.url(&format!("/v1/shops/{}", stream.shops[0]))).send().await.expect("an answer");
    assert_eq!(erased.status(), 202);
    while !rows(&service, &gone).await.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(120), "it is erased");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut connection = service.context.store.run.acquire().await.expect("a connection");
    let role = format!("analyst {}", std::process::id());
    assert!(bi::grant(&mut connection, &role).await.expect("a role"), "it is new");
    assert!(!bi::grant(&mut connection, &role).await.expect("again"));
    let mut analyst =
        PgConnection::connect_with(&service.database().clone().username(&role)).await.expect("the analyst");
    for view in ["run", "subject", "score", "penalty", "metric", "daily_count", "event"] {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {view}")))
            .fetch_one(&mut analyst)
            .await
            .expect(view);
        assert!(count > 0 || view == "penalty", "{view}");
    }
    for refused in [
        "select * from api_key",
        "select * from public.event",
        "delete from bi.run",
        "create table bi.mine ()",
        "select * from aggregate",
    ] {
        let result = sqlx::query(AssertSqlSafe(refused)).execute(&mut analyst).await;
        assert!(result.is_err(), "{refused}");
    }
    drop(analyst);
    sqlx::query(AssertSqlSafe(format!("drop owned by \"{role}\""))).execute(&mut *connection).await.expect("clean");
    sqlx::query(AssertSqlSafe(format!("drop role \"{role}\""))).execute(&mut *connection).await.expect("clean");
    drop(connection);
    service.stop().await;
}
