//! What became of events that were not stored, or of which their sender should know something.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input::Item;
use crate::cli::exit::CommandError;
use crate::cli::progress::Progress;
use crate::cli::settings::TransferSettings;
use crate::domain::fault::Fault;

/// Rejections that are shown, and different warnings of each kind.
const SHOWN: u64 = 10;
const SHOWN_OF_KIND: u64 = 3;

/// One thing that is wrong with an event.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub(crate) struct Complaint {
    pub code: String,
    /// JSON pointer into the event.
    pub pointer: String,
    pub detail: String,
}

impl From<&Fault> for Complaint {
    fn from(fault: &Fault) -> Complaint {
        let Fault { pointer, code, detail } = fault;
        Complaint { code: code.to_string(), pointer: pointer.clone(), detail: detail.clone() }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let space = if self.pointer.is_empty() { "" } else { " " };
        write!(formatter, "{}{space}{}", self.pointer, self.detail)
    }
}

/// One line of the file of rejections.
#[derive(Serialize)]
struct Reject<'a> {
    number: u64,
    errors: &'a [Complaint],
    /// The event as it was read.
    event: std::borrow::Cow<'a, str>,
}

/// Where rejections go: the first few are shown, and all are written to a file, if one is wanted.
pub(crate) struct Rejects {
    file: Option<(PathBuf, BufWriter<File>)>,
    rejected: u64,
    /// Warnings by their code: how many, and how many different ones are shown.
    warnings: BTreeMap<String, (u64, u64)>,
    /// What was warned of before: the same is shown once.
    said: HashSet<String>,
}

impl Rejects {
    /// Opens the file, if one is wanted. What goes on after an earlier part adds to what that left there.
    pub(crate) fn open(settings: &TransferSettings) -> Result<Rejects, CommandError> {
        let input = &settings.file;
        let goes_on = settings.from > 1;
        let open = |path: &Path| {
            if path.canonicalize().is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path)) {
                return Err(CommandError::usage("--rejects would overwrite the file that is read; choose another one"));
            }
            let created = File::options().create(true).write(true).append(goes_on).truncate(!goes_on).open(path);
            let created = created.map_err(unwritable(path))?;
            Ok((path.to_owned(), BufWriter::new(created)))
        };
        Ok(Rejects {
            file: settings.rejects.as_deref().map(open).transpose()?,
            rejected: 0,
            warnings: BTreeMap::new(),
            said: HashSet::new(),
        })
    }

    /// Notes an event that was not stored.
    pub(crate) fn reject(
        &mut self,
        item: &Item,
        errors: &[Complaint],
        progress: &Progress,
    ) -> Result<(), CommandError> {
        self.rejected += 1;
        if self.rejected <= SHOWN {
            progress.tell(format_args!("{} {}: {}", item.unit, item.number, joined(errors)));
        }
        if let Some((path, file)) = &mut self.file {
            let reject = Reject { number: item.number, errors, event: String::from_utf8_lossy(&item.text) };
            let line = serde_json::to_string(&reject).unwrap_or_default();
            writeln!(file, "{line}").map_err(unwritable(path))?;
        }
        Ok(())
    }

    /// Notes what to know of an event that was stored. Of each kind a few different ones are shown.
    pub(crate) fn warn(&mut self, item: &Item, warnings: &[Complaint], progress: &Progress) {
        for warning in warnings {
            let (all, shown) = self.warnings.entry(warning.code.clone()).or_default();
            *all += 1;
            if *shown < SHOWN_OF_KIND && self.said.insert(warning.detail.clone()) {
                *shown += 1;
                progress.tell(format_args!("{} {}: warning: {warning}", item.unit, item.number));
            }
        }
    }

    /// Writes what is left, and says how much was not shown.
    pub(crate) fn finish(mut self, progress: &Progress) -> Result<(), CommandError> {
        if self.rejected > SHOWN {
            progress.tell(format_args!("… and {} more events were not stored", self.rejected - SHOWN));
        }
        let hidden = self.warnings.iter().filter(|(_, (all, shown))| all > shown);
        let hidden: Vec<String> = hidden.map(|(code, (all, _))| format!("{all} {code}")).collect();
        if !hidden.is_empty() {
            progress.tell(format_args!("warnings in all: {}", hidden.join(", ")));
        }
        if let Some((path, file)) = &mut self.file {
            file.flush().map_err(unwritable(path))?;
            if self.rejected > 0 {
                progress.tell(format_args!("{} has all {} of them with their reasons", path.display(), self.rejected));
            }
        } else if self.rejected > SHOWN {
            progress.tell("--rejects FILE writes all of them with their reasons");
        }
        Ok(())
    }
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> CommandError + '_ {
    move |error| CommandError::input(format!("cannot write {}: {error}", path.display()))
}

fn joined(complaints: &[Complaint]) -> String {
    complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
