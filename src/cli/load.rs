//! `shopscore load`: a file of events through the same door as HTTP.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use indicatif::ProgressBar;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::{JoinHandle, JoinSet};

use super::maintain::bar_style;
use super::open::{Opened, open_checked};
use super::settings::{Cli, CommandError};
use crate::domain::event::Relay;
use crate::domain::parse::Envelope;
use crate::ingest::door::{Acceptance, ReadEvent, is_utf16, read_event, without_mark};
use crate::ingest::queue::IngestQueue;
use crate::ingest::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::storage::private::Sharing;

/// Events of one request to the writers.
const BATCH_EVENTS: usize = 4_000;
/// Bytes after which a request is closed.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Batches on their way at a time: one is read and parsed while others are written.
const BATCHES_UNDER_WAY: usize = 4;
/// Rejected lines that are shown.
const REJECTIONS_SHOWN: usize = 10;
/// How long a batch is sent again while the database is unavailable.
const RETRY_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Totals {
    accepted: u64,
    duplicates: u64,
    conflicts: u64,
    rejected: u64,
}

pub(super) async fn load(cli: &Cli, file: &Path) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let result = load_into(&opened, file).await;
    opened.close().await;
    let (totals, elapsed) = result?;
    let events = totals.accepted + totals.duplicates + totals.conflicts + totals.rejected;
    println!(
        "{events} events in {:.1} s ({:.0}/s): {} accepted, {} duplicates, {} conflicts, {} rejected",
        elapsed.as_secs_f64(),
        events as f64 / elapsed.as_secs_f64().max(0.001),
        totals.accepted,
        totals.duplicates,
        totals.conflicts,
        totals.rejected
    );
    Ok(if totals.rejected + totals.conflicts == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn load_into(opened: &Opened, file: &Path) -> Result<(Totals, Duration), CommandError> {
    let mut writers = JoinSet::new();
    let queue = IngestQueue::start(&opened.context, &mut writers);
    let began = Instant::now();
    let totals = if file == Path::new("-") {
        load_lines(opened, &queue, tokio::io::stdin(), None).await?
    } else {
        let explain = |error| format!("cannot read {}: {error}", file.display());
        let opened_file = tokio::fs::File::open(file).await.map_err(explain)?;
        let bytes = opened_file.metadata().await.map_err(explain)?.len();
        load_lines(opened, &queue, opened_file, Some(bytes)).await?
    };
    let elapsed = began.elapsed();
    drop(queue);
    while writers.join_next().await.is_some() {}
    Ok((totals, elapsed))
}

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// The lines of a source, decompressed and without a byte order mark. What cannot be lines of events is refused as a whole,
/// before anything is stored.
async fn lines_of<'a>(
    source: impl AsyncRead + Send + Unpin + 'a,
) -> Result<Pin<Box<dyn AsyncBufRead + Send + 'a>>, CommandError> {
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, source);
    let beginning = raw.fill_buf().await?;
    let mut text: Pin<Box<dyn AsyncBufRead + Send + 'a>> = if beginning.starts_with(&[0x1F, 0x8B]) {
        let mut decoder = GzipDecoder::new(raw);
        decoder.multiple_members(true);
        Box::pin(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else if beginning.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        let mut decoder = ZstdDecoder::new(raw);
        decoder.multiple_members(true);
        Box::pin(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else {
        Box::pin(raw)
    };
    let beginning = text.fill_buf().await?;
    if is_utf16(beginning) {
        return Err("the file is UTF-16; save it as UTF-8".into());
    }
    let unmarked = without_mark(beginning);
    if unmarked.trim_ascii_start().starts_with(b"[") {
        return Err("the file holds a JSON array; load takes one event a line".into());
    }
    let mark_bytes = beginning.len() - unmarked.len();
    text.as_mut().consume(mark_bytes);
    Ok(text)
}

async fn load_lines(
    opened: &Opened,
    queue: &IngestQueue,
    source: impl AsyncRead + Send + Unpin,
    bytes: Option<u64>,
) -> Result<Totals, CommandError> {
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(bar_style("bytes"));
    let mut lines = lines_of(bar.wrap_async_read(source)).await?;
    let (mut totals, mut line, mut number, mut batch_bytes) = (Totals::default(), Vec::new(), 0_u64, 0_usize);
    let mut batch: Vec<(u64, Vec<u8>)> = Vec::with_capacity(BATCH_EVENTS);
    let mut under_way: VecDeque<JoinHandle<Result<Written, Unavailable>>> = VecDeque::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).await?;
        if read > 0 {
            number += 1;
            if !line.trim_ascii().is_empty() {
                batch_bytes += read;
                batch.push((number, std::mem::take(&mut line)));
            }
        }
        if batch.len() >= BATCH_EVENTS || batch_bytes >= BATCH_BYTES || (read == 0 && !batch.is_empty()) {
            batch_bytes = 0;
            let parcel = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_EVENTS));
            let acceptance = Acceptance::of(&opened.context);
            under_way.push_back(tokio::spawn(write(queue.clone(), parcel, acceptance)));
        }
        while under_way.len() >= BATCHES_UNDER_WAY || (read == 0 && !under_way.is_empty()) {
            if let Some(oldest) = under_way.pop_front() {
                totals.add(oldest.await??, &bar);
            }
        }
        if read == 0 {
            bar.finish_and_clear();
            return Ok(totals);
        }
    }
}

