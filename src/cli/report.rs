//! What commands print. Nobody may be reading any more (`shopscore … | head`); that is no reason to stop.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

/// Prints a line of a result to standard output.
pub(super) fn say(line: impl Display) {
    // A reader that is gone misses nothing.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line for people to standard error.
pub(super) fn tell(line: impl Display) {
    // As above.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints text that has its line ends to standard output.
pub(super) fn print(text: impl Display) {
    // As above.
    let _ = write!(std::io::stdout(), "{text}");
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
