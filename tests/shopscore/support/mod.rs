//! The harness: a throw-away PostgreSQL for the whole run, a database cloned from a migrated template for each test, and
//! the service in this process, spoken to over HTTP. Beside it: the service as a process, made-up events, and what tests of
//! answers share.

pub mod answers;
pub mod program;
pub mod receiver;
pub mod still;
pub mod stream;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::Rng;
use serde_json::{Value, json};
use shopscore::clock::Clock;
use shopscore::config::{IntakeSettings, LimitSettings, RetentionSettings};
use shopscore::connect::connector::Connector;
use shopscore::context::Context;
use shopscore::domain::calendar::Calendar;
use shopscore::domain::rules::RuleBook;
use shopscore::domain::slot::DailySlot;
use shopscore::scoring::{rebuild, rule_sets};
use shopscore::service::{Keys, Service};
use shopscore::storage::private::{PrivatePostgres, PrivateSettings, Sharing};
use shopscore::storage::rule_set::Archive;
use shopscore::storage::{PoolSizes, Store};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, OnceCell};

const TEMPLATE: &str = "template_migrated";

/// The server of this test run. It ends with the process, and its directory is removed by the next run at the latest.
struct TestServer {
    options: PgConnectOptions,
    /// Databases are cloned one at a time: PostgreSQL refuses a template that is being copied.
    cloning: Mutex<()>,
    _private: PrivatePostgres,
}

static SERVER: OnceCell<TestServer> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A directory of this process's own.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("shopscore-test-{}-{name}", std::process::id()))
}

fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(rest) = name.strip_prefix("shopscore-test-") else { continue };
        let process = rest.split('-').next().unwrap_or_default();
        if !PathBuf::from(format!("/proc/{process}")).exists() {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

async fn server() -> &'static TestServer {
    let start = || async {
        remove_leftovers();
        let settings = PrivateSettings { state_dir: scratch("server"), binaries: None, volatile: true };
        let private = PrivatePostgres::open(&settings, Sharing::Exclusive).await.expect("a private PostgreSQL");
        let options = private.options().clone();
        let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
        connection.execute(AssertSqlSafe(format!("create database {TEMPLATE}"))).await.expect("template");
        let store = Store::open(&options.clone().database(TEMPLATE), PoolSizes { ingest: 1, read: 1, run: 1 });
        store.migrate().await.expect("migrations");
        store.close().await;
        TestServer { options, cloning: Mutex::new(()), _private: private }
    };
    SERVER.get_or_init(start).await
}

/// A new database, migrated and without rows.
pub async fn fresh_database() -> PgConnectOptions {
    database_from(TEMPLATE).await
}

/// A new database without a schema.
pub async fn empty_database() -> PgConnectOptions {
    database_from("template0").await
}

async fn database_from(template: &str) -> PgConnectOptions {
    let server = server().await;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let _one_at_a_time = server.cloning.lock().await;
    let mut connection = PgConnection::connect_with(&server.options).await.expect("a connection");
    let sql = format!("create database {name} template {template}");
    connection.execute(AssertSqlSafe(sql)).await.expect("a database of its own");
    server.options.clone().database(&name)
}

/// A service on a database of its own, with a clock that stands still.
pub struct TestService {
    pub base: String,
    pub client: reqwest::Client,
    pub context: Context,
    auth_required: bool,
    service: Option<Service>,
}

/// What a test may choose.
pub struct Choices {
    pub now: DateTime<Utc>,
    pub rules: RuleBook,
    pub auth_required: bool,
    pub retention: RetentionSettings,
    pub intake: IntakeSettings,
    pub time_zone: Tz,
    pub limits: LimitSettings,
    pub connectors: Vec<Connector>,
}

impl Default for Choices {
    fn default() -> Choices {
        let now = DateTime::from_str("2026-11-20T03:00:00Z").expect("instant");
        Choices {
            now,
            rules: rule_sets::load(None).expect("built-in rule sets"),
            auth_required: false,
            retention: RetentionSettings::default(),
            intake: IntakeSettings::default(),
            time_zone: chrono_tz::Asia::Shanghai,
            limits: LimitSettings::default(),
            connectors: Vec::new(),
        }
    }
}

impl Choices {
    /// Members of data that no type knows are kept.
    pub fn keeping_unknown_data() -> Choices {
        let intake = IntakeSettings { keep_unknown_data: true, ..IntakeSettings::default() };
        Choices { intake, ..Choices::default() }
    }
}

impl TestService {
    /// On the morning of 2026-11-20, an hour before the slot, with the built-in rule sets.
    pub async fn start() -> TestService {
        TestService::start_with(Choices::default()).await
    }

    pub async fn start_with(choices: Choices) -> TestService {
        let options = fresh_database().await;
        TestService::start_on(options, choices).await
    }

