//! Commands around the service: the schema is brought up to date on purpose alone, and health is asked for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::program::{Process, empty_directory, output, program};

fn run(directory: &Path, arguments: &[&str]) -> (bool, String) {
    output(program(directory, arguments))
}

#[test]
fn only_migrate_and_the_service_bring_the_schema_up_to_date() {
    let directory = empty_directory("migrate");
    let (success, said) = run(&directory, &["migrate", "--plan"]);
    assert!(success && said.contains("the database was empty") && said.contains("0001 ground truth"), "{said}");
    for command in [&["key", "list"][..], &["verify"], &["rebuild"], &["load", "-"], &["run", "--date", "2026-11-20"]] {
        let (success, said) = run(&directory, command);
        assert!(!success && said.contains("the database is empty; run shopscore migrate"), "{command:?}: {said}");
    }
    let (success, said) = run(&directory, &["migrate"]);
    assert!(success && said.contains("migrations applied"), "{said}");
    let (success, said) = run(&directory, &["migrate", "--plan"]);
    assert!(success && said.contains("; 0 migrations to apply"), "{said}");
    assert!(run(&directory, &["key", "list"]).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_version_is_named_and_left_alone() {
    let database = crate::support::fresh_database().await;
    let store =
        shopscore::storage::Store::open(&database, shopscore::storage::PoolSizes { ingest: 1, read: 1, run: 2 });
    store.check_schema().await.expect("the schema of this version");
    let newest = shopscore::storage::schema::Schema::wanted();
    let set = |version: i64| {
        sqlx::query(
            "update _sqlx_migrations set version = $1 where version = (select max(version) from _sqlx_migrations)",
        )
        .bind(version)
        .execute(&store.run)
    };
    set(9_999).await.expect("a newer schema");
    for refused in [store.check_schema().await, store.migrate().await] {
        let said = refused.expect_err("a newer schema").to_string();
        assert!(said.contains("schema 9999, of a newer version"), "{said}");
    }
    sqlx::query("delete from _sqlx_migrations where version = 9999")
        .execute(&store.run)
        .await
        .expect("an older schema");
    let said = store.check_schema().await.expect_err("an older schema").to_string();
    assert!(said.contains(&format!("works on {newest}; run shopscore migrate")), "{said}");
    let pending = store.schema().await.expect("the schema").pending;
    assert_eq!(pending.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [newest]);
    store.close().await;
}

#[test]
fn health_tells_whether_a_service_is_ready() {
    let directory = empty_directory("health");
    let (success, said) = run(&directory, &["health", "http://127.0.0.1:9"]);
    assert!(!success && said.contains("not ready: http://127.0.0.1:9/readyz does not answer"), "{said}");
    let service = Process::start(&mut program(&directory, &["--listen", "127.0.0.1:0"]));
    let (success, said) = run(&directory, &["health", &service.base]);
    assert!(success && said.contains("ready:"), "{said}");
    let address = service.base.trim_start_matches("http://");
    let (success, said) = run(&directory, &["health", "--listen", address]);
    assert!(success, "{said}");
}

#[test]
fn logs_are_json_if_wanted() {
    let directory = empty_directory("json");
    let mut command = program(&directory, &["--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut service = command.stderr(Stdio::piped()).spawn().expect("the program");
    let lines = BufReader::new(service.stderr.take().expect("its log")).lines();
    let serving = lines.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
    let serving = serving.into_iter().find(|line| line["message"] == "serving").expect("it serves");
    assert_eq!(serving["level"], "INFO");
    assert!(serving["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{serving}");
    kill_process(Pid::from_child(&service), Signal::TERM).expect("a signal");
    assert!(service.wait().expect("an end").success());
}

#[test]
fn results_are_json_if_wanted_and_each_way_to_end_has_a_status() {
    let directory = empty_directory("statuses");
    let status = |arguments: &[&str]| {
        let output = program(&directory, arguments).output().expect("the program");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let read = |arguments: &[&str]| -> Value {
        let (code, printed) = status(&[arguments, &["--json"]].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {printed}");
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
    };
    let migrated = read(&["migrate"]);
    assert_eq!((&migrated["schema"], &migrated["is_plan"]), (&Value::Null, &serde_json::json!(false)));
    assert_eq!(read(&["verify"])["differing_rows"], 0);
    assert_eq!(read(&["rebuild"])["time_zone"], "Asia/Shanghai");
    assert_eq!(read(&["retain"])["card_days"], 400);
    assert_eq!(read(&["run", "--date", "yesterday"])["revision"], 1);
    let (code, printed) = status(&["run", "--from", "2026-11-01", "--to", "2026-11-03", "--json"]);
    assert_eq!((code, printed.lines().count()), (Some(0), 3), "a line for each date: {printed}");
    for (arguments, wanted, reason) in [
        (&["run", "--date", "tomorrow"][..], 2, "must be a date such as 2026-11-20, today or yesterday"),
        (&["run", "--date", "2999-01-01"], 2, "2999-01-01: date must be today at the latest"),
        (&["run", "--from", "2026-11-02", "--to", "2026-11-01"], 2, "--to must be --from or later"),
        (&["run"], 2, "--date"),
        (&["verify", "--slot", "12:00-13:00"], 0, "warning: --slot has no effect on verify"),
        (&["health", "ftp://x"], 2, "no address such as"),
        (&["health", "http://127.0.0.1:9"], 1, "Connection refused"),
        (&["rules", "check", "no-such-file"], 3, "no-such-file"),
        (&["verify", "--database-url", "nonsense"], 2, "must be such as postgres://user:password@host/database"),
        (
            &["verify", "--database-url", "postgres://nobody@127.0.0.1:9/none"],
            4,
            "cannot connect to PostgreSQL at 127.0.0.1:9: Connection refused",
        ),
    ] {
        let (code, said) = status(arguments);
        assert!(code == Some(wanted) && said.contains(reason), "{arguments:?}: {code:?} {said}");
    }
}

#[test]
fn a_result_that_cannot_be_written_is_told_of_and_a_reader_that_is_gone_is_not() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let mut command = std::process::Command::new(crate::support::program::PROGRAM);
    let output = command.arg("openapi").stdout(full).stderr(Stdio::piped()).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(5) && said.contains("could not be written to standard output"), "{said}");
    let mut child = std::process::Command::new(crate::support::program::PROGRAM);
    let mut child = child.arg("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn completions_and_manual_pages_are_made_of_the_commands() {
    let directory = empty_directory("documents");
    let print = |arguments: &[&str]| {
        let mut command = std::process::Command::new(crate::support::program::PROGRAM);
        let output = command.args(arguments).output().expect("the program");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    for shell in ["bash", "zsh", "fish"] {
        let script = print(&["completions", shell]);
        assert!(script.contains("rejects") && script.contains("grace-hours"), "{shell}");
    }
    assert!(print(&["man"]).contains(".TH shopscore"));
    print(&["man", "--out", directory.to_str().expect("a path")]);
    let page = std::fs::read_to_string(directory.join("shopscore-key-rotate.1")).expect("a page");
    assert!(page.contains("grace"), "{page}");
}
