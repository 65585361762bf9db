//! Files of events: what is read, what is told of each, and how it ends when it does not go to the end.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::keys::{make, post};
use crate::support::program::{empty_directory, program, run, write};
use crate::support::{Choices, TestService};

fn event(id: &str, order: &str) -> String {
    json!({"id": id, "type": "order.signed", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": {"order_id": order}})
        .to_string()
}

#[test]
fn load_reads_lines_arrays_compressed_and_marked_files_and_refuses_others_as_a_whole() {
    let directory = empty_directory("load");
    assert_eq!(run(&directory, &["migrate"]).0, Some(0));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, (event("gz", "o") + "\n").as_bytes()).expect("compression");
    let gzip = encoder.finish().expect("compression");
    let wide = format!("\u{feff}{}", event("w", "o"));
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let array = format!("[\n{},\n{}\n]", event("a", "o"), event("b", "o"));
    for (name, bytes, expected) in [
        ("marked", format!("\u{feff}{}\n", event("bom", "o")).into_bytes(), Ok("1 accepted")),
        ("gzip", [gzip.clone(), gzip].concat(), Ok("1 accepted, 1 duplicates")),
        ("zstd", zstd::encode_all(event("zst", "o").as_bytes(), 1).expect("zstd"), Ok("1 accepted")),
        ("array", array.into_bytes(), Ok("2 accepted")),
        ("wide", wide, Err("UTF-16")),
        ("csv", b"order_id,shop_id\no-1,s-1\n".to_vec(), Err("one event in JSON on each line, or a JSON array")),
    ] {
        let file = write(&directory, name, bytes);
        let (status, printed, said) = run(&directory, &["load", &file]);
        match expected {
            Ok(found) => assert!(status == Some(0) && printed.contains(found), "{name}: {printed}{said}"),
            Err(reason) => assert!(status == Some(3) && printed.is_empty() && said.contains(reason), "{name}: {said}"),
        }
    }
    let (status, _, said) = run(&directory, &["load", "no-such-file"]);
    assert!(status == Some(3) && said.contains("cannot read no-such-file: No such file"), "{said}");
    // A pipe whose reader is gone.
    let mut child = program(&directory, &["load", directory.join("array").to_str().expect("a path")]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    drop(child.stdout.take());
    let Output { status, stderr, .. } = child.wait_with_output().expect("an end");
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn send_tells_of_every_event_and_can_be_repeated() {
    let service = TestService::start_with(Choices { auth_required: true, ..Choices::default() }).await;
    let (key, _) = make(&service, &["events:write"], &[]).await;
    let (admin, _) = make(&service, &["admin"], &[]).await;
    let shops = json!({"shops": [{"shop_id": "s-1", "category_id": "food"}]});
    assert_eq!(post(&service, &admin, "/v1/shops:batch", &shops).await.0, 200);
    let directory = empty_directory("send");
    let mut lines: Vec<String> =
        (0..2_500).map(|number| event(&format!("e-{number}"), &format!("o-{number}"))).collect();
    lines[7] = json!({"id": "x", "type": "order.delivered", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00"})
        .to_string();
    lines[2_200] = "nonsense".to_owned();
    lines[9] = lines[0].replace("10:00", "11:00");
    let data = json!({"order_id": "o-new", "product_id": "p", "creatorId": "c"});
    let paid =
        json!({"id": "e", "type": "order.paid", "shop_id": "s-1", "time": "2026-11-08T10:00:00+08:00", "data": data});
    lines.push(paid.to_string());
    let file = write(&directory, "events", lines.join("\n"));
    let rejects = directory.join("rejects");
    let url = service.url("");
    let rejects_file = rejects.to_str().expect("a path");
    let send =
        |arguments: &[&str]| run(&directory, &[&["send", &file, "--url", &url, "--key", &key], arguments].concat());

    let (status, printed, _) = send(&["--dry-run", "--json"]);
    let said: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((status, &said["accepted"], &said["dry_run"]), (Some(1), &json!(2_498), &json!(true)), "{said}");
    let (status, printed, said) = send(&["--rejects", rejects_file]);
    assert_eq!(status, Some(1), "{said}");
    assert!(printed.contains(" 2498 accepted (1 with warnings), 0 duplicates, 1 conflicts, 2 rejected"), "{printed}");
    assert!(
        said.contains("line 8: /type no event type is named") && said.contains("line 2501: warning: /data/creatorId"),
        "{said}"
    );
    let rejected: Vec<Value> = std::fs::read_to_string(&rejects)
        .expect("rejects")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let told: Vec<(&Value, &Value)> =
        rejected.iter().map(|reject| (&reject["number"], &reject["errors"][0]["code"])).collect();
    let wanted =
        [(json!(8), json!("unknown_type")), (json!(10), json!("conflict")), (json!(2_201), json!("malformed_json"))];
    assert_eq!(told, wanted.iter().map(|(number, code)| (number, code)).collect::<Vec<_>>());
    assert_eq!((&rejected[0]["event"], &rejected[2]["event"]), (&json!(lines[7]), &json!("nonsense")));
    let (_, printed, _) = send(&["--json"]);
    let again: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(2_498)));
    let (status, printed, _) = send(&["--from", "2501", "--json"]);
    let last: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((status, &last["events"]), (Some(0), &json!(1)));

    for (arguments, wanted, reason) in [
        (&["send", &file, "--url", &url][..], 3, "401 Unauthorized: send Authorization"),
        (&["send", &file, "--url", "ftp://x"], 2, "no address such as http://127.0.0.1:8080"),
        (&["send", &file, "--url", &url, "--rejects", &file], 2, "would overwrite the file that is read"),
        (&["send", &file, "--from", "0"], 2, "--from"),
    ] {
        let mut command = std::process::Command::new(crate::support::program::PROGRAM);
        let Output { status, stderr, .. } = command.args(arguments).output().expect("the program");
        let said = String::from_utf8_lossy(&stderr).into_owned();
        assert!(status.code() == Some(wanted) && said.contains(reason), "{arguments:?}: {status} {said}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_interrupted_says_where_to_go_on() {
    let service = TestService::start().await;
    let directory = empty_directory("interrupted");
    let url = service.url("");
    let mut command = program(&directory, &["send", "-", "--url", &url, "--json"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program");
    let mut input = child.stdin.take().expect("standard input");
    let lines: Vec<String> = (0..2_000).map(|number| event(&format!("e-{number}"), &format!("o-{number}"))).collect();
    std::io::Write::write_all(&mut input, (lines.join("\n") + "\n").as_bytes()).expect("lines");
    while service.read("/metrics").await.to_string().contains("outcome=\\\"accepted\\\"} 0") {
        tokio::task::yield_now().await;
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    // Standard input stays open: nobody waits for it.
    let Output { status, stdout, .. } =
        tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("a thread").expect("an end");
    let summary: Value = serde_json::from_slice(&stdout).expect("JSON");
    assert_eq!(
        (status.code(), &summary["accepted"], &summary["continue_from"]),
        (Some(130), &json!(2_000), &json!(2_001))
    );
    drop(input);
    service.stop().await;
}

#[test]
fn a_transfer_to_a_service_that_is_away_says_so_and_can_be_stopped() {
    let directory = empty_directory("away");
    let file = write(&directory, "events", event("e", "o"));
    let mut command = program(&directory, &["send", &file, "--url", "127.0.0.1:9"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let mut said = BufReader::new(child.stderr.take().expect("standard error"));
    let mut line = String::new();
    while !line.contains("trying again for a minute") {
        line.clear();
        assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("a signal");
    let Output { status, stdout, .. } = child.wait_with_output().expect("an end");
    let printed = String::from_utf8(stdout).expect("text");
    assert!(
        status.code() == Some(130) && printed.contains("stopped before number 1: go on with --from 1"),
        "{printed}"
    );
}
