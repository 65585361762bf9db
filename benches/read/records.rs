//! A shop of many orders: its events, sent over HTTP, and the records behind its metrics.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::support::Outcome;
use super::support::client::{Client, Target};
use super::support::load::{millis, percentile};
use super::support::service::Service;

const SHOP: &str = "shop-records";
/// Over so many days orders are paid for.
const DAYS: i64 = 100;
/// No life cycle takes more days, so that all are complete when the score date begins.
const LIFE_DAYS: i64 = 6;
/// Events of one request.
const BATCH: usize = 5_000;
/// How often each page is asked for.
const TIMES: usize = 20;

/// The life cycles of the shop's orders as events.
struct Story {
    rng: ChaCha8Rng,
    events: Vec<(DateTime<Utc>, String)>,
}

impl Story {
    /// The events of all orders in the order in which they happened.
    fn tell(orders: u32, date: NaiveDate) -> Vec<String> {
        let mut story = Story { rng: ChaCha8Rng::seed_from_u64(7), events: Vec::new() };
        let begin = date.and_time(NaiveTime::MIN).and_utc() - TimeDelta::days(DAYS + LIFE_DAYS);
        for number in 0..orders {
            let paid = begin + TimeDelta::seconds(i64::from(number) * DAYS * 86_400 / i64::from(orders));
            story.order(number, paid);
        }
        story.events.sort_by_key(|(at, _)| *at);
        story.events.into_iter().map(|(_, event)| event).collect()
    }

