//! What JSON texts say: whether two are the same content (scoring law §4.1: "`data` equal as JSON values"), and whether
//! one says something twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::fault::pointer_to;

/// Whether two JSON texts hold equal values. Texts that were written alike need no parsing.
pub(crate) fn same_content(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (serde_json::from_str::<Value>(left), serde_json::from_str::<Value>(right)) {
        (Ok(left), Ok(right)) => same_value(&left, &right),
        _ => false,
    }
}

/// The same of the members of two JSON objects that `counts` lets through.
pub(crate) fn same_members(left: &str, right: &str, counts: impl Fn(&str) -> bool) -> bool {
    let members = |text: &str| match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(mut members)) => {
            members.retain(|name, _| counts(name));
            Some(Value::Object(members))
        }
        _ => None,
    };
    left == right || members(left).zip(members(right)).is_some_and(|(left, right)| same_value(&left, &right))
}

/// The text behind a byte order mark, which UTF-8 files may start with.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// A JSON text with every half of a surrogate pair, which stands for no character, replaced by U+FFFD; `None` where it
/// has no such half.
pub(crate) fn without_half_pairs(text: &[u8]) -> Option<Vec<u8>> {
    let unit_at = |place: usize| {
        let digits = text.get(place..place + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut mended, mut place, mut found) = (Vec::with_capacity(text.len()), 0, false);
    while let Some(byte) = text.get(place) {
        let width = match (unit_at(place), unit_at(place + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                found = true;
                mended.extend_from_slice(b"\\ufffd");
                place += 6;
                continue;
            }
            (Some(_), _) => 6,
            // An escaped backslash is not the beginning of another escape.
            (None, _) if *byte == b'\\' => 2,
            (None, _) => 1,
        };
        mended.extend_from_slice(text.get(place..place + width).unwrap_or(&text[place..]));
        place += width;
    }
    found.then_some(mended)
}

/// Equality of JSON values: members in any order, a null member as if it were absent, numbers by their mathematical
/// value (`1`, `1.0`, `1e0`).
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Digits::of(left.as_str()) == Digits::of(right.as_str()),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let named = |members: &Map<String, Value>| members.values().filter(|value| !value.is_null()).count();
            let in_right = |key: &String, value: &Value| right.get(key).is_some_and(|other| same_value(value, other));
            named(left) == named(right) && left.iter().all(|(key, value)| value.is_null() || in_right(key, value))
        }
        _ => left == right,
    }
}

/// The JSON pointer (RFC 6901) to the first member of an object that the text names twice; `None` if it names none so.
/// `value` is what the text was read as, with the last member of every name.
pub(crate) fn duplicate_member(text: &[u8], value: &Value) -> Option<String> {
    // A member that was read stands in the text as a quote, a colon and perhaps space between; texts hold more of these
    // than members only where a string looks like one, or where a name is there twice.
    let colons = text.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let names = colons.filter(|(place, _)| text[..*place].trim_ascii_end().ends_with(b"\"")).count();
    if names <= members_in(value) {
        return None;
    }
    let mut found = None;
    let pointer = String::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    // An error ends the walk at what was found; the text itself was read before without one.
    let _ = Walk { pointer, found: &mut found }.deserialize(&mut reader);
    found
}

/// How many members all objects of a value have.
fn members_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members_in).sum(),
        Value::Object(members) => members.len() + members.values().map(members_in).sum::<usize>(),
        _ => 0,
    }
}

