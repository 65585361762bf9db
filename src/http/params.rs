//! Query parameters and path segments: parsed strictly, every fault reported by name.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use chrono::NaiveDate;

use super::problem::{FieldError, Kind, Problem};
use crate::domain::calendar::parse_date;
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::words::Word;

/// Items of a page when the client does not say.
pub const LIMIT_DEFAULT: i64 = 100;
/// The most items of a page.
pub const LIMIT_MAX: i64 = 1_000;

/// The query parameters of a request. Each is taken by name; [`Params::finish`] then reports all that was wrong, and
/// what nobody took.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    faults: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Kind::InvalidParameter, "the query cannot be read"))?;
        let mut params = Params::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if params.values.insert(name.to_string(), value.into_owned()).is_some() {
                params.fault(&name, "repeated_parameter", format!("{name} is given more than once"));
            }
        }
        Ok(params)
    }
}

impl Params {
    fn fault(&mut self, name: &str, code: &str, detail: String) {
        self.faults.push(FieldError::new(name, code, detail));
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    fn parsed<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>, wanted: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.fault(name, "invalid_value", format!("{name} is {wanted}"));
        }
        value
    }

    /// A calendar date, written `YYYY-MM-DD` and no other way.
    pub fn date(&mut self, name: &str) -> Option<NaiveDate> {
        self.parsed(name, parse_date, "a date such as 2026-11-20")
    }

    pub fn id(&mut self, name: &str) -> Option<Id> {
        self.parsed(
            name,
            |text| Id::parse(text).ok(),
            "an id: 1-128 printable ASCII characters without spaces and commas",
        )
    }

    /// Ids separated by commas, at most so many.
    pub fn ids(&mut self, name: &str, most: usize) -> Option<Vec<Id>> {
        let read = |text: &str| {
            let ids: Option<Vec<Id>> = text.split(',').map(|id| Id::parse(id).ok()).collect();
            ids.filter(|ids| ids.len() <= most)
        };
        self.parsed(name, read, &format!("1 to {most} ids separated by commas"))
    }

    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| bool::from_str(text).ok(), "true or false")
    }

    pub fn revision(&mut self) -> Option<i32> {
        let read = |text: &str| text.parse().ok().filter(|revision| *revision >= 1);
        self.parsed("revision", read, "a whole number from 1")
    }

    pub fn limit(&mut self) -> i64 {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        self.parsed("limit", read, "a whole number from 1 to 1000").unwrap_or(LIMIT_DEFAULT)
    }

    /// A whole number of a range, both ends included.
    pub fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let read = |text: &str| text.parse().ok().filter(|number| (least..=most).contains(number));
        self.parsed(name, read, &format!("a whole number from {least} to {most}"))
    }

    /// A decimal number of at most six places.
    pub fn decimal(&mut self, name: &str) -> Option<Decimal> {
        self.parsed(name, |text| text.parse().ok(), "a number such as 4.6")
    }

    pub fn word<T: Word>(&mut self, name: &str) -> Option<T> {
        self.parsed(name, T::parse, &format!("one of {}", T::list()))
    }

    /// A kind of subject, in the singular or the plural.
    pub fn kind(&mut self, name: &str) -> Option<SubjectKind> {
        let read = |text: &str| SubjectKind::parse(text.strip_suffix('s').unwrap_or(text));
        self.parsed(name, read, "one of shops, creators, shop, creator")
    }

    /// The key after which a page begins, as [`super::page`] wrote it.
    pub fn cursor<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let read = |text: &str| read(&super::page::open_cursor(text)?);
        self.parsed("cursor", read, "what next_cursor of the page before said")
    }

    /// Notes that a parameter, parsed already, contradicts something.
    pub fn refuse(&mut self, name: &str, detail: &str) {
        self.fault(name, "invalid_value", detail.to_owned());
    }

    /// Reports what is wrong, unknown parameters included.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.values).into_keys() {
            let shown: String = name.chars().take(64).collect();
            self.fault(&shown, "unknown_parameter", format!("no parameter is named {shown:?} here"));
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        let details: Vec<&str> = self.faults.iter().map(|fault| fault.detail.as_str()).collect();
        Err(Problem::new(Kind::InvalidParameter, details.join("; ")).with_errors(self.faults))
    }
}

/// The subject that a path `/v1/{kind}/{id}` names.
pub fn subject(kind: &str, id: &str) -> Result<Subject, Problem> {
    let kind = subject_kind(kind)?;
    let id = Id::parse(id).map_err(|invalid| Problem::parameter("id", "invalid_id", invalid.to_string()))?;
    Ok(Subject { kind, id })
}

/// The kind that a path segment names; any other word is a path that does not exist.
pub fn subject_kind(segment: &str) -> Result<SubjectKind, Problem> {
    match segment {
        "shops" => Ok(SubjectKind::Shop),
        "creators" => Ok(SubjectKind::Creator),
        _ => Err(Problem::of_status(axum::http::StatusCode::NOT_FOUND)),
    }
}
