//! Exact decimals and the one place where anything is rounded (scoring law §7).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A decimal number with at most six places, held in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(i64);

/// Places that a [`Decimal`] can carry.
pub const PLACES_MAX: u32 = 6;
const MILLION: i64 = 1_000_000;

/// The text is no decimal number of at most six places and below a million million.
#[derive(Debug, thiserror::Error)]
#[error("a number with at most 6 decimal places and 12 digits before the point is needed")]
pub struct InvalidDecimal;

impl Decimal {
    pub const ZERO: Decimal = Decimal(0);
    pub const ONE: Decimal = Decimal(MILLION);

    pub const fn from_millionths(millionths: i64) -> Decimal {
        Decimal(millionths)
    }

    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// `numerator / denominator` rounded half up to `places` (at most six). `denominator` is positive.
    pub fn rounded(numerator: i128, denominator: i128, places: u32) -> Decimal {
        debug_assert!(denominator > 0 && places <= PLACES_MAX);
        let scale = 10_i128.pow(places);
        let steps = (2 * numerator * scale + denominator).div_euclid(2 * denominator);
        Decimal((steps * 10_i128.pow(PLACES_MAX - places)) as i64)
    }

    /// `self × factor`, exactly. Used for turning hours into seconds.
    pub fn times(self, factor: i64) -> Decimal {
        Decimal(self.0 * factor)
    }

    pub fn plus(self, other: Decimal) -> Decimal {
        Decimal(self.0 + other.0)
    }

    pub fn minus(self, other: Decimal) -> Decimal {
        Decimal(self.0 - other.0)
    }

    /// Text with exactly `places` decimals. The value must not need more.
    pub fn fixed(self, places: u32) -> String {
        let unit = 10_i64.pow(PLACES_MAX - places);
        debug_assert_eq!(self.0 % unit, 0, "a value is rounded before it is shown");
        let digits = (self.0 / unit).unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        if places == 0 {
            return format!("{sign}{digits}");
        }
        let scale = 10_u64.pow(places);
        format!("{sign}{}.{:0width$}", digits / scale, digits % scale, width = places as usize)
    }
}

impl fmt::Display for Decimal {
    /// The shortest exact text: `4.8`, `0.425`, `30`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.fixed(PLACES_MAX);
        formatter.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;

    fn from_str(text: &str) -> Result<Decimal, InvalidDecimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = (1..=12).contains(&whole.len())
            && fraction.len() <= PLACES_MAX as usize
            && numeric(whole)
            && numeric(fraction)
            && !digits.ends_with('.');
        if !sound {
            return Err(InvalidDecimal);
        }
        let padded = format!("{whole}{fraction:0<width$}", width = PLACES_MAX as usize);
        let millionths: i64 = padded.parse().map_err(|_| InvalidDecimal)?;
        Ok(Decimal(if negative { -millionths } else { millionths }))
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    #[test]
    fn halves_are_rounded_up_at_the_place_asked_for() {
        assert_eq!(Decimal::rounded(1, 2, 0).to_string(), "1");
        assert_eq!(Decimal::rounded(4_6049, 1_0000, 2).to_string(), "4.6");
        assert_eq!(Decimal::rounded(4_605, 1_000, 2).to_string(), "4.61");
        assert_eq!(Decimal::rounded(1, 3, 6).to_string(), "0.333333");
        assert_eq!(Decimal::rounded(-1, 2, 0).to_string(), "0");
    }

    #[test]
    fn text_goes_in_and_out_unchanged() {
        for text in ["0", "4.8", "-0.07", "0.425", "100", "0.000001"] {
            assert_eq!(text.parse::<Decimal>().expect(text).to_string(), text);
        }
        for text in ["", "-", ".5", "5.", "1e3", "0.0000001", "1234567890123"] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
        assert_eq!("4.7".parse::<Decimal>().expect("decimal").fixed(2), "4.70");
        assert_eq!("-0.5".parse::<Decimal>().expect("decimal").fixed(4), "-0.5000");
    }
}