/// Walks through a JSON text up to the first member that is there twice.
struct Walk<'a> {
    /// Of the value that is walked through.
    pointer: String,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let pointer = pointer_to(&self.pointer, &name);
            if !names.insert(name) {
                *self.found = Some(pointer);
                return Err(A::Error::custom("a member is there twice"));
            }
            map.next_value_seed(Walk { pointer, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let walk = Walk { pointer: format!("{}/{index}", self.pointer), found: &mut *self.found };
            if items.next_element_seed(walk)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A JSON number as sign, significant digits and power of ten, without the zeros at either end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    negative: bool,
    digits: String,
    /// The value is `digits × 10^exponent`.
    exponent: i64,
}

impl Digits {
    /// Reads the text of a JSON number. An exponent too large to count saturates.
    pub(crate) fn of(number: &str) -> Digits {
        let (negative, rest) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Digits { negative: false, digits, exponent: 0 };
        }
        let written: i64 = exponent.trim_start_matches('+').parse().unwrap_or(if exponent.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        });
        let trailing = all.len() - all.trim_end_matches('0').len();
        let shift = trailing as i64 - fraction.len() as i64;
        Digits { negative, digits, exponent: written.saturating_add(shift) }
    }

    /// The value as a small integer, if it is one.
    pub(crate) fn small_integer(&self) -> Option<u8> {
        let zeros = u32::try_from(self.exponent).ok().filter(|zeros| *zeros <= 2)?;
        let digits: u32 = if self.digits.is_empty() { 0 } else { self.digits.parse().ok()? };
        let value = u8::try_from(digits.checked_mul(10_u32.pow(zeros))?).ok()?;
        (!self.negative).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digits, duplicate_member, same_content, without_half_pairs};

    #[test]
    fn numbers_are_equal_by_value_and_members_in_any_order() {
        assert!(same_content(r#"{"a":1,"b":[1.50,0]}"#, r#"{"b":[15e-1,-0.0],"a":1e0}"#));
        assert!(same_content(r#"{"a":1e400}"#, r#"{"a":10E+399}"#));
        assert!(!same_content(r#"{"a":123456789012345678901}"#, r#"{"a":123456789012345678902}"#));
        assert!(!same_content(r#"{"a":"1"}"#, r#"{"a":1}"#));
    }

    #[test]
    fn a_null_member_is_as_good_as_absent() {
        assert!(same_content(r#"{"order_id":"o","creator_id":null}"#, r#"{"order_id":"o"}"#));
        assert!(same_content(r#"{"x":{"a":null,"b":1},"y":null}"#, r#"{"z":null,"x":{"b":1}}"#));
        assert!(!same_content(r#"{"order_id":"o","creator_id":"c"}"#, r#"{"order_id":"o"}"#));
        assert!(!same_content(r#"{"a":[null]}"#, r#"{"a":[]}"#), "an item is no member");
    }

    #[test]
    fn only_half_pairs_are_replaced() {
        let mended = |text: &str| without_half_pairs(text.as_bytes()).map(|text| String::from_utf8(text).expect(""));
        for (text, expected) in [
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (r#""\uDFFF\ud83d\ude00\ud83d""#, Some(r#""\ufffd\ud83d\ude00\ufffd""#)),
            (r#""\\ud800 \n\u4e2d""#, None),
            (r#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#)),
            (r#""\ud8"#, None),
        ] {
            assert_eq!(mended(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_found_wherever_it_stands_and_nothing_else_is() {
        let found = |text: &str| duplicate_member(text.as_bytes(), &serde_json::from_str(text).expect(text));
        for (text, pointer) in [
            (r#"{"a":1,"a":1}"#, "/a"),
            (r#"{"a":1,"b":[{"c":1.5e3},{"c":null,"d" : {"e~/":"x","e~/"	:true}}]}"#, "/b/1/d/e~0~1"),
            (r#"{"a":{"b":-1},"\u0061":2}"#, "/a"),
            (r#"{"":{},"a":0,"":{}}"#, "/"),
        ] {
            assert_eq!(found(text).as_deref(), Some(pointer), "{text}");
        }
        for text in [
            "1e99999",
            "[]",
            r#"[{"a":1},{"a":1}]"#,
            r#"{"a":{"a":{"a":12345678901234567890123}}}"#,
            r#"{"a":"\"b\":\"b\":","b":"a\":"}"#,
            r#"{"a:":"::","b":": :"}"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_are_small_integers() {
        let small = |text| Digits::of(text).small_integer();
        assert_eq!(
            (small("5"), small("5.0"), small("0.5e1"), small("0"), small("10")),
            (Some(5), Some(5), Some(5), Some(0), Some(10))
        );
        assert_eq!((small("5.5"), small("-5"), small("1e9"), small("256")), (None, None, None, None));
    }
}
