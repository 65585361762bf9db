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
    pub(super) windows: HashMap<String, Window>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(source: &'a str) -> Checker<'a> {
        Checker { source, faults: Vec::new(), windows: HashMap::new() }
    }

    pub(super) fn fault<T>(&mut self, span: Range<usize>, message: impl Into<String>) -> Option<T> {
        let line = line_of(self.source, &span);
        self.faults.push(RuleFault { line, message: message.into() });
        None
    }
}
