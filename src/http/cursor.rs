//! Cursors: a place in a list as an opaque text.

use crate::domain::id::Id;

/// A place in a list that a cursor can carry, as text.
pub(crate) trait CursorKey: Sized {
    fn write(&self) -> String;

    /// `None` if the text is none that [`CursorKey::write`] wrote.
    fn read(text: &str) -> Option<Self>;
}

impl CursorKey for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<i64> {
        text.parse().ok()
    }
}

impl CursorKey for i32 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<i32> {
        text.parse().ok()
    }
}

impl CursorKey for Id {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Id> {
        Id::parse(text).ok()
    }
}

/// Wraps a place in a list as a cursor. Hex keeps it opaque and free of characters that a URL must escape.
pub(crate) fn close_cursor(key: &impl CursorKey) -> String {
    key.write().bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The place that a cursor stands for; `None` if it is not one of ours.
pub(crate) fn open_cursor(cursor: &str) -> Option<String> {
    let digits = cursor.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
