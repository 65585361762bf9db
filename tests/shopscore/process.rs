//! The program as a user runs it: the private PostgreSQL, its ways to fail, and death at any moment.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::support::program::{PROGRAM, Process, empty_directory, output, program};
use crate::support::stream::random_stream;
use crate::support::{answer, client, fresh_database};

/// How often each of the two is killed; `make faults` asks for many more.
const KILLS: u64 = 4;

fn event(id: &str) -> Value {
    json!({"id": id, "type": "order.signed", "shop_id": "s", "time": "2026-11-08T10:00:00+08:00", "data": {"order_id": "o"}})
}

async fn post(base: &str, event: &Value) -> u16 {
    answer(client().post(format!("{base}/v1/events")).json(event)).await.0
}

/// The process of the private server of a state directory.
fn postgres_process(state_dir: &Path) -> Option<Pid> {
    let file = std::fs::read_to_string(state_dir.join("postgres/postmaster.pid")).ok()?;
    Pid::from_raw(file.lines().next()?.trim().parse().ok()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_serves_again_after_a_stop_and_after_sigkill_and_has_one_service_at_a_time() {
    let directory = empty_directory("restart");
    let serve = || Process::start(&mut program(&directory, &["--listen", "127.0.0.1:0"]));
    let mut first = serve();
    assert_eq!(post(&first.base, &event("e-1")).await, 201);
    let (success, said) = output(program(&directory, &["--listen", "127.0.0.1:0"]));
    assert!(!success && said.contains("already uses the state directory"), "{said}");
    assert!(said.contains(&first.child.id().to_string()), "it names the process: {said}");
    let (success, said) = output(program(&directory, &["verify"]));
    assert!(success, "a command joins the server that runs: {said}");
    first.kill();
    let mut second = serve();
    assert_eq!(post(&second.base, &event("e-1")).await, 200, "what was acknowledged is there");
    kill_process(Pid::from_child(&second.child), Signal::TERM).expect("a signal");
    assert!(second.child.wait().expect("an end").success(), "a stop is no failure");
    assert!(postgres_process(&directory).is_none(), "PostgreSQL went with the service");
    let third = serve();
    assert_eq!(post(&third.base, &event("e-1")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_runs_a_private_server_too() {
    if !geteuid().is_root() {
        // All other tests run as an ordinary user then.
        return;
    }
    let directory = empty_directory("nobody");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).expect("a mode");
    let copy = directory.join("shopscore");
    std::fs::copy(PROGRAM, &copy).expect("a copy that everyone may run");
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
    command.env_remove("DATABASE_URL").current_dir(&directory);
    command.arg("--state-dir").arg(directory.join("state")).args(["--listen", "127.0.0.1:0"]);
    let process = Process::start(&mut command);
    assert_eq!(post(&process.base, &event("e-1")).await, 201);
}

#[test]
fn without_postgresql_programs_the_three_ways_out_are_named() {
    let directory = empty_directory("no-binaries");
    let (success, said) = output(program(&directory, &["--postgres-bin", "/nonexistent"]));
    assert!(!success);
    for way in ["apt-get install postgresql", "DATABASE_URL", "docker compose up"] {
        assert!(said.contains(way), "{said}");
    }
}

#[test]
fn off_loopback_the_service_does_not_start_with_auth_off() {
    let directory = empty_directory("exposed");
    let mut by_environment = program(&directory, &["--listen", "[::]:0"]);
    by_environment.env("SHOPSCORE_AUTH", "off");
    for command in [program(&directory, &["--listen", "0.0.0.0:0", "--auth", "off"]), by_environment] {
        let (success, said) = output(command);
        assert!(!success, "{said}");
        for way in ["leave out --auth", "shopscore key create", "127.0.0.1"] {
            assert!(said.contains(way), "{said}");
        }
    }
    assert!(!directory.join("postgres").exists(), "it did not begin");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_start_at_once_on_one_empty_database_and_never_count_twice() {
    let options = fresh_database().await;
    let database = options.get_database().expect("a name").to_owned();
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    sqlx::query("drop schema public cascade").execute(&mut connection).await.expect("an empty database");
    sqlx::query("create schema public").execute(&mut connection).await.expect("an empty database");
    let socket = options.get_socket().expect("a socket").display().to_string();
    let url = format!("postgres:///{database}?host={socket}&user=shopscore");
    let start = |_| {
        let url = url.clone();
        std::thread::spawn(move || {
            let mut command = Command::new(PROGRAM);
            Process::start(command.env("DATABASE_URL", url).args(["--listen", "127.0.0.1:0"]))
        })
    };
    let starting: Vec<_> = (0..3).map(start).collect();
    let processes: Vec<Process> = starting.into_iter().map(|thread| thread.join().expect("a process")).collect();
    let events = random_stream(&mut ChaCha8Rng::seed_from_u64(3)).events;
    // All three are sent everything, each in another order.
    let senders = processes.iter().enumerate().map(|(index, process)| {
        let mut events = events.clone();
        let places = index * events.len() / 3;
        events.rotate_left(places);
        async move {
            for batch in events.chunks(50) {
                let request = client().post(format!("{}/v1/events", process.base));
                let (status, body) =
                    answer(request.header("content-type", "application/x-ndjson").body(batch.join("\n"))).await;
                assert_eq!((status, &body["rejected"], &body["conflicts"]), (200, &json!(0), &json!(0)), "{body}");
            }
        }
    });
    futures_util::future::join_all(senders).await;
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&mut connection).await.expect("a count");
    assert_eq!(stored as usize, events.len());
    let mut command = Command::new(PROGRAM);
    command.env("DATABASE_URL", &url).arg("verify");
    let (success, said) = output(command);
    assert!(success, "{said}");
}

/// Kills under load, with a client that sends again whatever was not answered.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_counted_twice_when_the_service_or_postgresql_is_killed() {
    let kills: u64 = std::env::var("SHOPSCORE_FAULT_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let directory = empty_directory("kills");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let address = format!("127.0.0.1:{port}");
    let serve = || Process::start(&mut program(&directory, &["--listen", &address]));
    let mut process = serve();

    let events = numbered_events(kills as usize * 3_000);
    let sent = AtomicU64::new(0);
    let acknowledged = AtomicU64::new(0);
    let (base, events, sent, acknowledged) = (process.base.clone(), &events, &sent, &acknowledged);
    let loaders = (0..4).map(|lane| {
        let url = format!("{base}/v1/events");
        async move {
            let client = shopscore::cli::client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
            for batch in events.chunks(50).skip(lane).step_by(4) {
                let body = batch.join("\n");
                loop {
                    sent.fetch_add(1, Ordering::SeqCst);
                    let request = client.post(&url).header("content-type", "application/x-ndjson").body(body.clone());
                    let Ok(response) = request.send().await else { continue };
                    if response.status() == 200 {
                        let Ok(answer) = response.json::<Value>().await else { continue };
                        assert_eq!((&answer["rejected"], &answer["conflicts"]), (&json!(0), &json!(0)), "{answer}");
                        acknowledged.fetch_add(batch.len() as u64, Ordering::SeqCst);
                        break;
                    }
                    assert_eq!(response.status(), 503, "nothing but 503 while the store is away");
                }
            }
        }
    });
    let killer = async {
        for kill in 0..2 * kills {
            // A random moment, counted in acknowledged events so that it lies in the middle of the load.
            let share = (kill + 1) as f64 / (2 * kills + 1) as f64;
            let moment = (events.len() as f64 * share * rng.random_range(0.9..1.0)) as u64;
            while acknowledged.load(Ordering::SeqCst) < moment {
                tokio::task::yield_now().await;
            }
            if kill % 2 == 0 {
                process.kill();
                process = serve();
            } else if let Some(postgres) = postgres_process(&directory) {
                kill_process(postgres, Signal::KILL).expect("a kill");
            }
        }
    };
    tokio::join!(futures_util::future::join_all(loaders), killer);
    assert_eq!(acknowledged.load(Ordering::SeqCst) as usize, events.len());

    let options = PgConnectOptions::new_without_pgpass()
        .socket(directory.join("socket"))
        .username("shopscore")
        .database("shopscore");
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(&mut connection).await.expect("a count");
    assert_eq!(stored as usize, events.len(), "every acknowledged event is there once");
    let compression: String =
        sqlx::query_scalar("show wal_compression").fetch_one(&mut connection).await.expect("a setting");
    assert_ne!(compression, "off");
    let (success, said) = output(program(&directory, &["verify"]));
    assert!(success, "{said}");
    let requests = sent.load(Ordering::SeqCst);
    println!("{} kills, {} events acknowledged in {requests} requests, 0 lost, 0 doubled", 2 * kills, events.len());
}

/// Orders of many shops, three events each, interleaved so that later events fold onto stored ones.
fn numbered_events(wanted: usize) -> Vec<String> {
    let orders = wanted / 3;
    let event = |order: usize, step: usize| {
        let (event_type, day) = [("order.paid", 1), ("order.picked_up", 2), ("order.signed", 4)][step];
        let mut data = json!({"order_id": format!("o-{order}")});
        if step == 0 {
            data["product_id"] = json!(format!("p-{}", order % 5));
            data["creator_id"] = json!(format!("c-{}", order % 7));
        }
        json!({"id": format!("e-{order}-{step}"), "type": event_type, "shop_id": format!("s-{}", order % 40),
               "time": format!("2026-11-{day:02}T10:00:00+08:00"), "data": data})
        .to_string()
    };
    (0..3)
        .flat_map(|step| (0..orders).map(move |order| (order, step)))
        .map(|(order, step)| event(order, step))
        .collect()
}
