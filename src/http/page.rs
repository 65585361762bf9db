//! Pages of lists: items and an opaque cursor.

use std::fmt::Display;

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` items out of rows that were read with one to spare. `key` is the place of an item in
    /// the list's order.
    pub fn of<K: Display>(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> K) -> Page<T> {
        let more = items.len() as i64 > limit;
        items.truncate(limit as usize);
        let next_cursor = items.last().filter(|_| more).map(|last| close_cursor(&key(last).to_string()));
        Page { items, next_cursor }
    }
}

/// Wraps a place in a list as a cursor. Hex keeps it opaque and free of characters that a URL must escape.
pub fn close_cursor(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The place that a cursor stands for; `None` if it is none of ours.
pub fn open_cursor(cursor: &str) -> Option<String> {
    let digits = cursor.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
