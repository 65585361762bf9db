//! The write side: everything that changes ground truth, and the counts with it, in one transaction.
//!
//! [`queue`] takes requests in, bounded; [`dispatch`] shares what waits among the writers; [`writer`] stores a group of
//! events; [`group`] decides what one transaction holds and what happens when it fails, [`retry`] when it is tried again;
//! [`recent`] remembers what was stored lately; [`ledger`] writes exclusions and the registry under the same numbering.
//! HTTP status codes are not known here.

pub mod apply;
pub mod dispatch;
pub mod group;
pub mod ledger;
pub mod queue;
pub mod recent;
pub mod retry;
pub mod writer;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::calendar::Calendar;
use crate::domain::event::{Event, Relay};
use crate::domain::subject::Subject;

/// What writers need besides a connection.
#[derive(Clone, Debug)]
pub struct WriteContext {
    pub calendar: Calendar,
    pub clock: Clock,
    pub known: KnownSubjects,
}

impl WriteContext {
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// Subjects that are registered for certain. Registration is for ever, so this only saves asking again.
#[derive(Clone, Debug, Default)]
pub struct KnownSubjects {
    subjects: Arc<Mutex<HashSet<Subject>>>,
}

impl KnownSubjects {
    /// About 10 MB; beyond that the set starts anew.
    const SUBJECTS_MAX: usize = 200_000;

    /// Leaves those that may have to be registered.
    pub fn unknown(&self, subjects: impl Iterator<Item = Subject>) -> BTreeSet<Subject> {
        match self.subjects.lock() {
            Ok(known) => subjects.filter(|subject| !known.contains(subject)).collect(),
            Err(_) => subjects.collect(),
        }
    }

    /// Notes subjects whose registration is committed.
    pub fn note(&self, subjects: BTreeSet<Subject>) {
        if let Ok(mut known) = self.subjects.lock() {
            if known.len() + subjects.len() > Self::SUBJECTS_MAX {
                known.clear();
            }
            known.extend(subjects);
        }
    }
}

/// An event with who sent it.
#[derive(Clone, Debug)]
pub struct SentEvent {
    /// Shared with what is remembered of its aggregate afterwards.
    pub event: Arc<Event>,
    pub key_id: Option<i32>,
    /// Whose facts the sender may take back.
    pub relay: Relay,
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
    /// A retraction of what is not its sender's to take back, or is not known yet.
    ForbiddenRetraction,
    /// PostgreSQL refused the event.
    Refused,
}

/// The store is away or the queue is full. Nothing is known to be written; sending again is safe.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the store is not available")]
pub struct Unavailable;
