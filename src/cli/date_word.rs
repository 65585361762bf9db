//! Score dates as the command line takes them.

use std::str::FromStr;

use chrono::{Days, NaiveDate};

use crate::domain::calendar::parse_date;

/// A score date, or a word for one.
#[derive(Clone, Copy, Debug)]
pub enum DateWord {
    Date(NaiveDate),
    Today,
    Yesterday,
}

impl FromStr for DateWord {
    type Err = String;

    fn from_str(text: &str) -> Result<DateWord, String> {
        match text {
            "today" => Ok(DateWord::Today),
            "yesterday" => Ok(DateWord::Yesterday),
            _ => parse_date(text)
                .map(DateWord::Date)
                .ok_or_else(|| "must be a date such as 2026-11-20, today or yesterday".to_owned()),
        }
    }
}

impl DateWord {
    /// The date, when `today` is the business day.
    pub(super) fn date(self, today: NaiveDate) -> NaiveDate {
        match self {
            DateWord::Date(date) => date,
            DateWord::Today => today,
            DateWord::Yesterday => today - Days::new(1),
        }
    }
}
