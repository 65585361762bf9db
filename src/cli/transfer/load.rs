//! `shopscore load`: a file of events straight into the database, through the same door as HTTP.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::input::{EventText, Input, Item, ParcelSize};
use super::rejects::{Complaint, Rejects};
use super::settings::TransferSettings;
use super::{Fate, Fates, Reading, Sink, Summary, transfer};
use crate::cli::exit::CommandError;
use crate::cli::open::open_checked;
use crate::cli::settings::Cli;
use crate::context::Context;
use crate::domain::event::Relay;
use crate::domain::fault::Fault;
use crate::domain::parse::Envelope;
use crate::ingest::door::{Acceptance, ReadEvent, read_event};
use crate::ingest::queue::IngestQueue;
use crate::ingest::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::storage::private::Sharing;

/// How much is written together.
pub(super) const SIZE: ParcelSize = ParcelSize { items: 4_000, bytes: 8 * 1024 * 1024 };
/// How long a parcel is sent again while the database is unavailable, and the pause between.
const RETRY_FOR: Duration = Duration::from_secs(60);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn load(cli: &Cli, settings: &TransferSettings) -> Result<ExitCode, CommandError> {
    let TransferSettings { file, from, .. } = settings;
    let input = Input::of_events(file, *from, SIZE)?;
    let reading = Reading { input, from: *from, rejects: Rejects::open(settings)? };
    let (summary, ended) = into_database(cli, reading, |database| database).await?;
    summary.conclude(ended, cli.form())
}

/// Opens the database and reads into it what is to be read, by a sink on it.
pub(super) async fn into_database<S: Sink>(
    cli: &Cli,
    reading: Reading<S::Content>,
    sink: impl FnOnce(Database) -> S,
) -> Result<(Summary, Option<CommandError>), CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let mut writers = JoinSet::new();
    let queue = IngestQueue::start(&opened.context, &mut writers);
    let database = Database { queue, context: opened.context.clone() };
    let result = transfer(sink(database), reading, cli.voice()).await;
    while writers.join_next().await.is_some() {}
    opened.close().await;
    result
}

/// The database itself.
#[derive(Clone)]
pub(super) struct Database {
    queue: IngestQueue,
    context: Context,
}

impl Sink for Database {
    type Content = EventText;

    async fn store(&self, items: &[Item<EventText>]) -> Result<Vec<Fates>, CommandError> {
        let acceptance = self.acceptance();
        let read = |item: &Item<EventText>| {
            let read = read_event(&item.content, Envelope::Native, &acceptance);
            vec![read.map_err(|rejected| complaints(&rejected.faults))]
        };
        self.write(items.iter().map(read).collect()).await
    }
}

/// An event that an item makes, or what is wrong with it.
pub(super) type Made = Result<ReadEvent, Vec<Complaint>>;

impl Database {
    /// What is accepted now.
    pub(super) fn acceptance(&self) -> Acceptance {
        Acceptance::of(&self.context)
    }

    /// Writes the events that items make. Returns what became of them, item by item.
    pub(super) async fn write(&self, made: Vec<Vec<Made>>) -> Result<Vec<Fates>, CommandError> {
        let sent = |read: &ReadEvent| SentEvent {
            event: Arc::clone(&read.event),
            key_id: None,
            relay: Relay::Everything,
            is_strict: false,
        };
        let events = made.iter().flatten().filter_map(|made| made.as_ref().ok().map(sent)).collect();
        let mut outcomes = self.write_events(events).await?.into_iter();
        let mut fate = |made: Made| match made {
            Ok(ReadEvent { warnings, .. }) => {
                outcomes.next().map_or(Fate::Rejected(Vec::new()), |outcome| fate_of(&outcome, &warnings))
            }
            Err(complaints) => Fate::Rejected(complaints),
        };
        Ok(made.into_iter().map(|of_item| of_item.into_iter().map(&mut fate).collect()).collect())
    }

    async fn write_events(&self, events: Vec<SentEvent>) -> Result<Vec<Outcome>, CommandError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + RETRY_FOR;
        loop {
            match self.queue.write(events.clone(), Atomicity::EachAlone).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(Unavailable) if Instant::now() < deadline => tokio::time::sleep(RETRY_PAUSE).await,
                Err(unavailable) => return Err(unavailable.into()),
            }
        }
    }
}

pub(super) fn complaints(faults: &[Fault]) -> Vec<Complaint> {
    faults.iter().map(Complaint::from).collect()
}

/// `warnings` are those of the event itself.
fn fate_of(outcome: &Outcome, warnings: &[Fault]) -> Fate {
    match outcome {
        Outcome::Accepted => Fate::Accepted(complaints(warnings)),
        Outcome::AcceptedWith(more) => Fate::Accepted(complaints(&[warnings, more].concat())),
        Outcome::Duplicate => Fate::Duplicate,
        Outcome::Conflict => Fate::Conflict,
        Outcome::AggregateFull | Outcome::ForbiddenRetraction | Outcome::Doubtful(_) | Outcome::Refused => {
            Fate::Rejected(outcome.fault().iter().map(Complaint::from).collect())
        }
    }
}
