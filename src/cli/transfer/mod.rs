//! Events from a file to where they are stored: read, sent in parcels, and accounted for.

pub(super) mod import;
pub(super) mod input;
pub(super) mod load;
mod rejects;
pub(super) mod send;
pub(super) mod settings;

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;

use super::exit::{CommandError, Status};
use super::progress::{Progress, Voice};
use super::report::{Form, show, tell};
use super::serve::interrupted;
use input::{Input, Item, Parcel};
use rejects::{Complaint, Content, Rejects};

/// Parcels on their way at a time: one is read while others are written.
const PARCELS_UNDER_WAY: usize = 4;

/// How long an interrupted command waits for what is on its way.
const ARRIVE_MAX: Duration = Duration::from_secs(5);

/// Where events are sent.
pub(super) trait Sink: Clone + Send + Sync + 'static {
    /// What is read: the texts of events, or rows that make some.
    type Content: Content;

    /// Sends the events of items. Returns what became of them, item by item.
    fn store(&self, items: &[Item<Self::Content>]) -> impl Future<Output = Result<Vec<Fates>, CommandError>> + Send;
}

/// What became of the events of an item.
pub(super) type Fates = Vec<Fate>;

/// What became of an event.
pub(super) enum Fate {
    /// Stored, with what to know of it.
    Accepted(Vec<Complaint>),
    Duplicate,
    /// Another event is stored under its id.
    Conflict,
    Rejected(Vec<Complaint>),
}

/// What became of all events.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// Rows of a table, and those that made no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_without_events: Option<u64>,
    pub events: u64,
    pub accepted: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub rejected: u64,
    /// Events that were accepted with warnings.
    pub warned: u64,
    pub seconds: f64,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// The first event that was not sent, where the command broke off.
    pub continue_from: Option<u64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.events as f64 / self.seconds.max(0.001);
        if let (Some(rows), Some(without)) = (self.rows, self.rows_without_events) {
            write!(formatter, "{rows} rows ({without} make no event): ")?;
        }
        write!(formatter, "{} events in {:.1} s ({rate:.0}/s): {} accepted", self.events, self.seconds, self.accepted)?;
        if self.warned > 0 {
            write!(formatter, " ({} with warnings)", self.warned)?;
        }
        write!(
            formatter,
            ", {} duplicates, {} conflicts, {} rejected",
            self.duplicates, self.conflicts, self.rejected
        )?;
        if self.dry_run {
            formatter.write_str("; nothing was stored (dry run)")?;
        }
        match self.continue_from {
            None => Ok(()),
            Some(number) => write!(
                formatter,
                "\nstopped before number {number}: go on with --from {number}, or run the same command again; what is stored \
                 is a duplicate then"
            ),
        }
    }
}

impl Summary {
    /// Counts the events of an item.
    fn count(&mut self, is_row: bool, fates: &Fates) {
        if is_row {
            *self.rows.get_or_insert_default() += 1;
            *self.rows_without_events.get_or_insert_default() += u64::from(fates.is_empty());
        }
        self.events += fates.len() as u64;
        for fate in fates {
            let count = match fate {
                Fate::Accepted(warnings) => {
                    self.warned += u64::from(!warnings.is_empty());
                    &mut self.accepted
                }
                Fate::Duplicate => &mut self.duplicates,
                Fate::Conflict => &mut self.conflicts,
                Fate::Rejected(_) => &mut self.rejected,
            };
            *count += 1;
        }
    }

    /// Shows the summary, and says how a command with it ends.
    fn conclude(&self, ended: Option<CommandError>, form: Form) -> Result<ExitCode, CommandError> {
        if self.events > 0 || self.continue_from.is_some() || ended.is_none() {
            show(self, form);
        }
        if self.events == 0 && ended.is_none() {
            tell(if self.rows.is_some_and(|rows| rows > 0) {
                "no row makes an event: the cells of the map's times are empty, or its conditions hold for none"
            } else {
                "there was no event to send: the file is empty, or ends before the number of --from"
            });
        }
        let status = if self.rejected + self.conflicts == 0 { Status::Done } else { Status::Findings };
        ended.map_or_else(|| Ok(status.into()), Err)
    }
}

/// A parcel on its way.
type UnderWay<C> = JoinHandle<Arrived<C>>;
/// A parcel, and what became of it.
type Arrived<C> = (Parcel<C>, Result<Vec<Fates>, CommandError>);

/// What is to be read.
pub(super) struct Reading<C> {
    pub input: Input<C>,
    /// The number of the first item that is wanted.
    pub from: u64,
    pub rejects: Rejects,
}

