//! Reading the members of a JSON object field by field, and what can be said of a field in documentation.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::calendar::parse_stored_instant;
use super::content::Digits;
use super::fault::{Code, Fault};
use super::id::Id;
use super::words::Word;

/// The members of one JSON object, read field by field; what is wrong is noted and reading goes on.
pub(crate) struct Fields<'a> {
    pub(crate) members: &'a Map<String, Value>,
    pub(crate) base: &'static str,
    pub(crate) faults: &'a mut Vec<Fault>,
}

/// A type of value that a field can hold.
pub(crate) trait Field: Sized {
    /// What the value looks like.
    const SHAPE: Shape;
    /// Whether the field may be absent or null.
    const IS_OPTIONAL: bool = false;

    /// Reads the field of a name; `None` where it is wrong, which is noted.
    fn read(fields: &mut Fields<'_>, name: &str) -> Option<Self>;

    /// The value as JSON writes it, for documentation.
    fn shown(&self) -> String;
}

/// What the value of a field looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Id,
    /// An RFC 3339 time with offset.
    Instant,
    Boolean,
    /// A whole number from 1 to 5.
    Stars,
    /// One of these.
    Word(fn() -> Vec<&'static str>),
}

/// Whether a field must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
    /// What an absent field means, as JSON writes it.
    Default(String),
}

/// A field as documentation describes it.
#[derive(Clone, Debug)]
pub struct FieldDefinition {
    pub name: &'static str,
    pub about: &'static str,
    pub shape: Shape,
    pub presence: Presence,
}

/// The most stars of a review or a rating; the fewest are one.
pub(crate) const STARS_MAX: u8 = 5;

/// Stars of a review or a rating: 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stars(u8);

impl Stars {
    pub fn number(self) -> u8 {
        self.0
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn fault<T>(&mut self, name: &str, code: Code, detail: String) -> Option<T> {
        self.faults.push(Fault::new(format!("{}/{name}", self.base), code, detail));
        None
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        !matches!(self.members.get(name), None | Some(Value::Null))
    }

    /// A field that is there and not null.
    fn required(&mut self, name: &str) -> Option<&'a Value> {
        match self.members.get(name) {
            None | Some(Value::Null) => self.fault(name, Code::MissingField, format!("{name} is required")),
            Some(value) => Some(value),
        }
    }

    /// What the field says, or `default` where it is absent or null; `None` where it is wrong.
    pub(crate) fn or<T: Field>(&mut self, name: &str, default: T) -> Option<T> {
        Option::<T>::read(self, name).map(|value| value.unwrap_or(default))
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        match self.required(name)? {
            Value::String(text) => Some(text),
            _ => self.fault(name, Code::WrongType, format!("{name} must be a string")),
        }
    }

    pub(crate) fn id(&mut self, name: &str) -> Option<Id> {
        Id::read(self, name)
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        DateTime::read(self, name)
    }
}

impl Field for Id {
    const SHAPE: Shape = Shape::Id;

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<Id> {
        let text = fields.text(name)?;
        match Id::parse(text) {
            Ok(id) => Some(id),
            Err(invalid) => fields.fault(name, Code::InvalidId, invalid.to_string()),
        }
    }

    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Field for DateTime<Utc> {
    const SHAPE: Shape = Shape::Instant;

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<DateTime<Utc>> {
        let text = fields.text(name)?;
        match parse_stored_instant(text) {
            Some(instant) => Some(instant),
            None => {
                let detail = format!("{name} must be an RFC 3339 time with offset, such as 2026-11-08T10:00:00+08:00");
                fields.fault(name, Code::InvalidTime, detail)
            }
        }
    }

    fn shown(&self) -> String {
        format!("\"{}\"", self.to_rfc3339())
    }
}

impl Field for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<bool> {
        match fields.required(name)? {
            Value::Bool(value) => Some(*value),
            _ => fields.fault(name, Code::WrongType, format!("{name} must be true or false")),
        }
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Field for Stars {
    const SHAPE: Shape = Shape::Stars;

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<Stars> {
        let wanted = || format!("{name} must be a whole number from 1 to {STARS_MAX}");
        let Value::Number(number) = fields.required(name)? else {
            return fields.fault(name, Code::WrongType, wanted());
        };
        match Digits::of(number.as_str()).small_integer() {
            Some(stars @ 1..=STARS_MAX) => Some(Stars(stars)),
            _ => fields.fault(name, Code::InvalidValue, wanted()),
        }
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }
}

impl<T: Word> Field for T {
    const SHAPE: Shape = Shape::Word(|| T::MEMBERS.iter().map(|member| member.as_str()).collect());

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<T> {
        let text = fields.text(name)?;
        match T::parse(text) {
            Some(member) => Some(member),
            None => fields.fault(name, Code::InvalidValue, format!("{name} must be one of {}", T::list())),
        }
    }

    fn shown(&self) -> String {
        format!("\"{}\"", self.as_str())
    }
}

impl<T: Field> Field for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const IS_OPTIONAL: bool = true;

    fn read(fields: &mut Fields<'_>, name: &str) -> Option<Option<T>> {
        if fields.is_named(name) { T::read(fields, name).map(Some) } else { Some(None) }
    }

    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), T::shown)
    }
}
