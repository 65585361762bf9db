//! The write side: everything that changes ground truth, and the counts with it, in one transaction.
//!
//! [`queue`] takes requests in, bounded; [`dispatch`] shares what waits among the writers; [`writer`] stores a group of
//! events; [`group`] decides what one transaction holds and what happens when it fails, [`retry`] when it is tried
//! again; [`recent`] remembers what was stored lately; [`ledger`] writes exclusions and the registry under the same
//! numbering. HTTP status codes are not known here.

pub(crate) mod adjustments;
pub(crate) mod apply;
mod arrival;
mod bounds;
pub(crate) mod categories;
pub(crate) mod dispatch;
pub(crate) mod door;
pub(crate) mod group;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod moved;
pub(crate) mod queue;
pub(crate) mod recent;
pub(crate) mod retry;
pub(crate) mod writer;

use std::sync::Arc;

use crate::domain::event::{AGGREGATE_BYTES_MAX, AGGREGATE_EVENTS_MAX, Event, MERCHANTS_EVENTS_MAX, Relay};
use crate::domain::fault::{Code, Fault};

/// An event with who sent it.
#[derive(Clone, Debug)]
pub struct SentEvent {
    /// Shared with what is remembered of its aggregate afterwards.
    pub event: Arc<Event>,
    pub key_id: Option<i32>,
    /// Whose facts the sender may take back.
    pub relay: Relay,
    /// Whether the sender wants an event rejected of which it would be warned.
    pub is_strict: bool,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and counted.
    Accepted,
    /// The same, with what the sender should know.
    AcceptedWith(Vec<Fault>),
    /// Stored before, with the same content.
    Duplicate,
    /// Stored before, with other content, which stays.
    Conflict,
    /// The aggregate holds as many events as it may.
    AggregateFull,
    /// A retraction of what is not its sender's to take back, or is not known yet.
    ForbiddenRetraction,
    /// The sender would be warned of this, and wants no such event stored.
    Doubtful(Fault),
    /// PostgreSQL refused the event.
    Refused,
}

impl Outcome {
    /// What is wrong with an event that could be read and was still not stored.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Outcome::AggregateFull => {
                let detail = format!(
                    "an order, session or product holds at most {AGGREGATE_EVENTS_MAX} events with {} KiB of data; of these \
                     a key without the scope events:relay fills at most {MERCHANTS_EVENTS_MAX} events and half of the data",
                    AGGREGATE_BYTES_MAX / 1024
                );
                Some(Fault::new("", Code::AggregateFull, detail))
            }
            Outcome::ForbiddenRetraction => {
                let detail =
                    "a key without the scope events:relay retracts only stored events that such a key of the shop sent";
                Some(Fault::new("/data/event_id", Code::ForbiddenType, detail))
            }
            Outcome::Refused => Some(Fault::new("", Code::RefusedByStore, "the database cannot store this event")),
            Outcome::Doubtful(fault) => Some(fault.clone()),
            Outcome::Accepted | Outcome::AcceptedWith(_) | Outcome::Duplicate | Outcome::Conflict => None,
        }
    }
}

impl Outcome {
    /// Adds what the sender of an accepted event should know.
    fn add_warning(&mut self, fault: Fault) {
        match self {
            Outcome::AcceptedWith(warnings) => warnings.push(fault),
            Outcome::Accepted => *self = Outcome::AcceptedWith(vec![fault]),
            _ => {}
        }
    }

    pub fn is_accepted(&self) -> bool {
        matches!(self, Outcome::Accepted | Outcome::AcceptedWith(_))
    }
}

/// Whether good events are stored beside ones that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    EachAlone,
    AllOrNothing,
}

/// The database is unavailable or the queue is full; send again later. Nothing is known to be written; sending again is
/// safe.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the database is not available")]
pub struct Unavailable;
