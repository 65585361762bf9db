//! Reads over HTTP beside a bare handler that answers a fixed body of the same size: `make bench-read`.
//!
//! Everything runs on one machine, and every request carries an API key, those to the bare handler too.

mod bare;
mod records;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use bare::Bare;
use chrono::NaiveDate;
use clap::Parser;
use support::Outcome;
use support::client::{Client, Target};
use support::load::{Length, Load, Measured, millis};
use support::market::{Market, run};
use support::service::Service;

#[derive(Clone, Debug, Parser)]
struct Settings {
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    shops: u32,
    #[arg(long, default_value_t = 20_000)]
    creators: u32,
    /// Days with counts before the score date
    #[arg(long, default_value_t = 20)]
    days: u32,
    /// Shops that are asked for over and over
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    hot: u32,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long each phase lasts
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Orders of the shop whose records are asked for
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
    /// The score date, today at the latest
    #[arg(long, default_value = "2026-11-20")]
    date: NaiveDate,
    /// Be the bare handler with answers of so many bytes
    #[arg(long, hide = true)]
    bare: Option<usize>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    async fn load(&self, what: &str, address: &str, load: Load) -> Outcome<Measured> {
        eprintln!("{what}");
        let measured = load.run(address).await?;
        eprintln!("{what}: {} requests, {:.0}/s", measured.requests, measured.per_second);
        Ok(measured)
    }

    /// Requests that are sent over and over.
    fn repeated(&self, requests: Vec<Vec<u8>>, statuses: &'static [u16]) -> Load {
        Load { requests, connections: self.connections, statuses, length: Length::Repeat(self.time()) }
    }
}

/// The requests for the hot shops.
#[derive(Default)]
struct Hot {
    scores: Vec<Vec<u8>>,
    /// The same of clients that have the answers.
    known: Vec<Vec<u8>>,
    metrics: Vec<Vec<u8>>,
    /// Of all answers that are scores.
    bytes: usize,
}

impl Hot {
    /// Asks for each score once, for its ETag and its size.
    async fn prepare(settings: &Settings, target: &Target) -> Outcome<Hot> {
        let mut hot = Hot::default();
        let mut client = Client::connect(&target.address).await?;
        let stride = (settings.shops / settings.hot).max(1);
        for place in 0..settings.hot.min(settings.shops) {
            let shop = shop(place * stride);
            let path = format!("/v1/shops/{shop}/score");
            let request = target.get(&path);
            let answer = client.send(&request).await?.of_status(&[200])?;
            let etag = answer.etag().ok_or("a score without an ETag")?;
            hot.known.push(target.get_unless(&path, etag));
            hot.bytes += answer.body.len();
            hot.scores.push(request);
            hot.metrics.push(target.get(&format!("/v1/shops/{shop}/metrics")));
        }
        Ok(hot)
    }

    fn mean_bytes(&self) -> usize {
        self.bytes / self.scores.len().max(1)
    }
}

/// The shop at a place, from 0, as fill.sql names it.
fn shop(place: u32) -> String {
    format!("shop-{:06}", place + 1)
}

/// A request for every shop's score, each once, in an order that jumps about.
fn everybody(settings: &Settings, target: &Target) -> Vec<Vec<u8>> {
    // A prime number of places that does not divide the number of shops meets every one.
    let jump = if settings.shops.is_multiple_of(7_919) { 1 } else { 7_919 };
    let mut place = 0;
    let mut next = || {
        place = (place + jump) % settings.shops;
        target.get(&format!("/v1/shops/{}/score", shop(place)))
    };
    (0..settings.shops).map(|_| next()).collect()
}

/// What all phases measured.
struct Phases {
    bare: [Measured; 2],
    hot: Measured,
    not_modified: Measured,
    metrics: Measured,
    cold: Measured,
    mean_bytes: usize,
    /// Of the service before it was started again, in megabytes.
    memory: f64,
}

async fn measure(settings: &Settings, service: &mut Service) -> Outcome<Phases> {
    let hot = Hot::prepare(settings, &service.target).await?;
    let mean_bytes = hot.mean_bytes();
    let bare = Bare::start(mean_bytes)?;
    let to_bare = || settings.repeated(hot.scores.clone(), &[200]);
    let bare_before = settings.load("bare", &bare.address, to_bare()).await?;
    let address = service.target.address.clone();
    let scores = settings.load("hot", &address, settings.repeated(hot.scores.clone(), &[200])).await?;
    let not_modified = settings.load("not modified", &address, settings.repeated(hot.known, &[304])).await?;
    let metrics = settings.load("metrics", &address, settings.repeated(hot.metrics, &[200])).await?;
    let memory = service.peak_memory().unwrap_or_default();

    eprintln!("starting the service again");
    service.restart()?;
    let load = Load {
        requests: everybody(settings, &service.target),
        connections: settings.connections,
        statuses: &[200],
        length: Length::OnceWithin(settings.time()),
    };
    let cold = settings.load("cold", &service.target.address, load).await?;
    let bare_after = settings.load("bare again", &bare.address, to_bare()).await?;
    Ok(Phases { bare: [bare_before, bare_after], hot: scores, not_modified, metrics, cold, mean_bytes, memory })
}

impl Phases {
    fn print(&self) {
        let [before, after] = &self.bare;
        let per_second = (before.per_second + after.per_second) / 2.0;
        let p99 = (millis(before.p99) + millis(after.p99)) / 2.0;
        println!("\nanswers of {} bytes; bare means before and after", self.mean_bytes);
        println!(
            "{:<14} {:>12} {:>8} {:>6} {:>12} {:>12} {:>8}",
            "", "requests", "ratio", "goal", "p50", "p99", "ratio"
        );
        let row = |what: &str, measured: &Measured, goal: &str| {
            println!(
                "{what:<14} {:>10.0}/s {:>8.2} {goal:>6} {:>9.2} ms {:>9.2} ms {:>8.2}",
                measured.per_second,
                measured.per_second / per_second,
                millis(measured.p50),
                millis(measured.p99),
                millis(measured.p99) / p99,
            );
        };
        row("bare before", before, "");
        row("bare after", after, "");
        row("hot", &self.hot, "0.60");
        row("not modified", &self.not_modified, "0.70");
        row("cold", &self.cold, "0.15");
        row("metrics hot", &self.metrics, "");
        println!("goal of the p99 of hot: at most 3 times that of bare");
        println!("cold: {} shops, each asked for once", self.cold.requests);
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let settings = Settings::parse();
    if let Some(bytes) = settings.bare {
        return bare::serve(bytes).await;
    }
    let market = Market {
        shops: settings.shops,
        creators: settings.creators,
        days: settings.days,
        scale: 1,
        date: settings.date,
    };
    let mut service = Service::start()?;
    market.fill(&service)?;
    records::send(&service, settings.orders, settings.date).await?;
    // The shop of the records is one more.
    let time = run(&service.target, settings.date, market.subjects() + 1).await?;
    eprintln!("run: {:.2} s", time.computing);
    let phases = measure(&settings, &mut service).await?;
    phases.print();
    records::measure(&service.target).await?;
    println!(
        "\nmemory of the service: {:.0} MB at most, started again {:.0} MB",
        phases.memory,
        service.peak_memory().unwrap_or_default()
    );
    Ok(())
}
