//! What sent events are answered with.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::fault::Fault;
use crate::http::problem::FieldError;
use crate::http::terms::{CodeTerm, ListedOutcome, RefusedTerm, StoredTerm, Term};
use crate::ingest::Outcome;

/// The most warnings of one answer.
const WARNINGS_MAX: usize = 1_000;

/// The outcome of a batch.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct BatchAnswer {
    /// Stored and counted.
    pub accepted: usize,
    /// Already stored, with the same content.
    pub duplicates: usize,
    /// Already stored, with different content; the stored content stays.
    pub conflicts: usize,
    pub rejected: usize,
    /// The events that were not accepted, in order.
    pub results: Vec<EventResult>,
    /// What to know of events that were accepted, at most 1,000 warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<EventWarning>,
    /// True where nothing was stored because the request says `dry_run=true`; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What to know of an event that was accepted.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventWarning {
    /// Place in the request, from 0; absent where a single event is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Stable code for the kind of warning.
    pub code: CodeTerm,
    /// JSON pointer to the member.
    pub pointer: String,
    pub detail: String,
}

impl EventWarning {
    pub(super) fn of(index: Option<usize>, fault: &Fault) -> EventWarning {
        let Fault { pointer, code, detail } = fault.clone();
        EventWarning { index, code: Term(code), pointer, detail }
    }
}

/// The outcome of one event of a batch.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventResult {
    /// Place in the request, from 0; blank lines are not counted.
    pub index: usize,
    /// The event's id, where it could be read.
    #[schema(required)]
    pub id: Option<String>,
    pub outcome: RefusedTerm,
    /// Stable code for the first fault of a rejected event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeTerm>,
    /// JSON pointer to the first fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// All faults, where there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// The outcome of a single event.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    pub id: String,
    pub outcome: StoredTerm,
    /// What to know of the event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<EventWarning>,
    /// True where nothing was stored because the request says `dry_run=true`; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// What events are answered with: a batch with its counts, a single event with its outcome.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes the answer; handlers write its two shapes")]
pub(crate) enum EventsAnswer {
    Batch(BatchAnswer),
    Single(EventAnswer),
}

impl BatchAnswer {
    /// `warnings` are those of the event itself.
    pub(super) fn note(&mut self, index: usize, id: String, outcome: &Outcome, warnings: &[Fault]) {
        if outcome.is_accepted() {
            self.warn(index, warnings);
        }
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::AcceptedWith(more) => {
                self.accepted += 1;
                self.warn(index, more);
            }
            Outcome::Duplicate => {
                self.duplicates += 1;
                self.results.push(EventResult::plain(index, id, ListedOutcome::Duplicate));
            }
            Outcome::Conflict => {
                self.conflicts += 1;
                self.results.push(EventResult::plain(index, id, ListedOutcome::Conflict));
            }
            Outcome::AggregateFull | Outcome::ForbiddenRetraction | Outcome::Doubtful(_) | Outcome::Refused => {
                let faults: Vec<Fault> = outcome.fault().into_iter().collect();
                self.reject(index, Some(id), &faults);
            }
        }
    }

    fn warn(&mut self, index: usize, faults: &[Fault]) {
        let room = WARNINGS_MAX.saturating_sub(self.warnings.len());
        self.warnings.extend(faults.iter().take(room).map(|fault| EventWarning::of(Some(index), fault)));
    }

    pub(super) fn reject(&mut self, index: usize, id: Option<String>, faults: &[Fault]) {
        self.rejected += 1;
        let first = faults.first();
        self.results.push(EventResult {
            index,
            id,
            outcome: Term(ListedOutcome::Rejected),
            code: first.map(|fault| Term(fault.code)),
            pointer: first.map(|fault| fault.pointer.clone()),
            detail: first.map(|fault| fault.detail.clone()),
            errors: if faults.len() > 1 { faults.iter().map(FieldError::from).collect() } else { Vec::new() },
        });
    }
}

impl EventResult {
    fn plain(index: usize, id: String, outcome: ListedOutcome) -> EventResult {
        let (code, pointer, detail) = (None, None, None);
        EventResult { index, id: Some(id), outcome: Term(outcome), code, pointer, detail, errors: Vec::new() }
    }
}
