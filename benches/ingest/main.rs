//! The write path beside plain PostgreSQL, on the same server in the same run: `make bench-ingest`.
//!
//! Yardsticks: `psql \copy` of the same events into one table with the same primary key, and `pgbench -M prepared` with
//! single-row inserts into it. Everything durable: fsync, synchronous_commit and full_page_writes are on.

mod client;
mod market;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use client::{Client, request};
use market::{Line, Shape, generate};

#[derive(Clone, Debug, Parser)]
struct Settings {
    #[arg(long, default_value_t = 600_000)]
    events: usize,
    /// Events that are sent one a request, in a phase of its own
    #[arg(long, default_value_t = 60_000)]
    singles: usize,
    #[arg(long, default_value_t = 2_000)]
    shops: usize,
    /// Events of one request
    #[arg(long, default_value_t = 1_000)]
    batch: usize,
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Share of events that arrive long after their neighbours in time
    #[arg(long, default_value_t = 0.01)]
    late: f64,
    /// Share of the batches that are sent a second time, in a phase of its own
    #[arg(long, default_value_t = 1.0)]
    duplicates: f64,
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The service under test, with its private PostgreSQL.
struct Service {
    child: Child,
    address: String,
    directory: PathBuf,
}

impl Service {
    fn start() -> Outcome<Service> {
        let directory = std::env::temp_dir().join(format!("shopscore-bench-{}", std::process::id()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_shopscore"))
            .env_remove("DATABASE_URL")
            .args(["--listen", "127.0.0.1:0", "--state-dir"])
            .arg(&directory)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("serving address=").map(|(_, address)| address.to_owned()))
            .ok_or("the service did not start")?;
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Ok(Service { child, address, directory })
    }

    fn psql(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self
            .client_program("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?.trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }

    fn client_program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("PGHOST", self.directory.join("socket")).env("PGUSER", "shopscore").env("PGDATABASE", "shopscore");
        command
    }

    /// The most memory that the service held, in megabytes.
    fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(process) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

/// What one phase of sending took.
struct Measured {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Sends requests over so many connections, each as soon as its connection is free.
async fn send_all(address: &str, requests: Vec<Vec<u8>>, events_each: usize, connections: usize) -> Outcome<Measured> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (requests, next, address) = (Arc::clone(&requests), Arc::clone(&next), address.to_owned());
        senders.spawn(async move {
            let mut client = Client::connect(&address).await?;
            let mut latencies = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let sent = Instant::now();
                let (status, body) = client.send(request).await?;
                if !matches!(status, 200 | 201) {
                    return Err(format!("{status}: {}", String::from_utf8_lossy(body)).into());
                }
                latencies.push(sent.elapsed());
            }
            Ok::<Vec<Duration>, Box<dyn Error + Send + Sync>>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(done) = senders.join_next().await {
        latencies.extend(done??);
    }
    let elapsed = began.elapsed().as_secs_f64();
    latencies.sort();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    Ok(Measured { per_second: (requests.len() * events_each) as f64 / elapsed, p50: at(0.5), p99: at(0.99) })
}

fn batches(address: &str, lines: &[Line], batch: usize) -> Vec<Vec<u8>> {
    let body = |lines: &[Line]| lines.iter().map(|line| line.json.as_str()).collect::<Vec<_>>().join("\n");
    lines.chunks(batch).map(|lines| request(address, "application/x-ndjson", &body(lines))).collect()
}

/// Seconds that `\copy` of the same events takes.
fn copy(service: &Service, lines: &[Line]) -> Outcome<f64> {
    let file = service.directory.join("events.tsv");
    let mut writer = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for line in lines {
        writeln!(writer, "{}", line.row)?;
    }
    writer.into_inner()?.sync_all()?;
    let ddl = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ingest/yardstick.sql");
    service.psql(&["-f", &ddl.display().to_string()])?;
    let began = Instant::now();
    service.psql(&["-c", &format!("\\copy yardstick from '{}'", file.display())])?;
    Ok(began.elapsed().as_secs_f64())
}

/// Rows a second that `pgbench` inserts, one a transaction.
fn pgbench(service: &Service) -> Outcome<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ingest/yardstick-single.sql");
    let output = service
        .client_program("pgbench")
        .args(["-n", "-M", "prepared", "-c", "32", "-j", "2", "-T", "8", "-f"])
        .arg(script)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench said: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let settings = Settings::parse();
    let shape = Shape {
        seed: settings.seed,
        events: settings.events + settings.singles,
        shops: settings.shops,
        late: settings.late,
    };
    let mut lines = generate(shape);
    let singles = lines.split_off(settings.events.min(lines.len()));
    let service = Service::start()?;
    println!(
        "{} events of {} shops, requests of {}, {} connections",
        lines.len(),
        settings.shops,
        settings.batch,
        settings.connections
    );

    let requests = batches(&service.address, &lines, settings.batch);
    let again = requests[..(requests.len() as f64 * settings.duplicates) as usize].to_vec();
    let batch = send_all(&service.address, requests, settings.batch, settings.connections).await?;
    let tables = ["event", "daily_count", "product_count", "product_off_shelf", "subject"];
    let sizes: Vec<String> = tables.iter().map(|table| format!("pg_total_relation_size('{table}')")).collect();
    let bytes: f64 = service.psql(&["-c", &format!("select {}", sizes.join(" + "))])?.parse()?;
    let stored: usize = service.psql(&["-c", "select count(*) from event"])?.parse()?;
    if stored != lines.len() {
        return Err(format!("{} events were sent and {stored} are stored", lines.len()).into());
    }
    let repeated = send_all(&service.address, again, settings.batch, settings.connections).await?;
    let one_by_one = singles.iter().map(|line| request(&service.address, "application/json", &line.json)).collect();
    let single = send_all(&service.address, one_by_one, 1, 64).await?;
    let memory = service.peak_memory().unwrap_or_default();

    let copied = lines.len() as f64 / copy(&service, &lines)?;
    let inserted = pgbench(&service)?;
    let row = |what: &str, measured: &Measured, yardstick: f64, name: &str, goal: f64| {
        println!(
            "{what:<22} {:>9.0}/s   {name} {yardstick:>9.0}/s   ratio {:>5.2} (goal {goal:.2})   p50 {:>7.1} ms  p99 {:>7.1} ms",
            measured.per_second,
            measured.per_second / yardstick,
            measured.p50.as_secs_f64() * 1e3,
            measured.p99.as_secs_f64() * 1e3,
        );
    };
    row("batches", &batch, copied, "\\copy  ", 0.33);
    row("duplicates", &repeated, copied, "\\copy  ", 0.66);
    row("one event a request", &single, inserted, "pgbench", 0.40);
    println!(
        "memory of the service {memory:.0} MB at most; {:.0} bytes on disk per event (goal 400)",
        bytes / stored as f64
    );
    Ok(())
}
