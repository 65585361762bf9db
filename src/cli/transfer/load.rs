//! `shopscore load`: a file of events straight into the database, through the same door as HTTP.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::input::{Item, ParcelSize};
use super::rejects::Complaint;
use super::{Fate, Sink, transfer};
use crate::cli::exit::CommandError;
use crate::cli::open::open_checked;
use crate::cli::settings::{Cli, TransferSettings};
use crate::context::Context;
use crate::domain::event::Relay;
use crate::domain::fault::Fault;
use crate::domain::parse::Envelope;
use crate::ingest::door::{Acceptance, ReadEvent, read_event};
use crate::ingest::queue::IngestQueue;
use crate::ingest::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::storage::private::Sharing;

/// How long a parcel is sent again while the database is unavailable, and the pause between.
const RETRY_FOR: Duration = Duration::from_secs(60);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn load(cli: &Cli, settings: &TransferSettings) -> Result<ExitCode, CommandError> {
    let opened = open_checked(cli, Sharing::Join).await?;
    let mut writers = JoinSet::new();
    let queue = IngestQueue::start(&opened.context, &mut writers);
    let database = Database { queue, context: opened.context.clone() };
    let result = transfer(database, settings, cli.voice()).await;
    while writers.join_next().await.is_some() {}
    opened.close().await;
    let (summary, ended) = result?;
    summary.conclude(ended, cli.form())
}

/// The database itself.
#[derive(Clone)]
struct Database {
    queue: IngestQueue,
    context: Context,
}

impl Sink for Database {
    const SIZE: ParcelSize = ParcelSize { events: 4_000, bytes: 8 * 1024 * 1024 };

    async fn store(&self, items: &[Item]) -> Result<Vec<Fate>, CommandError> {
        let acceptance = Acceptance::of(&self.context);
        let mut events = Vec::new();
        let mut read = |item: &Item| {
            let ReadEvent { event, warnings, .. } = read_event(&item.text, Envelope::Native, &acceptance)
                .map_err(|rejected| Fate::Rejected(complaints(&rejected.faults)))?;
            events.push(SentEvent { event, key_id: None, relay: Relay::Everything, is_strict: false });
            Ok(warnings)
        };
        let reads: Vec<Result<Vec<Fault>, Fate>> = items.iter().map(&mut read).collect();
        let mut outcomes = self.write(events).await?.into_iter();
        let fate = |read: Result<Vec<Fault>, Fate>| match read {
            Ok(warnings) => outcomes.next().map_or(Fate::Rejected(Vec::new()), |outcome| fate_of(&outcome, &warnings)),
            Err(fate) => fate,
        };
        Ok(reads.into_iter().map(fate).collect())
    }
}

impl Database {
    async fn write(&self, events: Vec<SentEvent>) -> Result<Vec<Outcome>, CommandError> {
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

fn complaints(faults: &[Fault]) -> Vec<Complaint> {
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
