//! The write side: everything that changes ground truth, and the counts with it, in one transaction.
//!
//! [`queue`] takes requests in, bounded; [`writer`] stores a group of events; [`group`] decides what one transaction
//! holds and what happens when it fails; [`ledger`] writes exclusions and the registry under the same numbering.
//! HTTP status codes are not known here.

pub mod apply;
pub mod group;
pub mod ledger;
pub mod queue;
pub mod writer;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::calendar::Calendar;
use crate::domain::event::Event;

/// What writers need besides a connection.
#[derive(Clone, Debug)]
pub struct WriteContext {
    pub calendar: Calendar,
    pub clock: Clock,
}

impl WriteContext {
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// An event with who sent it.
#[derive(Clone, Debug)]
pub struct SentEvent {
    pub event: Event,
    pub key_id: Option<i32>,
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and counted.
    Accepted,
    /// Stored before, with the same content.
    Duplicate,
    /// Stored before, with other content, which stays.
    Conflict,
    /// The aggregate holds as many events as it may.
    AggregateFull,
    /// PostgreSQL refused the event.
    Refused,
}

/// The store is away or the queue is full. Nothing is known to be written; sending again is safe.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the store is not available")]
pub struct Unavailable;
