//! The phases of the bench: each fills what it needs, measures, and prints its table.

use super::support::Outcome;
use super::support::market::Market;
use super::support::service::Service;
use super::{Runs, Settings, best, yardstick};

/// What one market of the phase "size" gave.
struct Measurement {
    market: Market,
    sums: f64,
    runs: Runs,
    megabytes: f64,
    /// Per subject and date published.
    bytes: f64,
}

impl Measurement {
    async fn measure(settings: &Settings, market: Market) -> Outcome<Measurement> {
        let service = Service::start()?;
        market.fill(&service)?;
        let sums = yardstick(&service, "run/yardstick.sql", market.date)?;
        let runs = Runs::measure(&service, &market, settings.runs).await?;
        eprintln!("{} shops have a score", scored_shops(&service)?);
        let megabytes = service.peak_memory().unwrap_or_default();
        let bytes = published_bytes(&service)? / (f64::from(settings.runs + 1) * f64::from(market.subjects()));
        Ok(Measurement { market, sums, runs, megabytes, bytes })
    }

    fn print(&self) {
        let each: Vec<String> = self.runs.daily.iter().map(|time| format!("{:.2}", time.computing)).collect();
        let (first, daily) = (self.runs.first.computing, self.runs.best());
        println!(
            "{:>8} {:>9} {:>9.2} s {:>9.2} s {:>8.2} {:>9.2} s {:>8.2} {:>11.2} s {:>9.0} MB {:>10.0}   {}",
            self.market.shops,
            self.market.creators,
            self.sums,
            first,
            first / self.sums,
            daily,
            daily / self.sums,
            best(self.runs.daily.iter().map(|time| time.waiting)),
            self.megabytes,
            self.bytes,
            each.join(" "),
        );
    }
}

/// A run over markets of different sizes.
pub async fn size(settings: &Settings) -> Outcome<()> {
    let mut measured = Vec::new();
    for shops in &settings.shops {
        measured.push(Measurement::measure(settings, settings.market(*shops, 1)).await?);
    }
    println!("\nruns, {} days: the first one, and the best of the {} days after it", settings.days, settings.runs);
    println!(
        "{:>8} {:>9} {:>11} {:>11} {:>8} {:>11} {:>8} {:>13} {:>12} {:>10}   each daily run (s)",
        "shops", "creators", "sums", "first", "ratio", "daily", "ratio", "from request", "memory", "bytes"
    );
    measured.iter().for_each(Measurement::print);
    println!("goals: ratio at most 3, then 1; memory at most 500 MB; at most 700 bytes per subject and date published");
    for pair in measured.windows(2) {
        if let [smaller, larger] = pair {
            println!(
                "from {} to {} shops: {:.2} times as many, {:.2} times the time",
                smaller.market.shops,
                larger.market.shops,
                f64::from(larger.market.shops) / f64::from(smaller.market.shops),
                larger.runs.best() / smaller.runs.best(),
            );
        }
    }
    Ok(())
}

/// A run over shops with many orders beside the same sums over one row per order.
pub async fn orders(settings: &Settings) -> Outcome<()> {
    let market = settings.market(settings.order_shops, 1);
    let service = Service::start()?;
    market.fill(&service)?;
    eprintln!("filling: {} orders of each shop a day", settings.orders_a_day);
    let variables = [
        ("shops", market.shops.to_string()),
        ("days", market.days.to_string()),
        ("orders", settings.orders_a_day.to_string()),
        ("date", market.date.to_string()),
    ];
    service.script("run/orders.sql", &variables)?;
    let sums = yardstick(&service, "run/orders-yardstick.sql", market.date)?;
    let run = Runs::measure(&service, &market, settings.runs).await?.best();
    println!(
        "\norders: {} shops with {} orders a day, {} days: sums over orders {sums:.2} s, run {run:.2} s",
        market.shops, settings.orders_a_day, market.days,
    );
    println!("the run is {:.1} times as fast (goal 10)", sums / run);
    Ok(())
}

/// The same shops with once and twice the orders.
pub async fn growth(settings: &Settings) -> Outcome<()> {
    let mut taken = Vec::new();
    for scale in [1, 2] {
        let market = settings.market(settings.growth_shops, scale);
        let service = Service::start()?;
        market.fill(&service)?;
        taken.push(Runs::measure(&service, &market, settings.runs).await?.best());
    }
    if let [once, twice] = taken[..] {
        println!(
            "\ngrowth: {} shops: run {once:.2} s, with twice the orders {twice:.2} s, {:.2} times the time (goal 1.1)",
            settings.growth_shops,
            twice / once,
        );
    }
    Ok(())
}

/// Bytes on disk of what all runs published.
fn published_bytes(service: &Service) -> Outcome<f64> {
    let sql = "select pg_total_relation_size('score') + pg_total_relation_size('score_detail')
                      + pg_total_relation_size('peer_group')";
    Ok(service.psql(&["-c", sql])?.parse()?)
}

/// Shops to whom the newest run gave a score: a market without scores would measure nothing.
fn scored_shops(service: &Service) -> Outcome<i64> {
    let sql = "select count(distinct subject_id) from score
               where run_id = (select max(run_id) from run where state = 'published')
                 and subject_id like 'shop-%' and score_hundredths is not null";
    Ok(service.psql(&["-c", sql])?.parse()?)
}
