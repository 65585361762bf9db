//! One thing wrong with what a client sent, and where.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the event or body.
    pub pointer: String,
    /// Stable, documented word for the kind of fault.
    pub code: &'static str,
    /// What is wrong and what to do, in a sentence.
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// The pointer to a member or an item below another pointer.
pub(crate) fn pointer_to(base: &str, name: &str) -> String {
    format!("{base}/{}", name.replace('~', "~0").replace('/', "~1"))
}
