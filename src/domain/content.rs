//! When two JSON values are the same content (scoring law §4.1: "`data` equal as JSON values").

use serde_json::Value;

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

/// Equality of JSON values: members in any order, numbers by their mathematical value (`1`, `1.0`, `1e0`).
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Digits::of(left.as_str()) == Digits::of(right.as_str()),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same_value(value, other)))
        }
        _ => left == right,
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
    use super::{Digits, same_content};

    #[test]
    fn numbers_are_equal_by_value_and_members_in_any_order() {
        assert!(same_content(r#"{"a":1,"b":[1.50,0]}"#, r#"{"b":[15e-1,-0.0],"a":1e0}"#));
        assert!(same_content(r#"{"a":1e400}"#, r#"{"a":10E+399}"#));
        assert!(!same_content(r#"{"a":123456789012345678901}"#, r#"{"a":123456789012345678902}"#));
        assert!(!same_content(r#"{"a":null}"#, "{}"));
        assert!(!same_content(r#"{"a":"1"}"#, r#"{"a":1}"#));
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