    /// A further service on a database that exists.
    pub async fn start_on(options: PgConnectOptions, choices: Choices) -> TestService {
        let context = Context {
            store: Store::open(&options, PoolSizes { ingest: 4, read: 4, run: 4 }),
            rules: Arc::new(choices.rules),
            archive: Archive::default(),
            clock: Clock::manual(choices.now),
            slot: DailySlot {
                calendar: Calendar::new(choices.time_zone),
                times: "12:00-13:00".parse().expect("a slot"),
            },
            retention: choices.retention,
            intake: choices.intake,
        };
        context.prepare().await.expect("a prepared database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let keys = if choices.auth_required { Keys::Required } else { Keys::NotAsked };
        let service =
            Service::start(&context, listener, keys, choices.limits, choices.connectors).await.expect("a service");
        let base = format!("http://{}", service.address);
        let (client, service) = (client(), Some(service));
        TestService { base, client, context, auth_required: choices.auth_required, service }
    }

    /// Where its database is.
    pub fn database(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.context.store.read.connect_options())
    }

    /// The database, as `DATABASE_URL` names it.
    pub fn database_url(&self) -> String {
        let database = self.database();
        let socket = database.get_socket().expect("a socket").display().to_string();
        format!("postgres:///{}?host={socket}&user=shopscore", database.get_database().expect("a database"))
    }

    /// A further service on the same database, asked by the same client, that remembers nothing.
    pub async fn another(&self) -> TestService {
        let options = self.database();
        let (auth_required, intake) = (self.auth_required, self.context.intake);
        let choices = Choices { auth_required, intake, ..Choices::default() };
        let mut another = TestService::start_on(options, choices).await;
        another.client = self.client.clone();
        another
    }

    pub async fn stop(mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        self.context.store.close().await;
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.context.clock.set(self.context.clock.now() + by);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Status and body of a GET.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.client.post(self.url(path)).json(body)).await
    }

    /// A GET that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The same with a path of its own, for futures that run side by side.
    pub async fn read_owned(&self, path: String) -> Value {
        self.read(&path).await
    }

    /// Sends events as NDJSON and returns the answer, which must be 200. A busy machine may answer 503 to a large batch;
    /// like any client this one then sends it again.
    pub async fn send(&self, events: &[String]) -> Value {
        let body = events.join("\n");
        loop {
            let request = self.client.post(self.url("/v1/events")).header("content-type", "application/x-ndjson");
            let (status, answered) = answer(request.body(body.clone())).await;
            if status != 503 {
                assert_eq!(status, 200, "{answered}");
                return answered;
            }
        }
    }

    /// Registers shops and creators in two categories, every fourth in none.
    pub async fn register(&self, shops: &[String], creators: &[String]) {
        let category = |index: usize| match index % 4 {
            0 => Value::Null,
            odd => json!(["food", "beauty"][odd % 2]),
        };
        for (kind, field, ids) in [("shops", "shop_id", shops), ("creators", "creator_id", creators)] {
            let entry = |(index, id): (usize, &String)| json!({field: id, "category_id": category(index)});
            let entries: Vec<Value> = ids.iter().enumerate().map(entry).collect();
            let (status, answer) = self.post(&format!("/v1/{kind}:batch"), &json!({kind: entries})).await;
            assert_eq!(status, 200, "{answer}");
        }
    }

    /// Moves shops to a category.
    pub async fn register_in(&self, shops: &[String], category_id: &str) {
        let entries: Vec<Value> = shops.iter().map(|id| json!({"shop_id": id, "category_id": category_id})).collect();
        let (status, answer) = self.post("/v1/shops:batch", &json!({"shops": entries})).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Computes a date and returns the published run.
    pub async fn run(&self, date: NaiveDate) -> Value {
        let (status, run) = self.post("/v1/runs", &json!({"date": date})).await;
        assert_eq!(status, 202, "{run}");
        let path = format!("/v1/runs/{}", run["run_id"].as_str().expect("run_id"));
        loop {
            let run = self.read(&path).await;
            match run["state"].as_str() {
                Some("published") => return run,
                Some("failed") => panic!("{run}"),
                _ => tokio::task::yield_now().await,
            }
        }
    }

    /// Fails unless the counts kept equal the counts rebuilt.
    pub async fn assert_counts_equal_a_rebuild(&self) {
        let found = rebuild::verify(&self.context.store, &self.context.calendar(), &rebuild::unwatched)
            .await
            .expect("a verification");
        assert_eq!(found.differing_rows, 0, "{:#?}", found.differences);
    }
}

/// Status and JSON body (null where there is none) of a request.
/// A client without a key.
pub fn client() -> reqwest::Client {
    shopscore::cli::client::builder().build().expect("a client")
}

pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    (status, body)
}

/// Seeds of so many random markets; `SHOPSCORE_LAW_SEED` runs that one again.
pub fn seeds(cases: u64) -> Vec<u64> {
    let seeds: Vec<u64> = match std::env::var("SHOPSCORE_LAW_SEED") {
        Ok(seed) => vec![seed.parse().expect("SHOPSCORE_LAW_SEED is a number")],
        Err(_) => {
            let first = rand::rng().next_u64() % 1_000_000;
            (first..first + cases).collect()
        }
    };
    println!("seeds {seeds:?}");
    seeds
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// A local time of the business time zone, such as `2026-11-20T12:00:00`.
pub fn shanghai(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}+08:00")).expect(text).to_utc()
}
