//! Closed-loop load: so many connections, each of which sends its next request as soon as it has the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Outcome;
use super::client::Client;

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// When every request was sent once.
    Once,
    /// The same, or after this time.
    OnceWithin(Duration),
    /// After this time; the requests are sent over and over.
    Repeat(Duration),
}

pub struct Load {
    pub requests: Vec<Vec<u8>>,
    pub connections: usize,
    /// Any other status ends the bench.
    pub statuses: &'static [u16],
    pub length: Length,
}

/// What a load measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub requests: usize,
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Load {
    pub async fn run(self, address: &str) -> Outcome<Measured> {
        let mut clients = Vec::new();
        for _ in 0..self.connections {
            clients.push(Client::connect(address).await?);
        }
        let (load, next) = (Arc::new(self), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let mut senders = tokio::task::JoinSet::new();
        for client in clients {
            senders.spawn(keep_sending(client, Arc::clone(&load), Arc::clone(&next), began));
        }
        let mut latencies = Vec::new();
        while let Some(done) = senders.join_next().await {
            latencies.extend(done??);
        }
        let per_second = latencies.len() as f64 / began.elapsed().as_secs_f64();
        latencies.sort_unstable();
        Ok(Measured {
            requests: latencies.len(),
            per_second,
            p50: percentile(&latencies, 0.5),
            p99: percentile(&latencies, 0.99),
        })
    }

    fn request(&self, number: usize) -> Option<&[u8]> {
        let place = match self.length {
            Length::Repeat(_) => number % self.requests.len().max(1),
            Length::Once | Length::OnceWithin(_) => number,
        };
        self.requests.get(place).map(Vec::as_slice)
    }
}

async fn keep_sending(
    mut client: Client,
    load: Arc<Load>,
    next: Arc<AtomicUsize>,
    began: Instant,
) -> Outcome<Vec<Duration>> {
    let deadline = match load.length {
        Length::Once => None,
        Length::OnceWithin(time) | Length::Repeat(time) => Some(began + time),
    };
    let mut latencies = Vec::new();
    loop {
        let sent = Instant::now();
        if deadline.is_some_and(|deadline| sent >= deadline) {
            return Ok(latencies);
        }
        let Some(request) = load.request(next.fetch_add(1, Ordering::Relaxed)) else {
            return Ok(latencies);
        };
        client.send(request).await?.of_status(load.statuses)?;
        latencies.push(sent.elapsed());
    }
}

/// The value below which this share of the sorted values lies.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
