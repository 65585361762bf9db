//! A run beside one SQL that only sums the shops' counts over their windows, on the same server: `make bench-run`.
//!
//! Phases: `size` (a run over markets of different sizes), `orders` (beside sums over one row per order), `growth`
//! (the same shops with twice the orders) `told` (a run of which many are told over webhooks)
//! and `preview` (a draft replayed beside a run). Each market has a service and a database of its own.

mod phases;
mod preview;
#[path = "../support/mod.rs"]
mod support;
mod told;

use chrono::{Days, NaiveDate};
use clap::{Parser, ValueEnum};
use support::Outcome;
use support::market::{Market, RunTime, run};
use support::service::Service;

#[derive(Clone, Debug, Parser)]
struct Settings {
    #[arg(long, value_enum, value_delimiter = ',', default_value = "size,orders,growth,told,preview")]
    phases: Vec<Phase>,
    /// Sizes of the phase "size"; each market has a fifth as many creators
    #[arg(long, value_delimiter = ',', default_value = "10000,30000,100000")]
    shops: Vec<u32>,
    /// Days with counts before the score date
    #[arg(long, default_value_t = 105)]
    days: u32,
    /// Runs of each market after the first one, of successive dates; the best one counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    #[arg(long, default_value_t = 2_000)]
    order_shops: u32,
    #[arg(long, default_value_t = 100)]
    orders_a_day: u32,
    #[arg(long, default_value_t = 30_000)]
    growth_shops: u32,
    /// The last score date, today at the latest
    #[arg(long, default_value = "2026-11-20")]
    date: NaiveDate,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    Size,
    Orders,
    Growth,
    Told,
    Preview,
}

impl Settings {
    fn market(&self, shops: u32, scale: u32) -> Market {
        // The first run is of an earlier date, whose windows reach as much farther back.
        Market { shops, creators: shops / 5, days: self.days + self.runs, scale, date: self.date }
    }
}

/// The least seconds of several.
fn best(seconds: impl Iterator<Item = f64>) -> f64 {
    seconds.fold(f64::INFINITY, f64::min)
}

/// Seconds that the yardstick takes at its best, by psql's own clock: the start of psql is not part of it.
fn yardstick(service: &Service, file: &str, date: NaiveDate) -> Outcome<f64> {
    let mut seconds = Vec::new();
    for _ in 0..3 {
        let said = service.script(file, &[("date", date.to_string())])?;
        let time = said.lines().find_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse::<f64>().ok());
        let time = time.ok_or_else(|| format!("psql told no time: {said}"))? / 1e3;
        eprintln!("yardstick: {time:.2} s");
        seconds.push(time);
    }
    Ok(best(seconds.into_iter()))
}

/// The runs of one market.
struct Runs {
    /// The first run ever, which has no sums to slide.
    first: RunTime,
    /// The runs of the dates after it.
    daily: Vec<RunTime>,
}

impl Runs {
    /// Runs date after date, the last of them the market's.
    async fn measure(service: &Service, market: &Market, daily: u32) -> Outcome<Runs> {
        let mut taken = Vec::new();
        for age in (0..=daily).rev() {
            let date = market.date - Days::new(age.into());
            let time = run(&service.target, date, market.subjects()).await?;
            eprintln!("run of {date}: {:.2} s, {:.2} s from request to answer", time.computing, time.waiting);
            taken.push(time);
        }
        let daily = taken.split_off(1);
        Ok(Runs { first: taken[0], daily })
    }

    /// The time of the fastest daily run.
    fn best(&self) -> f64 {
        best(self.daily.iter().map(|time| time.computing))
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let settings = Settings::parse();
    for phase in &settings.phases {
        match phase {
            Phase::Size => phases::size(&settings).await?,
            Phase::Orders => phases::orders(&settings).await?,
            Phase::Growth => phases::growth(&settings).await?,
            Phase::Told => told::told(&settings).await?,
            Phase::Preview => preview::preview(&settings).await?,
        }
    }
    Ok(())
}
