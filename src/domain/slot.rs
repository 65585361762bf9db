//! The daily slot: the part of a business day in which the scores of that day are published.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::calendar::Calendar;

/// Two clock times of one day, the earlier one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotTimes {
    pub from: NaiveTime,
    pub to: NaiveTime,
}

#[derive(Debug, thiserror::Error)]
#[error("a slot is two times of one day, the earlier one first, such as 12:00-13:00")]
pub struct InvalidSlot;

impl FromStr for SlotTimes {
    type Err = InvalidSlot;

    fn from_str(text: &str) -> Result<SlotTimes, InvalidSlot> {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
        let times = text.split_once('-').and_then(|(from, to)| time(from).zip(time(to)));
        let (from, to) = times.filter(|(from, to)| from < to).ok_or(InvalidSlot)?;
        Ok(SlotTimes { from, to })
    }
}

/// The slot on the business calendar.
#[derive(Clone, Copy, Debug)]
pub struct DailySlot {
    pub calendar: Calendar,
    pub times: SlotTimes,
}

impl DailySlot {
    pub fn start(&self, date: NaiveDate) -> DateTime<Utc> {
        self.calendar.instant(date, self.times.from)
    }

    /// From this instant on a run of the date is late.
    pub fn end(&self, date: NaiveDate) -> DateTime<Utc> {
        self.calendar.instant(date, self.times.to)
    }
}

#[cfg(test)]
mod tests {
    use super::SlotTimes;

    #[test]
    fn a_slot_lies_within_one_day() {
        assert!("12:00-13:00".parse::<SlotTimes>().is_ok());
        for wrong in ["13:00-12:00", "12:00-12:00", "12-13", "", "12:00-24:00"] {
            assert!(wrong.parse::<SlotTimes>().is_err(), "{wrong}");
        }
    }
}
