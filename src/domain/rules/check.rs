//! What checking a rule file gathers: faults with their lines, and the windows that were found good.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::domain::window::Window;

/// Something wrong in a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// Line in the file, from 1.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

pub(super) fn line_of(source: &str, span: &Range<usize>) -> usize {
    source.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

pub(super) struct Checker<'a> {
    pub(super) source: &'a str,
    pub(super) faults: Vec<RuleFault>,
    pub(super) warnings: Vec<RuleFault>,
    /// By name; `None` for those that are not valid, which were told already.
    pub(super) windows: HashMap<String, Option<Window>>,
    /// Whether the text was taken by an earlier version, which let through what [`Checker::flaw`] refuses.
    is_stored: bool,
}

impl<'a> Checker<'a> {
    pub(super) fn new(source: &'a str, is_stored: bool) -> Checker<'a> {
        Checker { source, faults: Vec::new(), warnings: Vec::new(), windows: HashMap::new(), is_stored }
    }

    /// Notes what earlier versions let through: a fault of a new text, a warning of a stored one.
    pub(super) fn flaw(&mut self, span: Range<usize>, message: impl Into<String>) {
        if self.is_stored {
            self.warn(span, message);
        } else {
            self.fault::<()>(span, message);
        }
    }

    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Into<String>) {
        let line = line_of(self.source, &span);
        self.warnings.push(RuleFault { line, message: message.into() });
    }

    pub(super) fn fault<T>(&mut self, span: Range<usize>, message: impl Into<String>) -> Option<T> {
        let line = line_of(self.source, &span);
        self.faults.push(RuleFault { line, message: message.into() });
        None
    }
}
