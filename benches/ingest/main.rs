//! The write path beside plain PostgreSQL, on the same server in the same run: `make bench-ingest`.
//!
//! Yardsticks: `psql \copy` of the same events into one table with the same primary key, and `pgbench -M prepared` with
//! single-row inserts into it. Everything durable: fsync, synchronous_commit and full_page_writes are on.

mod market;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::time::Instant;

use clap::Parser;
use market::{Line, Shape, generate};
use support::Outcome;
use support::client::Target;
use support::load::{Length, Load, Measured, millis};
use support::service::{Service, bench_file};

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
    #[arg(long, default_value_t = 16)]
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

/// Sends every request once; the rate is that of their events.
async fn send_all(
    target: &Target,
    requests: Vec<Vec<u8>>,
    events_each: usize,
    connections: usize,
) -> Outcome<Measured> {
    let load = Load { requests, connections, statuses: &[200, 201], length: Length::Once };
    let measured = load.run(&target.address).await?;
    Ok(Measured { per_second: measured.per_second * events_each as f64, ..measured })
}

fn batches(target: &Target, lines: &[Line], batch: usize) -> Vec<Vec<u8>> {
    let body = |lines: &[Line]| lines.iter().map(|line| line.json.as_str()).collect::<Vec<_>>().join("\n");
    lines.chunks(batch).map(|lines| target.post("/v1/events", "application/x-ndjson", &body(lines))).collect()
}

/// Seconds that `\copy` of the same events takes: the middle one of three.
fn copy(service: &Service, lines: &[Line]) -> Outcome<f64> {
    let file = service.directory().join("events.tsv");
    let mut writer = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for line in lines {
        writeln!(writer, "{}", line.row)?;
    }
    writer.into_inner()?.sync_all()?;
    let mut seconds = Vec::new();
    for _ in 0..3 {
        service.psql(&["-c", "drop table if exists yardstick"])?;
        service.script("ingest/yardstick.sql", &[])?;
        let began = Instant::now();
        service.psql(&["-c", &format!("\\copy yardstick from '{}'", file.display())])?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[1])
}

/// Rows a second that `pgbench` inserts, one a transaction.
fn pgbench(service: &Service) -> Outcome<f64> {
    let output = service
        .client_program("pgbench")
        .args(["-n", "-M", "prepared", "-c", "32", "-j", "2", "-T", "8", "-f"])
        .arg(bench_file("ingest/yardstick-single.sql"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench said: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Bytes on disk of everything that the events fill.
fn bytes(service: &Service) -> Outcome<f64> {
    let tables = ["aggregate", "daily_count", "product_count", "product_off_shelf", "product_paid", "subject"];
    let sizes: Vec<String> = tables.iter().map(|table| format!("pg_total_relation_size('{table}')")).collect();
    Ok(service.psql(&["-c", &format!("select {}", sizes.join(" + "))])?.parse()?)
}

fn row(what: &str, measured: &Measured, yardstick: f64, name: &str, goal: f64) {
    println!(
        "{what:<22} {:>9.0}/s   {name} {yardstick:>9.0}/s   ratio {:>5.2} (goal {goal:.2})   p50 {:>7.1} ms  p99 {:>7.1} ms",
        measured.per_second,
        measured.per_second / yardstick,
        millis(measured.p50),
        millis(measured.p99),
    );
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
    let target = &service.target;
    println!(
        "{} events of {} shops, requests of {}, {} connections",
        lines.len(),
        settings.shops,
        settings.batch,
        settings.connections
    );

    let requests = batches(target, &lines, settings.batch);
    let again = requests[..(requests.len() as f64 * settings.duplicates) as usize].to_vec();
    let batch = send_all(target, requests, settings.batch, settings.connections).await?;
    let bytes = bytes(&service)?;
    let stored: usize = service.psql(&["-c", "select sum(event_count) from aggregate"])?.parse()?;
    if stored != lines.len() {
        return Err(format!("{} events were sent and {stored} are stored", lines.len()).into());
    }
    let repeated = send_all(target, again, settings.batch, settings.connections).await?;
    let one_by_one = singles.iter().map(|line| target.post("/v1/events", "application/json", &line.json)).collect();
    let single = send_all(target, one_by_one, 1, 64).await?;
    let memory = service.peak_memory().unwrap_or_default();

    let copied = lines.len() as f64 / copy(&service, &lines)?;
    let inserted = pgbench(&service)?;
    row("batches", &batch, copied, "\\copy  ", 0.33);
    row("duplicates", &repeated, copied, "\\copy  ", 0.66);
    row("one event a request", &single, inserted, "pgbench", 0.40);
    println!(
        "memory of the service {memory:.0} MB at most; {:.0} bytes on disk per event (goal 400)",
        bytes / stored as f64
    );
    Ok(())
}