/// What became of one batch: outcomes of what could be read, and lines that could not.
struct Written {
    outcomes: Vec<(u64, Outcome)>,
    unreadable: Vec<(u64, String)>,
}

async fn write(queue: IngestQueue, lines: Vec<(u64, Vec<u8>)>, acceptance: Acceptance) -> Result<Written, Unavailable> {
    let (mut numbers, mut events, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in lines {
        match read_event(line.trim_ascii(), Envelope::Native, &acceptance) {
            Ok(ReadEvent { event, .. }) => {
                numbers.push(number);
                events.push(SentEvent { event, key_id: None, relay: Relay::Everything, is_strict: false });
            }
            Err(rejected) => {
                let faults: Vec<String> = rejected
                    .faults
                    .iter()
                    .map(|fault| format!("{} {}", fault.pointer, fault.detail).trim().to_owned())
                    .collect();
                unreadable.push((number, faults.join("; ")));
            }
        }
    }
    let deadline = Instant::now() + RETRY_FOR;
    loop {
        match queue.write(events.clone(), Atomicity::EachAlone).await {
            Ok(outcomes) => return Ok(Written { outcomes: numbers.into_iter().zip(outcomes).collect(), unreadable }),
            Err(Unavailable) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(unavailable) => return Err(unavailable),
        }
    }
}

impl Totals {
    fn add(&mut self, written: Written, bar: &ProgressBar) {
        for (number, fault) in written.unreadable {
            self.reject(number, &fault, bar);
        }
        for (number, outcome) in written.outcomes {
            match outcome {
                Outcome::Accepted | Outcome::AcceptedWith(_) => self.accepted += 1,
                Outcome::Duplicate => self.duplicates += 1,
                Outcome::Conflict => self.conflicts += 1,
                Outcome::AggregateFull | Outcome::ForbiddenRetraction | Outcome::Doubtful(_) | Outcome::Refused => {
                    let fault = outcome.fault().map(|fault| fault.detail).unwrap_or_default();
                    self.reject(number, &fault, bar);
                }
            }
        }
    }

    fn reject(&mut self, number: u64, fault: &str, bar: &ProgressBar) {
        self.rejected += 1;
        if self.rejected <= REJECTIONS_SHOWN as u64 {
            bar.suspend(|| eprintln!("line {number}: {fault}"));
        }
    }
}
