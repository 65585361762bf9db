//! `shopscore demo`: a believable marketplace on a private server, scored and shown.

mod market;
mod shops;
mod show;
mod trade;

use std::process::ExitCode;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::client;
use super::exit::{CommandError, Status};
use super::open::open_migrated;
use super::progress::{Progress, Voice};
use super::report::say;
use super::serve::{bind, interrupted};
use super::settings::{Cli, DemoSettings};
use super::transfer::send::is_passing;
use crate::config::Auth;
use crate::context::Context;
use crate::service::{Keys, Service};
use crate::storage::private::Sharing;
use market::{Market, MarketPlan};

/// Events of one request.
const BATCH_EVENTS: usize = 4_000;
/// Dates that are scored, so that histories and changes have something to show.
const DATES: u64 = 30;
/// Requests on their way at a time.
const CONNECTIONS: usize = 4;

pub(super) async fn demo(cli: &Cli, settings: &DemoSettings) -> Result<ExitCode, CommandError> {
    if !cli.listening.listen.ip().is_loopback() {
        return Err(CommandError::usage("the demo is for this machine only: listen on a loopback address"));
    }
    let mut cli = cli.clone();
    cli.listening.auth = Some(Auth::Off);
    // The demo never touches data of a real service: its state lives in a directory of its own and goes with it.
    let directory = std::env::temp_dir().join(format!("shopscore-demo-{}", std::process::id()));
    cli.database.database_url = None;
    cli.database.state_dir = Some(directory.clone());
    let result = show_market(&cli, settings).await;
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        tracing::warn!(%error, directory = %directory.display(), "the demo's state could not be removed");
    }
    result
}

async fn show_market(cli: &Cli, settings: &DemoSettings) -> Result<ExitCode, CommandError> {
    say("starting a private PostgreSQL and the service ...");
    let opened = open_migrated(cli, Sharing::Exclusive).await?;
    let result = async {
        let listener = bind(&cli.listening)?;
        let service = Service::start(&opened.context, listener, Keys::NotAsked, cli.limits.clone(), Vec::new()).await?;
        say(format_args!("the dashboard is at http://{}/ and fills while you look\n", service.address));
        let shown = fill_and_show(&service, &opened.context, settings, cli.voice()).await;
        if shown.is_ok() && !settings.exit {
            say("\nThe service stays up; Ctrl-C ends it and removes the demo's data.");
            interrupted()?.await;
        }
        service.stop().await;
        shown
    };
    let result = result.await;
    opened.close().await;
    result.map(|()| Status::Done.into())
}

async fn fill_and_show(
    service: &Service,
    context: &Context,
    settings: &DemoSettings,
    voice: Voice,
) -> Result<(), CommandError> {
    let today = context.today();
    let plan = MarketPlan { seed: settings.seed, shops: settings.shops, today, zone: context.calendar().zone() };
    let market = Market::generate(&plan);
    let base = format!("http://{}", service.address);
    let client = client::builder().build()?;
    for (kind, body) in [("shops", json!({"shops": market.shops})), ("creators", json!({"creators": market.creators}))]
    {
        let answer = client.post(format!("{base}/v1/{kind}:batch")).json(&body).send().await?;
        answer.error_for_status()?;
    }
    say(format_args!(
        "loading {} events of {} shops and {} creators over HTTP ...",
        market.events.len(),
        market.shops.len(),
        market.creators.len()
    ));
    load(&client, &base, &market.events, voice).await?;
    say(format_args!("scoring {DATES} dates ..."));
    for back in (0..DATES).rev() {
        run(&client, &base, today - Days::new(back)).await?;
    }
    show::show(&client, &base, &market).await?;
    show::tell_stories(&client, &base).await?;
    if !settings.exit {
        show::invite(&base);
    }
    Ok(())
}

/// Computes the scores of a date, and waits until they are published.
async fn run(client: &reqwest::Client, base: &str, date: NaiveDate) -> Result<(), CommandError> {
    let answer = client.post(format!("{base}/v1/runs")).json(&json!({"date": date, "reason": "demo"})).send().await?;
    let mut run: Value = answer.error_for_status()?.json().await?;
    let address = format!("{base}/v1/runs/{}", run["run_id"].as_str().unwrap_or_default());
    while !matches!(run["state"].as_str(), Some("published" | "failed")) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        run = client.get(&address).send().await?.error_for_status()?.json().await?;
    }
    if run["state"] == "failed" {
        return Err(CommandError::failed(format!("the run of {date} failed: {}", run["error"])));
    }
    Ok(())
}

/// How often a batch is sent at most, and how long apart.
const ATTEMPTS: usize = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Sends a batch, again where the service is too busy: what it stored already, it stores no second time.
async fn deliver(request: reqwest::RequestBuilder) -> Result<Value, reqwest::Error> {
    for again in (0..ATTEMPTS - 1).filter_map(|_| request.try_clone()) {
        let answer = again.send().await?;
        if !is_passing(answer.status().as_u16()) {
            return answer.error_for_status()?.json().await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    request.send().await?.error_for_status()?.json().await
}

/// Posts all events, a few requests at a time.
async fn load(client: &reqwest::Client, base: &str, events: &[String], voice: Voice) -> Result<(), CommandError> {
    let progress = Progress::new("events", Some(events.len() as u64), voice);
    let began = std::time::Instant::now();
    let mut under_way = tokio::task::JoinSet::new();
    let (mut accepted, mut answered) = (0, 0);
    let mut batches = events.chunks(BATCH_EVENTS);
    loop {
        while under_way.len() < CONNECTIONS {
            let Some(batch) = batches.next() else { break };
            let request = client.post(format!("{base}/v1/events")).header("content-type", "application/x-ndjson");
            let request = request.body(batch.join("\n"));
            under_way.spawn(deliver(request));
        }
        let Some(answer) = under_way.join_next().await else { break };
        let answer = answer??;
        let stored = answer["accepted"].as_u64().unwrap_or_default();
        let listed = answer["results"].as_array().map_or(0, Vec::len) as u64;
        accepted += stored;
        answered += stored + listed;
        progress.set(answered, answered, "");
    }
    progress.finish();
    let seconds = began.elapsed().as_secs_f64();
    let rate = accepted as f64 / seconds;
    say(format_args!("{accepted} events accepted in {seconds:.1} s, {rate:.0} a second"));
    Ok(())
}
