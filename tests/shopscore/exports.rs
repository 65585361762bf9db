//! Exports: every card of a revision as a table.

use std::collections::BTreeMap;
use std::process::Command;

use chrono::{NaiveDate, TimeDelta};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use shopscore::domain::decimal::Decimal;

use crate::keys::{guarded_with, make};
use crate::support::answers::service_knowing;
use crate::support::program::{PROGRAM, empty_directory, output};
use crate::support::stream::random_stream;
use crate::support::{Choices, TestService, date, seeds};

async fn text(service: &TestService, path: &str) -> (String, String) {
    let response = service.client.get(service.url(path)).send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    let content_type = response.headers()["content-type"].to_str().expect("a type").to_owned();
    (content_type, response.text().await.expect("a text"))
}

/// The rows of a CSV by the names of their columns. The samples have no quotes.
fn read_csv(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().expect("names").split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        names.iter().map(|name| (*name).to_owned()).zip(cells.into_iter().map(str::to_owned)).collect()
    };
    lines.map(row).collect()
}

/// The rows of a Parquet file, as CSV writes their cells.
async fn parquet(service: &TestService, path: &str) -> Vec<BTreeMap<String, String>> {
    let response = service.client.get(service.url(path)).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "application/vnd.apache.parquet");
    let reader = SerializedFileReader::new(response.bytes().await.expect("bytes")).expect("a Parquet file");
    let shown = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(number) => number.to_string(),
        Field::Date(days) => (NaiveDate::default() + TimeDelta::days((*days).into())).to_string(),
        Field::Decimal(decimal) => {
            let millionths = decimal.data().iter().fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
            Decimal::from_millionths(millionths).to_string()
        }
        other => panic!("{other:?}"),
    };
    let row =
        |row: parquet::record::Row| row.get_column_iter().map(|(name, field)| (name.clone(), shown(field))).collect();
    let rows = reader.get_row_iter(None).expect("rows").map(|one| row(one.expect("a row")));
    rows.map(shortest).collect()
}

/// Decimals in their shortest form: CSV has scores with all the places of their rule set.
fn shortest(row: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_decimal = |name: &str| {
        name == "score"
            || name == "adjusted_by"
            || name.starts_with("dimension_")
            || name.ends_with("_points")
            || name.ends_with("_value")
    };
    let cell = |(name, cell): (String, String)| {
        let cell =
            if is_decimal(&name) { cell.parse::<Decimal>().map_or(cell, |decimal| decimal.to_string()) } else { cell };
        (name, cell)
    };
    row.into_iter().map(cell).collect()
}

