//! Identifiers as the law defines them (scoring law §3).

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The longest identifier, in characters (all are ASCII, so also in bytes).
pub const ID_LENGTH_MAX: usize = 128;

/// An identifier of a shop, creator, order, event and so on: 1-128 characters of ASCII 0x21-0x7E without comma, and
/// neither `.` nor `..`. Compared as bytes. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(SmolStr);

/// The text is no [`Id`]; the message says what one is.
#[derive(Debug, thiserror::Error)]
#[error("an id is 1-128 characters of printable ASCII without spaces and commas, and neither \".\" nor \"..\"")]
pub struct InvalidId;

impl Id {
    pub fn parse(text: &str) -> Result<Id, InvalidId> {
        let allowed = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b',';
        let sound =
            (1..=ID_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
        if sound { Ok(Id(text.into())) } else { Err(InvalidId) }
    }

    /// An id that the database holds, which was parsed when it was stored.
    pub fn stored(text: &str) -> Id {
        Id(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Bytes that it takes besides its own size: short ids take none.
    pub fn heap_bytes(&self) -> usize {
        if self.0.is_heap_allocated() { self.0.len() } else { 0 }
    }
}

impl TryFrom<String> for Id {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Id, InvalidId> {
        Id::parse(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0.into()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn the_edges_of_the_alphabet_and_the_length_are_as_the_law_says() {
        for sound in ["!", "~", "a", "...", "6943210987654321098", &"x".repeat(128)] {
            assert!(Id::parse(sound).is_ok(), "{sound:?}");
        }
        for unsound in ["", " ", "a b", "a,b", ".", "..", "é", "a\u{7f}", "a\0", &"x".repeat(129)] {
            assert!(Id::parse(unsound).is_err(), "{unsound:?}");
        }
    }
}
