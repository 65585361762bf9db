//! The phase "preview": a draft replayed over the fleet beside a run, and a run while one is asked for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::support::Outcome;
use super::support::client::Client;
use super::support::market::run;
use super::support::service::Service;
use super::{Runs, Settings, best};

const DRAFT: &str = include_str!("../../rules/douyin-2026-09.toml");
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Deserialize)]
struct Preview {
    preview_id: String,
    state: String,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

async fn ask(client: &mut Client, service: &Service) -> Outcome<Preview> {
    let request = service.target.post("/v1/previews", "application/toml", DRAFT);
    Ok(serde_json::from_slice(client.send(&request).await?.of_status(&[202])?.body)?)
}

/// Waits for the end of a preview. The seconds that it took once it was begun.
async fn wait(client: &mut Client, service: &Service, asked: &Preview) -> Outcome<f64> {
    let look = service.target.get(&format!("/v1/previews/{}", asked.preview_id));
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let preview: Preview = serde_json::from_slice(client.send(&look).await?.of_status(&[200])?.body)?;
        match (preview.state.as_str(), preview.started_at.zip(preview.finished_at)) {
            ("done", Some((started, finished))) => return Ok((finished - started).as_seconds_f64()),
            ("failed", _) => return Err("the preview failed".into()),
            _ => {}
        }
    }
}

pub async fn preview(settings: &Settings) -> Outcome<()> {
    let shops = settings.shops.iter().copied().max().unwrap_or(100_000);
    let service = Service::start()?;
    let mut market = settings.market(shops, 1);
    // Further dates for the runs beside previews.
    market.days += settings.runs;
    market.fill(&service)?;
    let dates: Vec<_> = (0..settings.runs).rev().map(|age| market.date - chrono::Days::new(age.into())).collect();
    market.date = market.date - chrono::Days::new(settings.runs.into());
    let alone = Runs::measure(&service, &market, settings.runs).await?.best();
    let mut client = Client::connect(&service.target.address).await?;
    let (mut previews, mut beside) = (Vec::new(), Vec::new());
    for date in dates {
        let asked = ask(&mut client, &service).await?;
        previews.push(wait(&mut client, &service, &asked).await?);
        // The next one is under way when the run is asked for.
        let asked = ask(&mut client, &service).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        beside.push(run(&service.target, date, market.subjects()).await?.computing);
        wait(&mut client, &service, &asked).await?;
    }
    let (preview, beside) = (best(previews.into_iter()), best(beside.into_iter()));
    println!(
        "\npreview: {shops} shops\na daily run {alone:.2} s, a preview {preview:.2} s, {:.2} times the time (goal 1.5)\n\
         a run while a preview is under way {beside:.2} s, {:.2} times the time (goal 1.05)",
        preview / alone,
        beside / alone
    );
    Ok(())
}