/// Sends all events of a file. Ctrl-C, and whatever else ends it early, lets what is on its way arrive.
pub(super) async fn transfer<S: Sink>(
    sink: S,
    reading: Reading<S::Content>,
    voice: Voice,
) -> Result<(Summary, Option<CommandError>), CommandError> {
    let Reading { mut input, from, mut rejects } = reading;
    let progress = Progress::new(S::Content::UNIT, input.bytes, voice);
    let (began, mut summary, mut ended) = (Instant::now(), Summary::default(), None);
    // The number after the last item that is accounted for, and whether one after it failed.
    let (mut next, mut is_broken) = (from, false);
    let mut under_way: VecDeque<UnderWay<S::Content>> = VecDeque::new();
    let mut stopped = pin!(interrupted()?);
    let mut give_up = pin!(tokio::time::sleep(ARRIVE_MAX));
    let (mut is_read, mut is_interrupted) = (false, false);
    while !is_read || !under_way.is_empty() {
        tokio::select! {
            () = &mut stopped, if !is_interrupted => {
                progress.tell("stopping when what is on its way has arrived; press Ctrl-C again to stop at once");
                tokio::spawn(exit_when_interrupted_again());
                ended.get_or_insert(CommandError::new(Status::Interrupted, "interrupted"));
                (is_read, is_interrupted) = (true, true);
                input.parcels.close();
                give_up.as_mut().reset(tokio::time::Instant::now() + ARRIVE_MAX);
            }
            () = &mut give_up, if is_interrupted => {
                // It may arrive, and a repetition finds it.
                under_way.drain(..).for_each(|parcel| parcel.abort());
                is_broken = true;
            }
            parcel = input.parcels.recv(), if !is_read && under_way.len() < PARCELS_UNDER_WAY => match parcel {
                Some(Ok(parcel)) => {
                    let sink = sink.clone();
                    under_way.push_back(tokio::spawn(async move {
                        let stored = sink.store(&parcel.items).await;
                        (parcel, stored)
                    }));
                }
                Some(Err(fault)) => ended = Some(fault),
                None => is_read = true,
            },
            done = oldest(&mut under_way) => {
                under_way.pop_front();
                let (parcel, stored) = done?;
                match stored {
                    // What comes after a failure is stored, and a repetition finds it.
                    Ok(_) if is_broken => {}
                    Ok(fates) => {
                        next = parcel.items.last().map_or(next, |item| item.number + 1);
                        account(&mut summary, &parcel, fates, &mut rejects, &progress)?;
                    }
                    Err(fault) => {
                        ended.get_or_insert(fault);
                        (is_read, is_broken) = (true, true);
                        input.parcels.close();
                    }
                }
            }
        }
    }
    summary.continue_from = (is_interrupted || is_broken).then_some(next);
    summary.seconds = began.elapsed().as_secs_f64();
    rejects.finish(&progress)?;
    progress.finish();
    Ok((summary, ended))
}

/// Waits for the parcel that was sent first, if one is on its way.
async fn oldest<C>(under_way: &mut VecDeque<UnderWay<C>>) -> Result<Arrived<C>, tokio::task::JoinError> {
    match under_way.front_mut() {
        Some(first) => first.await,
        None => std::future::pending().await,
    }
}

async fn exit_when_interrupted_again() {
    if let Ok(again) = interrupted() {
        again.await;
        tell("stopped at once; what was on its way may be stored, and running the same command again is safe");
        std::process::exit(Status::Interrupted as i32);
    }
}

fn account<C: Content>(
    summary: &mut Summary,
    parcel: &Parcel<C>,
    fates: Vec<Fates>,
    rejects: &mut Rejects,
    progress: &Progress,
) -> Result<(), CommandError> {
    for (item, fates) in parcel.items.iter().zip(fates) {
        summary.count(C::IS_ROW, &fates);
        let (mut warnings, mut errors) = (Vec::new(), Vec::new());
        for fate in fates {
            match fate {
                Fate::Accepted(of_event) => warnings.extend(of_event),
                Fate::Duplicate => {}
                Fate::Conflict => {
                    let detail = "an event with other content is stored under this id".to_owned();
                    errors.push(Complaint { code: "conflict".to_owned(), pointer: "/id".to_owned(), detail });
                }
                Fate::Rejected(of_event) => errors.extend(of_event),
            }
        }
        // Several events may come from the same broken cell.
        errors.dedup();
        rejects.warn(item, &warnings, progress);
        if !errors.is_empty() {
            rejects.reject(item, &errors, progress)?;
        }
    }
    let remark = if summary.rejected > 0 { format!(", {} rejected", summary.rejected) } else { String::new() };
    progress.set(parcel.place, summary.rows.unwrap_or(summary.events), remark);
    Ok(())
}
