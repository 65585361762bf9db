//! What became of events that were not stored, or of which their sender should know something.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::input::{EventText, Item};
use super::settings::TransferSettings;
use crate::cli::exit::CommandError;
use crate::cli::progress::Progress;
use crate::cli::report::{Form, show};
use crate::domain::fault::Fault;

/// What is read, and written again where it is rejected.
pub(crate) trait Content: Send + Sync + 'static {
    /// What is counted while it is read, in the plural.
    const UNIT: &'static str;
    /// Whether it is a row, which may make none, one or more events.
    const IS_ROW: bool;

    /// What the file of rejections has of it, with the end of its line.
    fn reject(&self, number: u64, errors: &[Complaint]) -> Vec<u8>;
}

impl Content for EventText {
    const UNIT: &'static str = "events";
    const IS_ROW: bool = false;

    fn reject(&self, number: u64, errors: &[Complaint]) -> Vec<u8> {
        let line = serde_json::to_string(&Reject { number, errors, event: String::from_utf8_lossy(self) });
        (line.unwrap_or_default() + "\n").into_bytes()
    }
}

/// Rejections that are shown, and different warnings of each kind.
const SHOWN: u64 = 10;
const SHOWN_OF_KIND: u64 = 3;

/// One thing that is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct Complaint {
    pub code: String,
    /// JSON pointer into the event, or the column of a row.
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

/// An item that would be rejected.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(skip)]
    unit: &'static str,
    number: u64,
    errors: &'a [Complaint],
}

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}: {}", self.unit, self.number, joined(self.errors))
    }
}

/// Where rejections go: the first few are shown, and all are written to a file, if one is wanted.
pub(crate) struct Rejects {
    file: Option<RejectsFile>,
    /// Whether all are listed on standard output, and how.
    listing: Option<Form>,
    rejected: u64,
    /// Warnings by their code: how many, and how many different ones are shown.
    warnings: BTreeMap<String, (u64, u64)>,
    /// What was warned of before: the same is shown once.
    said: HashSet<String>,
}

/// The file of rejections.
struct RejectsFile {
    path: PathBuf,
    /// `None`: nothing was rejected yet.
    opened: Option<BufWriter<File>>,
    /// Whether it adds to what an earlier part left there.
    goes_on: bool,
    /// What stands before the first rejection.
    heading: Vec<u8>,
}

impl RejectsFile {
    fn open(&self) -> io::Result<File> {
        File::options().create(true).write(true).append(self.goes_on).truncate(!self.goes_on).open(&self.path)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.opened.is_none() {
            let is_begun = self.goes_on && self.path.exists();
            let mut file = BufWriter::new(self.open()?);
            file.write_all(if is_begun { b"" } else { &self.heading })?;
            self.opened = Some(file);
        }
        self.opened.as_mut().map_or(Ok(()), |file| file.write_all(line))
    }
}

impl Rejects {
    /// Opens the file of a transfer of events, if one is wanted. What goes on after an earlier part adds to what that left there.
    pub(crate) fn open(settings: &TransferSettings) -> Result<Rejects, CommandError> {
        let goes_on = settings.from > 1;
        let mut rejects = Rejects::later(settings.rejects.clone(), &settings.file, goes_on, Vec::new())?;
        if let Some(file) = &mut rejects.file {
            file.opened = Some(BufWriter::new(file.open().map_err(unwritable(&file.path))?));
        }
        Ok(rejects)
    }

    /// The file is written from the first rejection on, after a heading.
    pub(crate) fn later(
        path: Option<PathBuf>,
        input: &Path,
        goes_on: bool,
        heading: Vec<u8>,
    ) -> Result<Rejects, CommandError> {
        let is_input =
            |path: &Path| path.canonicalize().is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path));
        if path.as_deref().is_some_and(is_input) {
            return Err(CommandError::usage("--rejects would overwrite the file that is read; choose another one"));
        }
        let file = path.map(|path| RejectsFile { path, opened: None, goes_on, heading });
        Ok(Rejects { file, listing: None, rejected: 0, warnings: BTreeMap::new(), said: HashSet::new() })
    }

    /// All are listed on standard output, and none is written to a file.
    pub(crate) fn listed(form: Form) -> Rejects {
        Rejects { file: None, listing: Some(form), rejected: 0, warnings: BTreeMap::new(), said: HashSet::new() }
    }

    /// Notes an item of which an event was not stored.
    pub(crate) fn reject<C: Content>(
        &mut self,
        item: &Item<C>,
        errors: &[Complaint],
        progress: &Progress,
    ) -> Result<(), CommandError> {
        self.rejected += 1;
        if let Some(form) = self.listing {
            progress.beside(|| show(&Listed { unit: item.unit, number: item.number, errors }, form));
        } else if self.rejected <= SHOWN {
            progress.tell(format_args!("{} {}: {}", item.unit, item.number, joined(errors)));
        }
        if let Some(file) = &mut self.file {
            file.write(&item.content.reject(item.number, errors)).map_err(unwritable(&file.path))?;
        }
        Ok(())
    }

    /// Notes what to know of events that were stored. Of each kind a few different ones are shown.
    pub(crate) fn warn<C>(&mut self, item: &Item<C>, warnings: &[Complaint], progress: &Progress) {
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
        if self.rejected > SHOWN && self.listing.is_none() {
            progress.tell(format_args!("… and {} more like these", self.rejected - SHOWN));
        }
        let hidden = self.warnings.iter().filter(|(_, (all, shown))| all > shown);
        let hidden: Vec<String> = hidden.map(|(code, (all, _))| format!("{all} {code}")).collect();
        if !hidden.is_empty() {
            progress.tell(format_args!("warnings in all: {}", hidden.join(", ")));
        }
        if let Some(RejectsFile { path, opened, .. }) = &mut self.file {
            opened.as_mut().map_or(Ok(()), BufWriter::flush).map_err(unwritable(path))?;
            if self.rejected > 0 {
                progress.tell(format_args!("{} has all {} of them with their reasons", path.display(), self.rejected));
            }
        } else if self.rejected > SHOWN && self.listing.is_none() {
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
