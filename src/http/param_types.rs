//! The types of parameters: how each is read from its text, and what its description says.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::path::Parameter as Described;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};

use super::cursor::{CursorKey, Signer};
use super::params::{Parameter, Params, id_schema, in_path, in_query, parameters, string};
use crate::domain::calendar::{parse_date, parse_instant};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::domain::words::Word;

/// Items of a page when the client does not say.
const LIMIT_DEFAULT: usize = 100;
/// The most items of a page.
const LIMIT_MAX: usize = 1_000;
/// Subjects that one query may name.
const IDS_MAX: usize = 1_000;

/// Earlier dates are mistakes: nothing is published for them, and spans before them leave the calendar.
const FIRST_YEAR: i32 = 1970;

fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

fn of_format(schema: ObjectBuilder, format: KnownFormat) -> ObjectBuilder {
    schema.format(Some(SchemaFormat::KnownFormat(format)))
}

/// A calendar date, written `YYYY-MM-DD` and no other way.
impl Parameter for Option<NaiveDate> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| parse_date(text).filter(|date| (FIRST_YEAR..).contains(&date.year()));
        params.parsed(name, read, "a date such as 2026-11-20")
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, of_format(string(), KnownFormat::Date))
    }
}

impl Parameter for Option<bool> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        params.parsed(name, |text| text.parse().ok(), "true or false")
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, ObjectBuilder::new().schema_type(Type::Boolean))
    }
}

impl Parameter for Option<Id> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let wanted = "an id: 1-128 printable ASCII characters without spaces and commas";
        params.parsed(name, |text| Id::parse(text).ok(), wanted)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, id_schema())
    }
}

/// A decimal number of at most six places.
impl Parameter for Option<Decimal> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        params.parsed(name, |text| text.parse().ok(), "a number such as 4.6")
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, of_format(ObjectBuilder::new().schema_type(Type::Number), KnownFormat::Double))
    }
}

/// One of an enum's words.
pub(crate) struct OneOf<T>(pub Option<T>);

impl<T: Word> Parameter for OneOf<T> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        params.parsed(name, T::parse, format_args!("one of {}", T::list())).map(OneOf)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        let words = T::MEMBERS.iter().map(|member| member.as_str());
        in_query(name, about, string().enum_values(Some(words)))
    }
}

/// A whole number as JSON writes it: digits alone, without a sign and without zeros in front.
pub(crate) fn whole_number<N: FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// A whole number from `LEAST` to `MOST`.
pub(crate) struct Number<const LEAST: u64, const MOST: u64>(pub Option<u64>);

impl<const LEAST: u64, const MOST: u64> Parameter for Number<LEAST, MOST> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| whole_number(text).filter(|number| (LEAST..=MOST).contains(number));
        params.parsed(name, read, format_args!("a whole number from {LEAST} to {MOST}")).map(Number)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, integer().minimum(Some(LEAST as f64)).maximum(Some(MOST as f64)))
    }
}

/// The number of something that a list may be about.
pub(crate) struct OptionalNumber(pub Option<i64>);

impl Parameter for OptionalNumber {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        params.parsed(name, whole_number, "an id, which is a whole number").map(OptionalNumber)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string().pattern(Some("^(0|[1-9][0-9]{0,17})$")))
    }
}

/// A moment.
pub(crate) struct Instant(pub Option<DateTime<Utc>>);

impl Parameter for Instant {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let wanted = "an RFC 3339 time with offset, such as 2026-11-08T10:00:00+08:00 (in a URL + is written %2B)";
        params.parsed(name, parse_instant, wanted).map(Instant)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, of_format(string(), KnownFormat::DateTime))
    }
}

/// A revision: a whole number from 1.
pub(crate) struct Revision(pub Option<i32>);

impl Parameter for Revision {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| whole_number(text).filter(|revision| *revision >= 1);
        params.parsed(name, read, "a whole number from 1").map(Revision)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, of_format(integer(), KnownFormat::Int32).minimum(Some(1.0)))
    }
}

