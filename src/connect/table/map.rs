//! What a map says of a table.

use std::collections::HashMap;

use chrono::format::Item;
use chrono_tz::Tz;
use serde_json::Value;

use crate::domain::event_type::EventType;
use crate::domain::fields::Shape;
use crate::domain::words::words;

words! {
    /// How the letters of a file are written.
    pub(crate) enum Encoding {
        Utf8 = "utf-8",
        Gb18030 = "gb18030",
    }
}

/// Which columns of a table make which events.
#[derive(Clone, Debug)]
pub struct TableMap {
    /// Of times that do not say their zone; `None`: the business time zone.
    pub(super) zone: Option<Tz>,
    pub(super) times: Vec<TimeFormat>,
    /// Between cells; `None`: what the first line has most of.
    pub(super) delimiter: Option<u8>,
    /// `None`: UTF-8, or GB18030 where the file's beginning is no UTF-8.
    pub(super) encoding: Option<Encoding>,
    /// Cells that say nothing, beside empty ones.
    pub(super) empty: Vec<String>,
    /// `None`: all rows are of a shop that is given.
    pub(super) shop_id: Option<Source>,
    pub(super) events: Vec<EventMap>,
}

/// The parts of a strftime format.
pub(super) type TimeFormat = Vec<Item<'static>>;

/// How a row makes an event.
#[derive(Clone, Debug)]
pub(super) struct EventMap {
    pub event_type: EventType,
    /// When it happened: a row without it makes no such event. The first of these that the table has.
    pub time: Vec<String>,
    /// `None`: an id made of what the event says.
    pub id: Option<Vec<Part>>,
    /// All must hold.
    pub when: Vec<Condition>,
    /// Whether a table may lack the column of the time.
    pub is_optional: bool,
    pub data: Vec<FieldMap>,
}

/// A part of a text with columns in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Column(String),
}

impl Part {
    /// The parts of a text with columns in braces; `None` where a brace has no other, or no column is named.
    pub(super) fn split(text: &str) -> Option<Vec<Part>> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once('{') {
            let (column, behind) = behind.split_once('}')?;
            parts.extend([Part::Text(before.to_owned()), Part::Column(column.to_owned())]);
            rest = behind;
        }
        let is_whole =
            !parts.is_empty() && parts.iter().all(|part| !matches!(part, Part::Text(text) if text.contains('}')));
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        (is_whole && !rest.contains('}')).then_some(parts)
    }
}

/// What must stand in a column.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub column: String,
    /// One of these; empty: anything.
    pub is: Vec<String>,
    /// And none of these.
    pub not: Vec<String>,
}

/// Where a member of an event's data comes from.
#[derive(Clone, Debug)]
pub(super) struct FieldMap {
    pub name: String,
    pub shape: Shape,
    pub is_required: bool,
    pub source: Source,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The same in every row.
    Value(Value),
    Column(ColumnSource),
}

#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSource {
    /// The first of these that the table has.
    pub columns: Vec<String>,
    /// What its words mean.
    pub words: HashMap<String, Value>,
    /// What all words mean that are not among `words`.
    pub other: Option<Value>,
    /// What an empty cell means.
    pub default: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn a_text_with_columns_is_taken_apart() {
        assert_eq!(Part::split("{a}:{b}-x").map(|parts| parts.len()), Some(4));
        for wrong in ["", "plain", "{a", "a}", "{a}}", "}{a}"] {
            assert_eq!(Part::split(wrong), None, "{wrong}");
        }
    }
}
