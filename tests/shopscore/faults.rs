//! The store slow, cut, or losing replies, by a proxy between the service and PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::support::{Choices, TestService, date, fresh_database, scratch};

/// What the proxy does to connections, those that exist included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Connections break off, and new ones break off at once.
    Cut,
    /// Nothing passes in either direction, and nothing breaks.
    Stall,
    /// What the service says arrives; the next reply is lost with its connection.
    LoseReplies,
}

pub struct Proxy {
    mode: watch::Sender<Mode>,
    folder: PathBuf,
}

impl Proxy {
    async fn start(options: &PgConnectOptions, name: &str) -> Proxy {
        let folder = scratch(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("a socket");
        let server = options.get_socket().expect("a socket").join(".s.PGSQL.5432");
        let (mode, watched) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), watched.clone()));
            }
        });
        Proxy { mode, folder }
    }

    fn options(&self, options: &PgConnectOptions) -> PgConnectOptions {
        options.clone().socket(&self.folder)
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn relay(client: UnixStream, server: PathBuf, mut mode: watch::Receiver<Mode>) {
    if *mode.borrow_and_update() == Mode::Cut {
        return;
    }
    let Ok(server) = UnixStream::connect(Path::new(&server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut replied) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let now = *mode.borrow();
        if now == Mode::Cut {
            return;
        }
        let passing = now != Mode::Stall;
        let moved = tokio::select! {
            changed = mode.changed() => changed.is_ok(),
            read = from_client.read(&mut asked), if passing => match read {
                Ok(length) if length > 0 => to_server.write_all(&asked[..length]).await.is_ok(),
                _ => false,
            },
            read = from_server.read(&mut replied), if passing => match read {
                Ok(length) if length > 0 && now != Mode::LoseReplies => to_client.write_all(&replied[..length]).await.is_ok(),
                _ => false,
            },
        };
        if !moved {
            return;
        }
    }
}

fn event(shop: usize, order: usize, id: &str) -> Value {
    json!({"id": id, "type": "order.signed", "shop_id": format!("s-{shop}"), "time": "2026-11-08T10:00:00+08:00",
           "data": {"order_id": format!("o-{order}")}})
}

pub async fn service_behind(name: &str, choices: Choices) -> (TestService, Proxy) {
    let options = fresh_database().await;
    let proxy = Proxy::start(&options, name).await;
    let service = TestService::start_on(proxy.options(&options), choices).await;
    (service, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_cut_or_stands_still_everyone_is_told_within_3_seconds_and_afterwards_all_is_well() {
    let (service, proxy) = service_behind("cut", Choices::default()).await;
    assert_eq!(service.post("/v1/events", &event(1, 1, "before")).await.0, 201);
    for mode in [Mode::Cut, Mode::Stall] {
        proxy.set(mode);
        let posts = (0..40).map(|number| {
            let (service, body) = (&service, event(number, number, &format!("{mode:?}-{number}")));
            async move {
                let began = Instant::now();
                let request = service.client.post(service.url("/v1/events")).json(&body);
                let response = request.send().await.expect("an answer");
                assert_eq!(response.status(), 503);
                assert!(response.headers().contains_key("retry-after"));
                assert!(began.elapsed() < Duration::from_secs(4), "{mode:?}: answered after {:?}", began.elapsed());
                let problem: Value = response.json().await.expect("a problem");
                assert_eq!(problem["type"], json!("urn:shopscore:problem:unavailable"));
            }
        });
        futures_util::future::join_all(posts).await;
        let began = Instant::now();
        assert_eq!(service.get("/readyz").await.0, 503);
        assert!(began.elapsed() < Duration::from_secs(4), "readyz");
        assert_eq!(service.get("/healthz").await.0, 200);
        proxy.set(Mode::Cut);
        proxy.set(Mode::Pass);
        let again = event(1, 1, &format!("after-{mode:?}"));
        while service.post("/v1/events", &again).await.0 == 503 {}
        assert_eq!(service.post("/v1/events", &again).await.0, 200, "a duplicate of what was stored");
    }
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_and_broken_connections_lose_nothing_and_count_nothing_twice() {
    let seed = rand::random::<u32>().into();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (service, proxy) = service_behind("lost", Choices::default()).await;
    let batches: Vec<Vec<String>> = (0..120)
        .map(|batch| (0..40).map(|n| event(n % 9, batch * 10 + n / 4, &format!("e-{batch}-{n}")).to_string()).collect())
        .collect();
    let (service_ref, batches_ref, done) = (&service, &batches, std::sync::atomic::AtomicUsize::new(0));
    let done_ref = &done;
    let loaders = (0..4).map(|lane| async move {
        for batch in batches_ref.iter().skip(lane).step_by(4) {
            loop {
                let request = service_ref
                    .client
                    .post(service_ref.url("/v1/events"))
                    .header("content-type", "application/x-ndjson");
                let response = request.body(batch.join("\n")).send().await.expect("an answer");
                if response.status() == 200 {
                    break;
                }
                assert_eq!(response.status(), 503);
            }
            done_ref.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let meddler = async {
        while done_ref.load(std::sync::atomic::Ordering::SeqCst) < batches_ref.len() {
            let mode = [Mode::LoseReplies, Mode::LoseReplies, Mode::Cut][rng.random_range(0..3)];
            proxy.set(mode);
            for _ in 0..rng.random_range(1..2_000) {
                tokio::task::yield_now().await;
            }
            proxy.set(Mode::Pass);
            for _ in 0..rng.random_range(1..20_000) {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(futures_util::future::join_all(loaders), meddler);
    proxy.set(Mode::Pass);
    let everything: Vec<String> = batches.concat();
    let answer = service.send(&everything).await;
    assert_eq!(
        (&answer["accepted"], &answer["duplicates"]),
        (&json!(0), &json!(everything.len())),
        "all is there once"
    );
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_that_finds_its_connections_broken_and_the_store_there_does_not_fail_for_it() {
    let service = TestService::start().await;
    assert_eq!(service.post("/v1/events", &event(1, 1, "e")).await.0, 201);
    service.assert_counts_equal_a_rebuild().await;
    let others = "select pg_terminate_backend(pid, 1000) from pg_stat_activity
                  where datname = current_database() and pid <> pg_backend_pid()";
    let ended = sqlx::query(others).execute(&service.context.store.read).await.expect("an answer").rows_affected();
    assert!(ended >= 2, "a verification leaves two connections, {ended} were ended");
    service.assert_counts_equal_a_rebuild().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_tables_are_replaced_while_it_reads_them_reads_again() {
    let service = TestService::start().await;
    service.register(&["shop-1".to_owned(), "shop-2".to_owned()], &[]).await;
    let mut mover = service.context.store.read.begin().await.expect("a transaction");
    // A run waits here after its snapshot has begun, and before it reads anything that it keeps.
    mover.execute("lock table counting in access exclusive mode").await.expect("a lock");
    let replacing = async {
        let waits = "select exists (select from pg_locks where not granted and relation = 'counting'::regclass)";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *mover).await.expect("an answer") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for table in ["stripe", "subject"] {
            let replaced = format!(
                "create temporary table moved_{table} on commit drop as table {table}; truncate {table};
                 insert into {table} table moved_{table}"
            );
            mover.execute(AssertSqlSafe(replaced)).await.expect("a table of the same rows");
        }
        mover.commit().await.expect("a commit");
    };
    let (run, ()) = tokio::join!(service.run(date("2026-11-19")), replacing);
    assert_eq!(run["subjects_total"], 2);
    service.stop().await;
}
