//! What the cells of a table say.

use chrono::format::{Parsed, parse};
use chrono::{DateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::Value;

use super::map::TimeFormat;
use crate::domain::calendar::{Calendar, parse_instant};
use crate::domain::fault::Code;
use crate::domain::fields::Shape;

/// How times are read.
#[derive(Clone, Debug)]
pub(super) struct Clockface {
    pub calendar: Calendar,
    pub formats: Vec<TimeFormat>,
}

/// What is wrong with a cell.
pub(super) type CellFault = (Code, String);

/// The text of a cell: spreadsheets put white space, tabs and `="…"` around numbers that they are to leave alone.
pub(super) fn text_of(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(cell).trim()
}

/// The value of a field of some shape that a text says.
pub(super) fn value_of(text: &str, shape: Shape, clockface: &Clockface) -> Result<Value, CellFault> {
    match shape {
        Shape::Id if is_shortened(text) => {
            let detail =
                format!("{:?} is a number that a spreadsheet has shortened; export the column as text", shown(text));
            Err((Code::InvalidId, detail))
        }
        Shape::Id | Shape::Word(_) => Ok(Value::String(text.to_owned())),
        Shape::Instant => clockface.moment(text).map(|time| Value::String(written(time))),
        Shape::Boolean => truth(text).map(Value::Bool).ok_or_else(|| {
            (
                Code::InvalidValue,
                format!("{:?} is neither yes nor no; words = {{ … }} in the map says what it means", shown(text)),
            )
        }),
        Shape::Stars => stars(text).map(Value::from).ok_or_else(|| {
            (
                Code::InvalidValue,
                format!("{:?} is no number of stars; words = {{ … }} in the map says what it means", shown(text)),
            )
        }),
    }
}

/// A value that a map says, as its field writes it.
pub(super) fn known(value: &Value, shape: Shape, clockface: &Clockface) -> Result<Value, CellFault> {
    match value {
        Value::String(text) => value_of(text, shape, clockface),
        value => Ok(value.clone()),
    }
}

/// As events write times.
pub(super) fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// As much of a text as a message shows.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Whether a text is an id that became such as 6.92E+18.
fn is_shortened(text: &str) -> bool {
    let Some((digits, exponent)) = text.split_once("E+") else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_number(digits) && is_number(exponent)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" | "是" => Some(true),
        "false" | "no" | "n" | "0" | "否" => Some(false),
        _ => None,
    }
}

/// A whole number, also as 5.0, or with the word for stars behind.
fn stars(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(['星', '分']);
    let whole = text.split_once('.').map_or(
        text,
        |(whole, rest)| {
            if rest.bytes().all(|digit| digit == b'0') { whole } else { "" }
        },
    );
    whole.parse().ok()
}

impl Clockface {
    /// RFC 3339, seconds or milliseconds since 1970, or one of the formats.
    pub(super) fn moment(&self, text: &str) -> Result<DateTime<Utc>, CellFault> {
        let found = self.formats.iter().find_map(|format| self.of_format(text, format));
        found.or_else(|| parse_instant(text)).or_else(|| of_number(text)).ok_or_else(|| {
            let detail = format!(
                "{:?} is no time that the map knows; times = [\"%Y-%m-%d %H:%M:%S\", …] says how they are written",
                shown(text)
            );
            (Code::InvalidTime, detail)
        })
    }

    fn of_format(&self, text: &str, format: &TimeFormat) -> Option<DateTime<Utc>> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, format.iter()).ok()?;
        if parsed.offset().is_some() {
            return parsed.to_datetime().ok().map(|time| time.to_utc());
        }
        let day = parsed.to_naive_date().ok()?;
        let has_time = parsed.hour_div_12().is_some();
        let time = if has_time { parsed.to_naive_time().ok()? } else { NaiveTime::MIN };
        Some(self.calendar.instant(day, time))
    }
}

fn of_number(text: &str) -> Option<DateTime<Utc>> {
    let number: i64 = text.parse().ok()?;
    match text.len() {
        10 => DateTime::from_timestamp(number, 0),
        13 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::format::StrftimeItems;
    use serde_json::json;

    use super::{Clockface, text_of, value_of};
    use crate::domain::calendar::Calendar;
    use crate::domain::fields::Shape;

    fn clockface() -> Clockface {
        let formats = ["%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S %z"];
        let formats = formats.map(|format| StrftimeItems::new(format).parse_to_owned().expect(format));
        Clockface { calendar: Calendar::new(chrono_tz::Asia::Shanghai), formats: formats.to_vec() }
    }

    #[test]
    fn times_are_read_as_they_are_written_and_in_their_zone() {
        for (text, wanted) in [
            ("2026-11-08 10:00:05", Some("2026-11-08T02:00:05Z")),
            ("2026/11/8 9:05", Some("2026-11-08T01:05:00Z")),
            ("8.11.2026", Some("2026-11-07T16:00:00Z")),
            ("2026-11-08 10:00:05 +0000", Some("2026-11-08T10:00:05Z")),
            ("2026-11-08T10:00:05+01:00", Some("2026-11-08T09:00:05Z")),
            ("1794103200", Some("2026-11-08T02:00:00Z")),
            ("1794103200123", Some("2026-11-08T02:00:00.123Z")),
            ("2026-11-31 10:00:00", None),
            ("gestern", None),
            ("17941032", None),
        ] {
            let found = value_of(text, Shape::Instant, &clockface()).ok();
            assert_eq!(found, wanted.map(|text| json!(text)), "{text}");
        }
    }

    #[test]
    fn spreadsheets_traces_are_taken_off_and_broken_ids_are_seen() {
        assert_eq!(text_of("\t6920000000000000001 "), "6920000000000000001");
        assert_eq!(text_of("=\"0012\""), "0012");
        assert_eq!(text_of(" = "), "=");
        let id = |text| value_of(text, Shape::Id, &clockface());
        assert!(id("6.92E+18").is_err() && id("6.92E+18x").is_ok() && id("E+1").is_ok());
    }

    #[test]
    fn stars_and_truths_are_read_in_the_ways_they_are_written() {
        let of = |text, shape| value_of(text, shape, &clockface()).ok();
        for (text, wanted) in [("5", Some(5)), ("4.0", Some(4)), ("3星", Some(3)), ("4.5", None), ("好", None)] {
            assert_eq!(of(text, Shape::Stars), wanted.map(|stars: u64| json!(stars)), "{text}");
        }
        for (text, wanted) in [("是", Some(true)), ("No", Some(false)), ("0", Some(false)), ("vielleicht", None)] {
            assert_eq!(of(text, Shape::Boolean), wanted.map(|truth| json!(truth)), "{text}");
        }
    }
}
