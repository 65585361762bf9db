//! Members of a message, as platforms write them: ids as texts or numbers, times as seconds or as RFC 3339.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::message::Unread;

/// Seconds from 2010 to 2099: other numbers are no times.
const FIRST_SECOND: i64 = 1_262_304_000;
const LAST_SECOND: i64 = 4_102_444_800;

/// A text, or a whole number as it is written; `None` for nothing and zero.
pub(super) fn word(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => {
            Some(number.to_string()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The data of one message, with what says when it happened.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    data: &'a Map<String, Value>,
    source: Said<'a>,
}

/// Which message says something.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    /// What the ids of its events begin with: the platform, and what it calls the kind of the message.
    pub prefix: &'a str,
    /// The platform's id of the message.
    pub id: Option<&'a str>,
    /// When the platform sent it, else when it came.
    pub now: DateTime<Utc>,
}

impl<'a> Members<'a> {
    pub(super) fn new(data: &'a Map<String, Value>, source: Said<'a>) -> Members<'a> {
        Members { data, source }
    }

    /// Members of an answer that is no message.
    pub(super) fn answered(data: &'a Map<String, Value>, now: DateTime<Utc>) -> Members<'a> {
        Members { data, source: Said { prefix: "", id: None, now } }
    }

    /// The id of the message's `number`th event.
    pub(super) fn event_id(&self, number: usize) -> Result<String, Unread> {
        Ok(format!("{}:{number}", self.message_id()?))
    }

    /// The id of the message's event about an order, where one message says several things of it.
    pub(super) fn event_id_of(&self, order_id: &str, step: usize) -> Result<String, Unread> {
        Ok(format!("{}:{order_id}:{step}", self.message_id()?))
    }

    /// The platform and the message, as ids begin with them.
    pub(super) fn message_id(&self) -> Result<String, Unread> {
        let Said { prefix, id, .. } = self.source;
        let id = id.ok_or_else(|| Unread::new("missing_member", "the message has no id of its own"))?;
        Ok(format!("{prefix}:{id}"))
    }

    /// An id. Zero stands for none.
    pub(super) fn id(&self, name: &str) -> Result<String, Unread> {
        let id = self.data.get(name).and_then(word).filter(|id| id != "0");
        id.ok_or_else(|| Unread::new("missing_member", format!("{name} is missing, or no id")))
    }

    /// A list of ids.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<String>, Unread> {
        let listed = self.data.get(name).and_then(Value::as_array).into_iter().flatten();
        let ids: Option<Vec<String>> = listed.map(word).collect();
        ids.filter(|ids| !ids.is_empty())
            .ok_or_else(|| Unread::new("missing_member", format!("{name} is missing, or no list of ids")))
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.data.get(name).and_then(word)?.parse().ok()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.data.get(name)?.as_str()
    }

    /// Whether it says yes.
    pub(super) fn is(&self, name: &str) -> Option<bool> {
        self.data.get(name)?.as_bool()
    }

    pub(super) fn object(&self, name: &str) -> Option<&'a Map<String, Value>> {
        self.data.get(name)?.as_object()
    }

    /// What is said inside of it, by the same message.
    pub(super) fn inside(&self, name: &str) -> Option<Members<'a>> {
        self.object(name).map(|data| Members { data, source: self.source })
    }

    /// The objects of a list.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = Members<'a>> + use<'a> {
        let source = self.source;
        let listed = self.data.get(name).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_object).map(move |data| Members { data, source })
    }

    /// A moment, if it has come: zero stands for none.
    pub(super) fn moment(&self, name: &str) -> Result<Option<DateTime<Utc>>, Unread> {
        let Some(text) = self.data.get(name).and_then(word).filter(|text| text != "0") else { return Ok(None) };
        let wrong = || Unread::new("unknown_value", format!("{name} is {text:?}, which is no time"));
        moment(&text).map(Some).ok_or_else(wrong)
    }

    /// When it happened: the first of some members that is there, else the second in the message's id, else now.
    pub(super) fn time(&self, names: &[&str]) -> Result<DateTime<Utc>, Unread> {
        for name in names {
            if let Some(time) = self.moment(name)? {
                return Ok(time);
            }
        }
        Ok(self.second_of_id().unwrap_or(self.source.now))
    }

    /// The second that stands between colons in the message's id, as in `…::212:1618990587:…`.
    fn second_of_id(&self) -> Option<DateTime<Utc>> {
        self.source.id?.split(':').find_map(|part| seconds(part).filter(|_| part.len() == 10))
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    seconds(text).or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))
}

fn seconds(text: &str) -> Option<DateTime<Utc>> {
    let second: i64 = text.parse().ok()?;
    DateTime::from_timestamp(second, 0).filter(|_| (FIRST_SECOND..LAST_SECOND).contains(&second))
}
