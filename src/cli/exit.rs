//! How a command ends: statuses that scripts can tell apart, and what is said of a failure.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::context::StartError;
use crate::storage::StoreError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Done = 0,
    /// It did what it was asked to, and not all is well.
    Findings = 1,
    /// Its arguments or settings are wrong; clap ends with the same number.
    Usage = 2,
    /// What it was given to read is not there, or not what it takes.
    Input = 3,
    /// The database or the service does not answer.
    Unreachable = 4,
    Failed = 5,
    /// By Ctrl-C or SIGTERM.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// What `--help` says of statuses.
pub(super) const LEGEND: &str = "\
Exit status:
  0    done
  1    done, but not all is well: events were rejected or are conflicts, counts differ, a run failed, the service is not ready
  2    the arguments or settings are wrong
  3    a file cannot be read or is not what it should be, the service refuses what was sent, or no key has the id
  4    the database or the service does not answer
  5    anything else, such as a database with the schema of another version
  130  interrupted; running the same command again is safe";

/// Why a command failed, in words for its user. It is made from any other error; that is why it is none itself.
#[derive(Debug)]
pub struct CommandError {
    pub status: Status,
    message: String,
}

impl CommandError {
    pub(super) fn new(status: Status, message: impl Into<String>) -> CommandError {
        CommandError { status, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> CommandError {
        CommandError::new(Status::Usage, message)
    }

    pub(super) fn input(message: impl Into<String>) -> CommandError {
        CommandError::new(Status::Input, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> CommandError {
        CommandError::new(Status::Failed, message)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for CommandError {
    fn from(error: E) -> CommandError {
        let status = status_of(&error);
        let mut message = error.to_string();
        // A cause that the error does not name itself.
        if let Some(cause) = error.source().map(ToString::to_string).filter(|cause| !message.contains(cause.as_str())) {
            message = format!("{message}: {cause}");
        }
        CommandError { status, message }
    }
}

fn status_of(error: &dyn Any) -> Status {
    let store = error.downcast_ref::<StoreError>().or_else(|| match error.downcast_ref::<StartError>() {
        Some(StartError::Store(error)) => Some(error),
        _ => None,
    });
    let is_away = store.is_some_and(StoreError::is_passing)
        || error.is::<sqlx::Error>()
        || error.is::<crate::ingest::Unavailable>();
    // Settings that the data were not counted with.
    let is_mismatch = matches!(error.downcast_ref::<StartError>(), Some(StartError::Counts(_)));
    match (is_away, is_mismatch) {
        (true, _) => Status::Unreachable,
        (false, true) => Status::Usage,
        (false, false) => Status::Failed,
    }
}
