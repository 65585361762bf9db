//! What imported tables are answered with.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::connect::table::file::Row;
use crate::connect::table::row::{Absent, RowFault, RowReader};
use crate::domain::event::Event;
use crate::domain::fault::Code;
use crate::http::telemetry::Telemetry;
use crate::ingest::Outcome;

/// The most faults of one answer.
const FAULTS_MAX: usize = 1_000;

/// What one event of a row became before it was written.
pub(super) enum Made {
    Event(Arc<Event>),
    /// At least one.
    Faults(Vec<RowFault>),
}

impl Made {
    /// What is wrong with a row as a whole.
    pub(super) fn of_row(row: &Row) -> Made {
        let detail = row.fault.clone().unwrap_or_default();
        Made::Faults(vec![RowFault { column: None, code: Code::InvalidValue, detail }])
    }
}

/// What became of a table.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct ImportAnswer {
    /// Rows of the table, but for the first and blank ones.
    pub rows: u64,
    /// Rows that make no event: what the map is about has not happened there.
    pub rows_without_events: u64,
    /// Events that the rows make.
    pub events: u64,
    /// Stored and counted.
    pub accepted: u64,
    /// Already stored, with the same content.
    pub duplicates: u64,
    /// Already stored, with different content; the stored content stays.
    pub conflicts: u64,
    pub rejected: u64,
    /// What is wrong, in the order of the rows; at most 1,000.
    pub faults: Vec<ImportFault>,
    /// Types of events that no row makes, since the table lacks a column that the map reads them from.
    pub absent: Vec<AbsentType>,
    /// True where nothing was stored because the request says `dry_run=true`.
    pub dry_run: bool,
    /// How many of each outcome were counted in the figures of the service.
    #[serde(skip)]
    counted: [u64; 4],
}

/// What is wrong with a row.
#[derive(PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ImportFault {
    /// The line that the row begins at, from 1.
    pub line: u64,
    /// Null where it is the row as a whole.
    #[schema(required)]
    pub column: Option<String>,
    /// Stable code, as events have it, or `conflict`.
    pub code: String,
    pub detail: String,
}

/// A type of event that no row makes.
#[derive(Serialize, ToSchema)]
pub(crate) struct AbsentType {
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The table has none of these.
    pub columns: Vec<String>,
}

impl ImportAnswer {
    pub(super) fn new(rows: &RowReader, dry_run: bool) -> ImportAnswer {
        let absent = |Absent { event_type, columns }: &Absent| AbsentType {
            event_type: event_type.as_str(),
            columns: columns.clone(),
        };
        ImportAnswer { absent: rows.absent.iter().map(absent).collect(), dry_run, ..ImportAnswer::default() }
    }

    /// Notes what became of rows. `outcomes` are those of their events, in order.
    pub(super) fn note(&mut self, rows: &[Row], made: Vec<Vec<Made>>, outcomes: Vec<Outcome>) {
        let mut outcomes = outcomes.into_iter();
        for (row, made) in rows.iter().zip(made) {
            self.rows += 1;
            self.rows_without_events += u64::from(made.is_empty());
            for one in made {
                self.events += 1;
                match one {
                    Made::Faults(faults) => self.reject(row, faults),
                    Made::Event(_) => match outcomes.next() {
                        Some(Outcome::Accepted | Outcome::AcceptedWith(_)) => self.accepted += 1,
                        Some(Outcome::Duplicate) => self.duplicates += 1,
                        Some(Outcome::Conflict) => {
                            self.conflicts += 1;
                            let detail = "another event is stored under the id of this one; retract that one, or correct the row";
                            self.fault(row, None, "conflict".to_owned(), detail.to_owned());
                        }
                        Some(refused) => {
                            let fault = refused.fault();
                            let fault =
                                fault.map(|fault| RowFault { column: None, code: fault.code, detail: fault.detail });
                            self.reject(row, fault.into_iter().collect());
                        }
                        None => {}
                    },
                }
            }
        }
    }

    fn reject(&mut self, row: &Row, faults: Vec<RowFault>) {
        self.rejected += 1;
        for RowFault { column, code, detail } in faults {
            self.fault(row, column, code.to_string(), detail);
        }
    }

    fn fault(&mut self, row: &Row, column: Option<String>, code: String, detail: String) {
        let fault = ImportFault { line: row.line, column, code, detail };
        // Several events may read the same broken cell.
        if self.faults.len() < FAULTS_MAX && self.faults.last() != Some(&fault) {
            self.faults.push(fault);
        }
    }

    /// Counts what was not counted yet in the figures of the service.
    pub(super) fn count_new(&mut self, telemetry: &Telemetry) {
        let now = [self.accepted, self.duplicates, self.conflicts, self.rejected];
        for ((outcome, now), before) in
            ["accepted", "duplicate", "conflict", "rejected"].into_iter().zip(now).zip(self.counted)
        {
            telemetry.count_events(outcome, (now - before) as usize);
        }
        self.counted = now;
    }
}
