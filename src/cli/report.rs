//! What commands print. Nobody may be reading any more (`shopscore … | head`); that is no reason to stop.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;

use serde::Serialize;

/// Why a result could not be printed, if that is so: a full disk, not a reader that is gone.
static UNPRINTED: OnceLock<String> = OnceLock::new();

/// Why a result could not be printed, if that is so.
pub(super) fn unprinted() -> Option<&'static str> {
    note(io::stdout().flush());
    UNPRINTED.get().map(String::as_str)
}

fn note(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => drop(UNPRINTED.set(error.to_string())),
        _ => {}
    }
}

/// Prints a line of a result to standard output.
pub(super) fn say(line: impl Display) {
    note(writeln!(io::stdout(), "{line}"));
}

/// Prints a line for people to standard error.
pub(super) fn tell(line: impl Display) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints text that has its line ends to standard output.
pub(super) fn print(text: impl Display) {
    note(write!(io::stdout(), "{text}"));
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// One JSON object.
    Json,
}

/// Prints the result of a command.
pub(super) fn show<R: Serialize + Display>(result: &R, form: Form) {
    match form {
        Form::Text => say(result),
        Form::Json => say(serde_json::to_string(result).unwrap_or_default()),
    }
}
