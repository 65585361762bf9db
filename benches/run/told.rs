//! The phase "told": what it costs a run that many are told of it, and how fast they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::any;
use chrono::Days;
use serde_json::json;
use tokio::net::TcpListener;

use super::support::Outcome;
use super::support::client::Client;
use super::support::market::run;
use super::support::service::Service;
use super::{Settings, best};

/// Subscribers of some shops, and the shops of each; one more is told of all.
const SUBSCRIBERS: usize = 1_000;
const SHOPS_OF_EACH: usize = 100;

/// A receiver on this machine that only counts.
async fn receiver() -> Outcome<(String, Arc<AtomicU64>)> {
    async fn count(State(received): State<Arc<AtomicU64>>, _body: axum::body::Bytes) -> StatusCode {
        received.fetch_add(1, Ordering::Relaxed);
        StatusCode::NO_CONTENT
    }
    let received = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/{*path}", any(count)).with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((base, received))
}

pub async fn told(settings: &Settings) -> Outcome<()> {
    let shops = settings.shops.iter().copied().max().unwrap_or(100_000);
    let service = Service::start_with(&["--webhook-allow", "127.0.0.0/8"])?;
    let mut market = settings.market(shops, 1);
    market.days += 2 * settings.runs;
    market.fill(&service)?;
    let dates: Vec<_> = (0..=2 * settings.runs).rev().map(|age| market.date - Days::new(age.into())).collect();
    run(&service.target, dates[0], market.subjects()).await?;
    let (untold, told) = dates[1..].split_at(settings.runs as usize);
    let mut times = [Vec::new(), Vec::new()];
    for date in untold {
        times[0].push(run(&service.target, *date, market.subjects()).await?.computing);
    }
    let (base, received) = receiver().await?;
    let ids = service.psql(&["-c", "select subject_id from subject where subject_kind = 1 order by subject_id"])?;
    let ids: Vec<&str> = ids.lines().collect();
    let mut client = Client::connect(&service.target.address).await?;
    for number in 0..=SUBSCRIBERS {
        let named: Vec<&str> =
            (0..SHOPS_OF_EACH).map(|shop| ids[(number * SHOPS_OF_EACH + shop) % ids.len()]).collect();
        let mut wanted = json!({"url": format!("{base}/{number}"), "events": ["score.published", "tier.changed"]});
        if number > 0 {
            wanted["shop_ids"] = json!(named);
        } else {
            wanted["kinds"] = json!(["shop"]);
        }
        let request = service.target.post("/v1/webhooks", "application/json", &wanted.to_string());
        client.send(&request).await?.of_status(&[201])?;
    }
    let mut rates = Vec::new();
    for date in told {
        times[1].push(run(&service.target, *date, market.subjects()).await?.computing);
        rates.push(deliver_all(&service, &received).await?);
    }
    let [untold, told] = times.map(|times| best(times.into_iter()));
    println!(
        "\ntold: {shops} shops, {SUBSCRIBERS} subscribers of {SHOPS_OF_EACH} shops each and one of all\n\
         a run without them {untold:.2} s, with them {told:.2} s, {:.2} times the time (goal 1.1)",
        told / untold
    );
    for (messages, fan_out, seconds) in rates {
        println!(
            "{messages} messages: on their way after {fan_out:.1} s, delivered after {seconds:.1} s, {:.0} a second (goal 2000)",
            messages as f64 / seconds
        );
    }
    println!("peak memory of the service {:.0} MB", service.peak_memory().unwrap_or_default());
    Ok(())
}

/// Waits until everybody is told. How many messages came, after how long all were on their way, and after how long all there.
async fn deliver_all(service: &Service, received: &AtomicU64) -> Outcome<(u64, f64, f64)> {
    let (began, before) = (Instant::now(), received.load(Ordering::Relaxed));
    let ask = |sql: &'static str| service.psql(&["-c", sql]);
    let mut fan_out = None;
    loop {
        if fan_out.is_none() && ask("select count(*) from announcement where finished_at is null")? == "0" {
            fan_out = Some(began.elapsed().as_secs_f64());
        }
        if fan_out.is_some() && ask("select exists (select from delivery where state = 'pending')")? == "f" {
            let messages = received.load(Ordering::Relaxed) - before;
            return Ok((messages, fan_out.unwrap_or_default(), began.elapsed().as_secs_f64()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