/// A number of an answer as the table writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn same(cell: &str, value: &Value) -> bool {
    let shown = shown(value);
    cell == shown || matches!((cell.parse::<f64>(), shown.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_what_the_answers_about_each_card_have() {
    for seed in seeds(1) {
        let stream = random_stream(&mut ChaCha8Rng::seed_from_u64(seed));
        let service = service_knowing(&stream, &stream.events).await;
        service.run(date("2026-11-20")).await;
        for (kind, ids, rule_set) in [
            ("shop", &stream.shops, "shop-v2"),
            ("shop", &stream.shops, "douyin-2026-09"),
            ("creator", &stream.creators, "creator-v1"),
        ] {
            let path = format!("/v1/exports/scores?kind={kind}s&rule_set={rule_set}");
            let (content_type, table) = text(&service, &path).await;
            assert_eq!(content_type, "text/csv; charset=utf-8; header=present");
            let rows = read_csv(&table);
            let mut listed: Vec<&String> = rows.iter().map(|row| &row["id"]).collect();
            assert!(listed.is_sorted(), "by id");
            let mut known: Vec<&String> = ids.iter().collect();
            known.sort();
            known.dedup();
            listed.retain(|id| known.contains(id));
            assert_eq!(listed, known, "seed {seed}");
            for row in &rows {
                let base = format!("/v1/{kind}s/{}", row["id"]);
                let score = service.read_owned(format!("{base}/score?rule_set={rule_set}")).await;
                for (column, pointer) in [
                    ("date", "/date"),
                    ("revision", "/revision"),
                    ("category_id", "/category_id"),
                    ("status", "/status"),
                    ("score", "/score"),
                    ("tier_level", "/tier/level"),
                    ("signed_orders", "/signed_orders"),
                    ("volume", "/volume/count"),
                ] {
                    let value = score.pointer(pointer).cloned().unwrap_or_default();
                    assert!(same(&row[column], &value), "seed {seed}: {base} {column}: {} for {value}", row[column]);
                }
                for dimension in score["dimensions"].as_array().expect("dimensions") {
                    let column = format!("dimension_{}", dimension["id"].as_str().expect("an id"));
                    assert!(same(&row[&column], &dimension["score"]), "seed {seed}: {base} {column}");
                }
                let metrics = service.read_owned(format!("{base}/metrics?rule_set={rule_set}")).await;
                for metric in metrics["metrics"].as_array().expect("metrics") {
                    for member in ["numerator", "denominator", "value", "points", "basis", "peers", "better_peers"] {
                        let column = format!("{}_{member}", metric["id"].as_str().expect("an id"));
                        assert!(
                            same(&row[&column], &metric[member]),
                            "seed {seed}: {base} {column}: {} for {}",
                            row[&column],
                            metric[member]
                        );
                    }
                }
            }
            let (content_type, lines) = text(&service, &format!("{path}&format=ndjson")).await;
            assert_eq!(content_type, "application/x-ndjson");
            let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!(lines.len(), rows.len());
            for (line, row) in lines.iter().zip(&rows) {
                let filled = row.iter().filter(|(_, cell)| !cell.is_empty());
                assert_eq!(line.as_object().expect("an object").len(), filled.clone().count());
                filled.for_each(|(column, cell)| assert!(same(cell, &line[column]), "{column}"));
            }
            let rows: Vec<_> = rows.into_iter().map(shortest).collect();
            assert_eq!(parquet(&service, &format!("{path}&format=parquet")).await, rows, "seed {seed}: {path}");
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_without_a_gap_a_bound_key_sees_its_own_and_ids_are_no_formulas() {
    let service = guarded_with(Choices::default()).await;
    let shops: Vec<String> =
        (0..2_500).map(|number| format!("s-{number:04}")).chain(["=1+1".to_owned(), "-2".to_owned()]).collect();
    for together in shops.chunks(1_000) {
        service.register(together, &[]).await;
    }
    service.run(date("2026-11-20")).await;
    let (_, table) = text(&service, "/v1/exports/scores?bom=true").await;
    let table = table.strip_prefix('\u{feff}').expect("a mark");
    let ids: Vec<String> = read_csv(table).into_iter().map(|row| row["id"].clone()).collect();
    let mut wanted: Vec<String> =
        shops.iter().map(|id| if id.starts_with("s-") { id.clone() } else { format!("'{id}") }).collect();
    wanted.sort_by_key(|id| id.trim_start_matches('\'').to_owned());
    assert_eq!(ids, wanted);
    let (bound, _) = make(&service, &["scores:read"], &["s-0007", "s-2400"]).await;
    let own = service
        .client
        .get(service.url("/v1/exports/scores?format=ndjson"))
        .bearer_auth(&bound)
        .send()
        .await
        .expect("an answer");
    let own: Vec<Value> =
        own.text().await.expect("a text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(own.iter().map(|line| &line["id"]).collect::<Vec<_>>(), [&json!("s-0007"), &json!("s-2400")]);
    assert_eq!(service.get("/v1/exports/scores?date=2026-11-01").await.0, 404);
    assert_eq!(service.get("/v1/exports/scores?rule_set=none").await.0, 400);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_writes_what_the_service_answers() {
    let service = TestService::start().await;
    service.register(&["s-1".to_owned(), "s-2".to_owned()], &["c-1".to_owned()]).await;
    service.run(date("2026-11-19")).await;
    service.run(date("2026-11-20")).await;
    let directory = empty_directory("export");
    let url = service.database_url();
    let export = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env("DATABASE_URL", &url).current_dir(&directory).arg("export").args(arguments);
        output(command)
    };
    for (arguments, path) in [
        (&["--out", "a.csv"][..], "/v1/exports/scores"),
        (&["--out", "a.csv", "--date", "2026-11-19", "--bom"][..], "/v1/exports/scores?date=2026-11-19&bom=true"),
        (
            &["--out", "a.ndjson", "--kind", "creators", "--rule-set", "creator-v1"][..],
            "/v1/exports/scores?kind=creators&format=ndjson",
        ),
    ] {
        let (success, said) = export(arguments);
        assert!(success, "{said}");
        let written = std::fs::read_to_string(directory.join(arguments[1])).expect("a file");
        assert_eq!(written, text(&service, path).await.1, "{path}");
    }
    let (success, said) = export(&["--out", "a.parquet"]);
    let written = std::fs::read(directory.join("a.parquet")).expect("a file");
    assert!(success && written.starts_with(b"PAR1") && written.ends_with(b"PAR1"), "{said}");
    for (arguments, wanted) in [
        (&["--out", "a.xlsx"][..], ".csv, .ndjson or .parquet"),
        (&["--out", "a.csv", "--date", "2026-11-01"][..], "shopscore run --date"),
        (&["--out", "a.csv", "--rule-set", "none"][..], "rule_set must be one of"),
        (&["--out", "none/a.csv"][..], "cannot write"),
    ] {
        let (success, said) = export(arguments);
        assert!(!success && said.contains(wanted), "{said}");
    }
    assert!(!directory.join("a.part").exists());
    service.stop().await;
}