    fn push(&mut self, at: DateTime<Utc>, event_type: &str, data: &str) {
        let number = self.events.len();
        let time = at.format("%Y-%m-%dT%H:%M:%SZ");
        let event =
            format!(r#"{{"id":"e-{number}","type":"{event_type}","shop_id":"{SHOP}","time":"{time}","data":{data}}}"#);
        self.events.push((at, event));
    }

    fn later(&mut self, at: DateTime<Utc>, hours: i64) -> DateTime<Utc> {
        at + TimeDelta::seconds(self.rng.random_range(60..hours * 3600))
    }

    fn order(&mut self, number: u32, paid: DateTime<Utc>) {
        let id = format!("o-{number}");
        let of_order = format!(r#"{{"order_id":"{id}"}}"#);
        let product = self.rng.random_range(0..20_u32);
        let picked_up = self.later(paid, 30);
        let signed = self.later(picked_up, 80);
        let after = self.later(signed, 20);
        self.push(paid, "order.paid", &format!(r#"{{"order_id":"{id}","product_id":"p-{product}"}}"#));
        self.push(picked_up, "order.picked_up", &of_order);
        self.push(signed, "order.signed", &of_order);
        if self.rng.random_bool(0.35) {
            let (best, worst) = (self.rng.random_range(4..=5_u32), self.rng.random_range(1..=2_u32));
            let stars = if self.rng.random_bool(0.03) { worst } else { best };
            let given = format!(r#""product_stars":{stars},"service_stars":{stars}"#);
            self.push(after, "review.posted", &format!(r#"{{"order_id":"{id}","review_id":"r-{id}",{given}}}"#));
        }
        if self.rng.random_bool(0.02) {
            self.push(after, "complaint.filed", &format!(r#"{{"order_id":"{id}","complaint_id":"c-{id}"}}"#));
        }
        if self.rng.random_bool(0.04) {
            self.aftersale(&id, after);
        }
        if self.rng.random_bool(0.2) {
            self.session(&id, paid);
        }
    }

    fn aftersale(&mut self, order_id: &str, opened: DateTime<Utc>) {
        let kind = if self.rng.random_bool(0.4) { "refund_only" } else { "return_refund" };
        let reason = ["quality", "logistics", "other"][self.rng.random_range(0..3_usize)];
        let case = |rest: &str| format!(r#"{{"order_id":"{order_id}","aftersale_id":"a-{order_id}"{rest}}}"#);
        let responded = self.later(opened, 5);
        let completed = self.later(responded, 5);
        self.push(opened, "aftersale.opened", &case(&format!(r#","kind":"{kind}","reason":"{reason}""#)));
        self.push(opened, "aftersale.awaiting_merchant", &case(""));
        self.push(responded, "aftersale.merchant_responded", &case(""));
        if self.rng.random_bool(0.1) {
            self.push(completed, "arbitration.decided", &case(r#","liable":"merchant""#));
        }
        self.push(completed, "aftersale.completed", &case(r#","outcome":"refunded""#));
    }

    fn session(&mut self, order_id: &str, started: DateTime<Utc>) {
        let session = format!(r#"{{"session_id":"s-{order_id}"}}"#);
        let replied = started + TimeDelta::seconds(self.rng.random_range(5..300));
        self.push(started, "im.session_started", &session);
        self.push(replied, "im.replied", &session);
        if self.rng.random_bool(0.5) {
            let stars = if self.rng.random_bool(0.1) { 1 } else { 5 };
            let rated = replied + TimeDelta::seconds(600);
            self.push(rated, "im.rated", &format!(r#"{{"session_id":"s-{order_id}","stars":{stars}}}"#));
        }
    }
}

#[derive(Debug, Deserialize)]
struct BatchAnswer {
    accepted: usize,
}

/// Sends the events of the shop. It is registered before, from a day far ahead on like the others of the market.
pub async fn send(service: &Service, orders: u32, date: NaiveDate) -> Outcome<()> {
    let register = format!(
        "insert into subject (subject_kind, subject_id, registered_at, updated_at)
         values (1, '{SHOP}', '2100-01-01', '2100-01-01')"
    );
    service.psql(&["-c", &register])?;
    let events = Story::tell(orders, date);
    eprintln!("sending {} events of {orders} orders of one shop", events.len());
    let began = Instant::now();
    let mut client = Client::connect(&service.target.address).await?;
    for batch in events.chunks(BATCH) {
        let request = service.target.post("/v1/events", "application/x-ndjson", &batch.join("\n"));
        let answer = client.send(&request).await?.of_status(&[200])?;
        let outcome: BatchAnswer = serde_json::from_slice(answer.body)?;
        if outcome.accepted != batch.len() {
            let said: String = String::from_utf8_lossy(answer.body).chars().take(500).collect();
            return Err(format!("of {} events {} were accepted: {said}", batch.len(), outcome.accepted).into());
        }
    }
    eprintln!("sent in {:.1} s", began.elapsed().as_secs_f64());
    // What autovacuum would do a minute later.
    service.psql(&["-c", "vacuum (analyze)"])?;
    Ok(())
}

#[derive(Debug, Deserialize)]
struct MetricsAnswer {
    metrics: Vec<MetricOfAnswer>,
}

#[derive(Debug, Deserialize)]
struct MetricOfAnswer {
    id: String,
}

#[derive(Debug, Deserialize)]
struct PageAnswer {
    items: Vec<IgnoredAny>,
}

/// Asks for the first page of records behind every metric, and prints what that takes.
pub async fn measure(target: &Target) -> Outcome<()> {
    let mut client = Client::connect(&target.address).await?;
    let request = target.get(&format!("/v1/shops/{SHOP}/metrics"));
    let answer: MetricsAnswer = serde_json::from_slice(client.send(&request).await?.of_status(&[200])?.body)?;
    println!("\n{:<26} {:<12} {:>6} {:>12} {:>12}", "records behind", "side", "items", "p50", "max");
    let mut slowest = Duration::ZERO;
    for metric in &answer.metrics {
        for side in ["numerator", "denominator"] {
            let path = format!("/v1/shops/{SHOP}/metrics/{}/records?side={side}", metric.id);
            let (taken, items) = ask(&mut client, &target.get(&path)).await?;
            let (median, most) = (percentile(&taken, 0.5), percentile(&taken, 1.0));
            println!("{:<26} {side:<12} {items:>6} {:>9.1} ms {:>9.1} ms", metric.id, millis(median), millis(most));
            slowest = slowest.max(most);
        }
    }
    println!("slowest first page {:.1} ms (goal 50)", millis(slowest));
    Ok(())
}

/// What each of several requests for the same page takes, sorted, and how many items the page has.
async fn ask(client: &mut Client, request: &[u8]) -> Outcome<(Vec<Duration>, usize)> {
    let (mut taken, mut items) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let sent = Instant::now();
        let answer = client.send(request).await?.of_status(&[200])?;
        taken.push(sent.elapsed());
        items = serde_json::from_slice::<PageAnswer>(answer.body)?.items.len();
    }
    taken.sort_unstable();
    Ok((taken, items))
}
