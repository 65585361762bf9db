//! Reading the members of a JSON object field by field, for [`super::parse`].

use chrono::{DateTime, Timelike, Utc};
use serde_json::{Map, Value};

use super::content::Digits;
use super::event::{AggregateKind, EventType};
use super::id::Id;
use super::parse::Fault;

/// The members of one JSON object, read field by field; what is wrong is noted and reading goes on.
pub(super) struct Fields<'a> {
    pub(super) members: &'a Map<String, Value>,
    pub(super) base: &'static str,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl<'a> Fields<'a> {
    fn fault<T>(&mut self, name: &str, code: &'static str, detail: String) -> Option<T> {
        self.faults.push(Fault::new(format!("{}/{name}", self.base), code, detail));
        None
    }

    /// A field that is there and not null.
    fn required(&mut self, name: &str) -> Option<&'a Value> {
        match self.members.get(name) {
            None | Some(Value::Null) => self.fault(name, "missing_field", format!("{name} is required")),
            Some(value) => Some(value),
        }
    }

    /// `Some(None)` where the field is absent or null, `None` where it is there and wrong.
    pub(super) fn optional<T>(&mut self, name: &str, read: impl Fn(&mut Self, &str) -> Option<T>) -> Option<Option<T>> {
        match self.members.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(_) => read(self, name).map(Some),
        }
    }

    fn text(&mut self, name: &str) -> Option<&'a str> {
        match self.required(name)? {
            Value::String(text) => Some(text),
            _ => self.fault(name, "wrong_type", format!("{name} is a string")),
        }
    }

    pub(super) fn id(&mut self, name: &str) -> Option<Id> {
        let text = self.text(name)?;
        match Id::parse(text) {
            Ok(id) => Some(id),
            Err(invalid) => self.fault(name, "invalid_id", invalid.to_string()),
        }
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.required(name)? {
            Value::Bool(value) => Some(*value),
            _ => self.fault(name, "wrong_type", format!("{name} is true or false")),
        }
    }

    pub(super) fn stars(&mut self, name: &str) -> Option<u8> {
        let Value::Number(number) = self.required(name)? else {
            return self.fault(name, "wrong_type", format!("{name} is a whole number from 1 to 5"));
        };
        match Digits::of(number.as_str()).small_integer() {
            Some(stars @ 1..=5) => Some(stars),
            _ => self.fault(name, "invalid_value", format!("{name} is a whole number from 1 to 5")),
        }
    }

    pub(super) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.fault(name, "invalid_value", format!("{name} is one of {}", known.join(", ")))
            }
        }
    }

    pub(super) fn event_type(&mut self, name: &str) -> Option<EventType> {
        let text = self.text(name)?;
        match EventType::parse(text) {
            Some(event_type) => Some(event_type),
            None => {
                let shown: String = text.chars().take(128).collect();
                self.fault(name, "unknown_type", format!("no event type is named {shown:?}"))
            }
        }
    }

    /// An RFC 3339 instant with offset, to the microsecond (finer digits are cut off).
    pub(super) fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let parsed = DateTime::parse_from_rfc3339(text).ok().filter(|time| time.nanosecond() < 1_000_000_000);
        let instant = parsed.and_then(|time| DateTime::from_timestamp_micros(time.timestamp_micros()));
        match instant {
            Some(instant) => Some(instant),
            None => {
                let detail = format!("{name} is an RFC 3339 time with offset, such as 2026-11-08T10:00:00+08:00");
                self.fault(name, "invalid_time", detail)
            }
        }
    }

    /// The one aggregate that a retraction names.
    pub(super) fn named_aggregate(&mut self) -> (Option<AggregateKind>, Option<Id>) {
        let is_named = |kind: &AggregateKind| !matches!(self.members.get(kind.field()), None | Some(Value::Null));
        let named: Vec<AggregateKind> = AggregateKind::ALL.into_iter().filter(is_named).collect();
        match named[..] {
            [kind] => (Some(kind), self.id(kind.field())),
            [] => {
                let detail = "name the order_id, session_id or product_id of the event to void";
                self.faults.push(Fault::new("/data", "missing_field", detail));
                (None, None)
            }
            _ => {
                for kind in named {
                    let detail = "a retraction names one of order_id, session_id and product_id".to_owned();
                    self.fault::<()>(kind.field(), "contradiction", detail);
                }
                (None, None)
            }
        }
    }
}
