//! `shopscore send`: a file of events to a service, over HTTP and with a key like any sender.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use serde_json::Value;

use super::input::{EventText, Input, Item, ParcelSize};
use super::rejects::{Complaint, Rejects};
use super::settings::{SendSettings, TransferSettings};
use super::{Fate, Fates, Reading, Sink, transfer};
use crate::cli::client;
use crate::cli::exit::{CommandError, Status};
use crate::cli::report::tell;
use crate::cli::settings::Cli;

/// How much is posted together.
const SIZE: ParcelSize = ParcelSize { items: 2_000, bytes: 2 * 1024 * 1024 };
/// How long a service may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// How long a parcel is sent again while the service is away or busy.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// The pause before the first repetition; it doubles up to the most.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(8);

pub(crate) async fn send(cli: &Cli, settings: &SendSettings) -> Result<ExitCode, CommandError> {
    let service = Service::new(settings)?;
    let TransferSettings { file, from, .. } = &settings.transfer;
    let input = Input::of_events(file, *from, SIZE)?;
    let reading = Reading { input, from: *from, rejects: Rejects::open(&settings.transfer)? };
    let (mut summary, ended) = transfer(service, reading, cli.voice()).await?;
    summary.dry_run = settings.dry_run;
    summary.conclude(ended, cli.form())
}

/// A service that takes events.
#[derive(Clone)]
struct Service {
    client: Client,
    /// Where events are posted.
    events: Url,
    key: Option<HeaderValue>,
    /// Whether it was said that the service has to be asked again.
    has_told: Arc<AtomicBool>,
}

/// What the service answers to a batch.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Listed>,
    #[serde(default)]
    warnings: Vec<Indexed>,
}

#[derive(Deserialize)]
struct Listed {
    index: usize,
    outcome: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    detail: String,
    /// All faults, where there is more than one.
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Indexed {
    index: usize,
    #[serde(flatten)]
    complaint: Complaint,
}

impl Service {
    fn new(settings: &SendSettings) -> Result<Service, CommandError> {
        let mut events = client::address(&settings.url)?;
        let key = client::bearer(settings.key.as_deref())?;
        let prefix = events.path().trim_end_matches('/').trim_end_matches("/v1/events").to_owned();
        let path = format!("{prefix}/v1/events");
        events.set_path(&path);
        let asked = [("strict", settings.strict), ("dry_run", settings.dry_run)];
        let asked: Vec<String> =
            asked.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| format!("{name}=true")).collect();
        events.set_query(Some(asked.join("&")).filter(|query| !query.is_empty()).as_deref());
        Ok(Service { client: client::builder().timeout(ANSWER_WAIT).build()?, events, key, has_told: Arc::default() })
    }

    async fn post(&self, body: Vec<u8>) -> reqwest::Result<Response> {
        let mut request = self.client.post(self.events.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        request.send().await
    }

    /// Posts until the service takes the events, refuses them, or was away for too long.
    async fn post_patiently(&self, body: Vec<u8>) -> Result<Answer, CommandError> {
        let deadline = Instant::now() + RETRY_FOR;
        let mut pause = PAUSE_MIN;
        loop {
            let (why, wanted) = match self.post(body.clone()).await {
                Ok(response) if response.status().is_success() => match response.json().await {
                    Ok(answer) => return Ok(answer),
                    Err(error) if error.is_decode() => {
                        let why = "the answer is not the one of a shopscore service";
                        return Err(CommandError::input(format!("{}: {why}", self.events)));
                    }
                    Err(error) => (error.to_string(), None),
                },
                Ok(response) if is_passing(response.status().as_u16()) => {
                    let seconds =
                        response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                    (refusal(response).await, seconds.map(Duration::from_secs))
                }
                Ok(response) => return Err(CommandError::input(refusal(response).await)),
                Err(error) => {
                    let cause = client::root_of(&error);
                    if cause.contains("InvalidContentType") {
                        let why = "does not speak TLS; did you mean http://?";
                        return Err(CommandError::input(format!("{} {why}", self.events)));
                    }
                    (format!("{} does not answer: {cause}", self.events), None)
                }
            };
            let wait = wanted.unwrap_or(pause).min(RETRY_FOR);
            if Instant::now() + wait > deadline {
                return Err(CommandError::new(Status::Unreachable, why));
            }
            if !self.has_told.swap(true, Ordering::Relaxed) {
                tell(format_args!("{why}; trying again for a minute"));
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Whether the same request may succeed a moment later: the service is too busy, or away.
pub(in crate::cli) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// What an answer says that is no success.
async fn refusal(response: Response) -> String {
    let (url, status) = (response.url().clone(), response.status());
    let problem: Value = response.json().await.unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("no detail is given");
    format!("{url} answers {status}: {detail}")
}

impl Sink for Service {
    type Content = EventText;

    async fn store(&self, items: &[Item<EventText>]) -> Result<Vec<Fates>, CommandError> {
        let mut body = Vec::with_capacity(items.iter().map(|item| item.content.len() + 1).sum());
        for item in items {
            // Line ends inside an event of an array are white space.
            body.extend(item.content.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
            body.push(b'\n');
        }
        let Answer { results, warnings } = self.post_patiently(body).await?;
        let mut fates: Vec<Fate> = items.iter().map(|_| Fate::Accepted(Vec::new())).collect();
        for Indexed { index, complaint } in warnings {
            if let Some(Fate::Accepted(of_event)) = fates.get_mut(index) {
                of_event.push(complaint);
            }
        }
        for Listed { index, outcome, code, pointer, detail, errors } in results {
            let Some(fate) = fates.get_mut(index) else { continue };
            *fate = match outcome.as_str() {
                "duplicate" => Fate::Duplicate,
                "conflict" => Fate::Conflict,
                _ if errors.is_empty() => Fate::Rejected(vec![Complaint { code, pointer, detail }]),
                _ => Fate::Rejected(errors),
            };
        }
        Ok(fates.into_iter().map(|fate| vec![fate]).collect())
    }
}
