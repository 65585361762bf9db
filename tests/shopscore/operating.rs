//! Operating the program: backups, the first key, stopping, and replacing one process after another under load.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::support::program::{PROGRAM, Process, empty_directory, output, program};
use crate::support::{answer, client, fresh_database};
use crate::webhooks::trade;

fn signal(process: &Process, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.child.id()).expect("a number")).expect("a process");
    kill_process(pid, signal).expect("a signal");
}

/// Waits for the end of a process.
async fn ended(process: &mut Process, within: Duration) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = process.child.try_wait().expect("a status") {
            return status;
        }
        assert!(began.elapsed() < within, "it did not end within {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn url_of(options: &PgConnectOptions) -> String {
    let (database, socket) = (options.get_database().expect("a name"), options.get_socket().expect("a socket"));
    format!("postgres:///{database}?host={}&user=shopscore", socket.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_service_is_restored_whole_and_into_an_empty_database_alone() {
    let directory = empty_directory("backup");
    let process = Process::start(&mut program(&directory, &["--listen", "127.0.0.1:0"]));
    let events: Vec<String> = (0..20).flat_map(|shop| trade(&format!("s-{shop}"), 30, 3)).collect();
    let request = client().post(format!("{}/v1/events", process.base)).header("content-type", "application/x-ndjson");
    assert_eq!(answer(request.body(events.join("\n"))).await.0, 200);
    let file = directory.join("whole.dump");
    let path = file.display().to_string();
    let (success, said) = output(program(&directory, &["backup", &path]));
    assert!(success && said.contains("at schema "), "{said}");
    assert!(!directory.join("whole.dump.part").exists());
    drop(process);

    let new = empty_directory("restored");
    let (success, said) = output(program(&new, &["restore", &path]));
    assert!(success && said.contains("the stored counts equal the counts rebuilt from 600 orders"), "{said}");
    let process = Process::start(&mut program(&new, &["--listen", "127.0.0.1:0"]));
    let (_, sent_again) = {
        let request =
            client().post(format!("{}/v1/events", process.base)).header("content-type", "application/x-ndjson");
        answer(request.body(events.join("\n"))).await
    };
    assert_eq!((&sent_again["duplicates"], &sent_again["accepted"]), (&json!(events.len()), &json!(0)));
    drop(process);
    let (success, said) = output(program(&new, &["restore", &path]));
    assert!(!success && said.contains("the database is not empty"), "{said}");

    // Into a database that is given by URL, and from a file that is none.
    let options = fresh_database().await;
    let given = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env("DATABASE_URL", url_of(&options)).args(arguments);
        output(command)
    };
    let (success, said) = given(&["restore", &path]);
    assert!(!success && said.contains("the database is not empty"), "{said}");
    let second = directory.join("given.dump").display().to_string();
    let (success, said) = given(&["backup", &second, "--json"]);
    assert!(success && serde_json::from_str::<Value>(&said).is_ok_and(|told| told["schema"].is_number()), "{said}");
    std::fs::write(&file, "no dump").expect("a file");
    let (success, said) = output(program(&empty_directory("broken"), &["restore", &path]));
    assert!(!success && said.contains("pg_restore failed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_one_first_key() {
    let (options, directory) = (fresh_database().await, empty_directory("first-key"));
    let file = directory.join("first-key");
    let start = |_| {
        let (url, file) = (url_of(&options), file.clone());
        std::thread::spawn(move || {
            let mut command = Command::new(PROGRAM);
            command.env("DATABASE_URL", url).args(["--listen", "127.0.0.1:0", "--auth", "required"]);
            Process::start(command.arg("--bootstrap-key-file").arg(file))
        })
    };
    let starting: Vec<_> = (0..3).map(start).collect();
    let processes: Vec<Process> = starting.into_iter().map(|thread| thread.join().expect("a process")).collect();
    let key = std::fs::read_to_string(&file).expect("the key");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    for process in &processes {
        let request = client().get(format!("{}/v1/keys", process.base)).bearer_auth(key.trim());
        let (status, listed) = answer(request).await;
        assert_eq!((status, listed["items"].as_array().map(Vec::len)), (200, Some(1)), "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once() {
    let mut process = Process::start(&mut program(&empty_directory("signals"), &["--listen", "127.0.0.1:0"]));
    // A request that does not end keeps the service from stopping for a while.
    let address = process.base.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let head =
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.expect("sent");
    assert_eq!(answer(client().get(format!("{}/healthz", process.base))).await.0, 200);
    let began = Instant::now();
    signal(&process, Signal::TERM);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(process.child.try_wait().expect("a status").is_none(), "it waits for the request");
    signal(&process, Signal::TERM);
    let status = ended(&mut process, Duration::from_secs(2)).await;
    assert_eq!(status.code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// A client of two addresses, as behind a balancer: what is not answered, or with 503, is asked of the other one.
async fn insist(bases: &[String; 2], place: &AtomicU64, ask: impl Fn(&str) -> reqwest::RequestBuilder) -> (u16, Value) {
    for _ in 0..400 {
        let base = &bases[place.load(Ordering::Relaxed) as usize % 2];
        if let Ok(response) = ask(base).send().await
            && response.status() != 503
        {
            let status = response.status().as_u16();
            if let Ok(body) = response.json().await {
                return (status, body);
            }
        }
        place.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no answer from {bases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_replaced_one_after_another_and_no_request_is_lost() {
    let options = fresh_database().await;
    let url = url_of(&options);
    let ports = [0, 0]
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port());
    let serve = |port: u16| {
        let address = format!("127.0.0.1:{port}");
        Process::start(Command::new(PROGRAM).env("DATABASE_URL", &url).args(["--listen", &address]))
    };
    let mut processes = ports.map(serve);
    let bases = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (bases, is_over, answered) = (&bases, &is_over, &answered);
    let http = client();
    let lane = |lane: usize| {
        let http = http.clone();
        async move {
            let place = AtomicU64::new(lane as u64);
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let event = json!({"id": format!("e-{lane}-{sent}"), "type": "order.signed", "shop_id": format!("s-{lane}"),
                    "time": "2026-11-10T00:00:00Z", "data": {"order_id": format!("o-{sent}")}});
                let (status, body) =
                    insist(bases, &place, |base| http.post(format!("{base}/v1/events")).json(&event)).await;
                assert!(matches!(status, 200 | 201), "{status} {body}");
                let (status, body) = insist(bases, &place, |base| http.get(format!("{base}/v1/rule-sets"))).await;
                assert_eq!(status, 200, "{body}");
                sent += 1;
                answered.fetch_add(2, Ordering::Relaxed);
            }
            sent
        }
    };
    let replacing = async {
        for round in 0..6 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let one = round % 2;
            signal(&processes[one], Signal::TERM);
            let status = ended(&mut processes[one], Duration::from_secs(8)).await;
            assert_eq!(status.code(), Some(0));
            processes[one] = serve(ports[one]);
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(futures_util::future::join_all((0..8).map(lane)), replacing);
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&mut connection).await.expect("a count");
    assert_eq!(stored, sent.iter().sum::<i64>(), "each is there once");
    println!("{} requests answered over 6 restarts, 0 failed", answered.load(Ordering::Relaxed));
}
