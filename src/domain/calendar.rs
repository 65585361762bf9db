//! Business days: which calendar day an instant belongs to (scoring law §1).

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// The business time zone. Days and clock times of the law are read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: Tz,
}

impl Calendar {
    pub fn new(zone: Tz) -> Calendar {
        Calendar { zone }
    }

    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The business day of an instant.
    pub fn day(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.zone).date_naive()
    }

    /// The hour of the day, 0-23, on the business clock.
    pub fn hour(&self, instant: DateTime<Utc>) -> u32 {
        instant.with_timezone(&self.zone).hour()
    }

    /// Where it is night at an instant, the end of that night, else the instant itself. Night is from the full hour `from` in the
    /// evening until just before the full hour `until` in the morning.
    pub(crate) fn after_night(&self, instant: DateTime<Utc>, from: u32, until: u32) -> DateTime<Utc> {
        let (day, hour) = (self.day(instant), self.hour(instant));
        let morning = match hour {
            hour if hour >= from => day + Days::new(1),
            hour if hour < until => day,
            _ => return instant,
        };
        self.instant(morning, NaiveTime::MIN + TimeDelta::hours(until.into()))
    }

    /// The instant at which the business clock shows `time` on `day`. Where a daylight-saving change repeats that
    /// time, the earlier instant; where it skips it, the first instant after the gap.
    pub fn instant(&self, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
        let mut wanted = day.and_time(time);
        loop {
            match self.zone.from_local_datetime(&wanted).earliest() {
                Some(instant) => return instant.with_timezone(&Utc),
                // Gaps are whole minutes and end within a day, so this walk is short.
                None => wanted += chrono::Duration::minutes(1),
            }
        }
    }
}

/// A calendar date, written `YYYY-MM-DD` and no other way.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let shape = |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    (text.len() == 10 && text.bytes().enumerate().all(shape)).then(|| text.parse().ok()).flatten()
}

/// An RFC 3339 instant with offset, to the microsecond (finer digits are cut off). `None` for anything else: leap seconds,
/// years beyond 9999, and characters that only look like those of the format.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text).ok().filter(|time| time.nanosecond() < 1_000_000_000)?;
    DateTime::from_timestamp_micros(parsed.timestamp_micros()).filter(|_| text.is_ascii())
}

/// An instant as in [`parse_instant`] that PostgreSQL reads as well: it knows offsets of less than 16 hours, and no year 0.
pub(crate) fn parse_stored_instant(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text).ok()?;
    let is_known = parsed.year() > 0 && parsed.offset().local_minus_utc().abs() < 16 * 3_600;
    parse_instant(text).filter(|_| is_known)
}

/// A local time in Shanghai, such as `2026-11-20T12:00:00`, for tests.
#[cfg(test)]
pub(crate) fn shanghai(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(&format!("{text}+08:00")).expect(text).to_utc()
}

#[cfg(test)]
mod tests {
    use super::{Calendar, shanghai};
    use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a test's own instant")
    }

    #[test]
    fn a_business_day_begins_at_midnight_in_shanghai() {
        let calendar = Calendar::new(chrono_tz::Asia::Shanghai);
        let day = |text| calendar.day(utc(text)).to_string();
        assert_eq!(day("2026-11-19T15:59:59.999999Z"), "2026-11-19");
        assert_eq!(day("2026-11-19T16:00:00Z"), "2026-11-20");
    }

    #[test]
    fn a_night_ends_in_the_morning_of_its_own_day_or_of_the_next_one() {
        let calendar = Calendar::new(chrono_tz::Asia::Shanghai);
        let after = |time: &str| calendar.after_night(shanghai(time), 18, 6);
        for (time, expected) in [
            ("2026-11-08T17:59:59", "2026-11-08T17:59:59"),
            ("2026-11-08T18:00:00", "2026-11-09T06:00:00"),
            ("2026-11-08T23:59:59", "2026-11-09T06:00:00"),
            ("2026-11-09T00:00:00", "2026-11-09T06:00:00"),
            ("2026-11-09T05:59:59", "2026-11-09T06:00:00"),
            ("2026-11-09T06:00:00", "2026-11-09T06:00:00"),
        ] {
            assert_eq!(after(time), shanghai(expected), "{time}");
        }
    }

    #[test]
    fn a_time_that_daylight_saving_skips_or_repeats_still_names_one_instant() {
        let calendar = Calendar::new(chrono_tz::Europe::Berlin);
        let at = |date: &str, time: &str| {
            let day: NaiveDate = date.parse().expect("date");
            let time: NaiveTime = time.parse().expect("time");
            calendar.instant(day, time)
        };
        assert_eq!(at("2026-03-29", "02:30:00"), utc("2026-03-29T01:00:00Z"), "skipped");
        assert_eq!(at("2026-10-25", "02:30:00"), utc("2026-10-25T00:30:00Z"), "repeated");
    }
}