/// How many items a page has.
pub(crate) struct Limit(pub usize);

impl Parameter for Limit {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| whole_number(text).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = params.parsed(name, read, format_args!("a whole number from 1 to {LIMIT_MAX}"))?;
        Some(Limit(limit.unwrap_or(LIMIT_DEFAULT)))
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        let schema = of_format(integer(), KnownFormat::Int64);
        in_query(name, about, schema.minimum(Some(1.0)).maximum(Some(LIMIT_MAX as f64)))
    }
}

/// The place after which a page begins, and the way to say where the next one does.
pub(crate) struct Cursor<K> {
    pub after: Option<K>,
    pub signer: Signer,
}

impl<K: CursorKey> Parameter for Cursor<K> {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let signer = params.signer();
        let wanted = "the next_cursor of the previous page, with the same parameters but for limit";
        let after = params.parsed(name, |text| signer.open(text), wanted)?;
        Some(Cursor { after, signer })
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string())
    }
}

/// Text that is looked for: 1-128 characters.
pub(crate) struct SearchText(pub Option<String>);

/// The most characters of a text that is looked for.
const SEARCH_LENGTH_MAX: usize = 128;

impl Parameter for SearchText {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let is_sound =
            |text: &str| (1..=SEARCH_LENGTH_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        let read = |text: &str| is_sound(text).then(|| text.to_owned());
        let wanted = format_args!("1 to {SEARCH_LENGTH_MAX} characters, none of which controls a terminal");
        params.parsed(name, read, wanted).map(SearchText)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string().min_length(Some(1)).max_length(Some(SEARCH_LENGTH_MAX)))
    }
}

/// Ids separated by commas.
pub(crate) struct Ids(pub Option<Vec<Id>>);

impl Parameter for Ids {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| {
            let ids: Option<Vec<Id>> = text.split(',').map(|id| Id::parse(id).ok()).collect();
            ids.filter(|ids| ids.len() <= IDS_MAX)
        };
        params.parsed(name, read, format_args!("1 to {IDS_MAX} ids separated by commas")).map(Ids)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string())
    }
}

/// A kind of subject in the query, in the plural or the singular; shops where it is not said.
pub(crate) struct KindQuery(pub SubjectKind);

impl Parameter for KindQuery {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| SubjectKind::parse(text.strip_suffix('s').unwrap_or(text));
        let kind = params.parsed(name, read, "one of shops, creators, shop, creator")?.unwrap_or(SubjectKind::Shop);
        params.kind = Some(kind);
        Some(KindQuery(kind))
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string().enum_values(Some(["shops", "creators", "shop", "creator"])))
    }
}

/// An id in the path.
pub(crate) struct IdSegment(pub Id);

impl Parameter for IdSegment {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        params.parsed_segment(name, |text| Id::parse(text).map_err(|invalid| invalid.to_string())).map(IdSegment)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_path(name, about, id_schema())
    }
}

/// Any text in the path: what it names is looked for, and may not be there.
pub(crate) struct TextSegment(pub String);

impl Parameter for TextSegment {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        Some(TextSegment(params.segment(name)))
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_path(name, about, string())
    }
}

/// The id of a rule set that answers, if one is named. Whether there is one is for the data to say.
pub(crate) struct RuleSetId(pub Option<String>);

impl Parameter for RuleSetId {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        Some(RuleSetId(params.text(name)))
    }

    fn describe(name: &str, _: &str) -> Vec<Described> {
        let about = "The id of a rule set that is in force, or that a published run used. Default: the one that was the \
                     default of the kind when the run was published.";
        in_query(name, about, string())
    }
}

parameters! {
    /// Which page of a list is wanted.
    pub(crate) struct PageQuery {
        /// `next_cursor` of the previous page.
        pub cursor: Cursor<i64>,
        /// Items of a page, default 100.
        pub limit: Limit,
    }
}
