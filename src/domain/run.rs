//! Runs: why one is asked for, how far one is, and which dates may be scored (scoring law §8).

use chrono::NaiveDate;

use super::words::words;

words! {
    /// Why a run was asked for.
    pub enum Trigger {
        /// By the daily slot, inside it.
        Scheduled = "scheduled",
        /// By the daily slot, after it had ended.
        CatchUp = "catch_up",
        /// For a day that was missed.
        Backfill = "backfill",
        /// By hand.
        Manual = "manual",
    }
}

words! {
    /// How far a run is.
    pub enum RunState {
        Queued = "queued",
        Running = "running",
        Published = "published",
        Failed = "failed",
    }
}

impl RunState {
    /// Whether nothing more happens to a run in this state.
    pub fn is_final(self) -> bool {
        matches!(self, RunState::Published | RunState::Failed)
    }
}

/// Characters of the reason of a run.
pub const REASON_LENGTH_MAX: usize = 2_000;

/// Dates that can be asked for at once.
pub(crate) const DATES_MAX: usize = 400;

/// The dates from one to another, both included. `None` where there are none, or too many.
pub(crate) fn dates(from: NaiveDate, to: NaiveDate) -> Option<Vec<NaiveDate>> {
    let dates: Vec<NaiveDate> = from.iter_days().take_while(|date| *date <= to).take(DATES_MAX + 1).collect();
    (1..=DATES_MAX).contains(&dates.len()).then_some(dates)
}

/// The first date that can be scored: 1970-01-01.
const FIRST_DATE: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();

/// A run that may be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    pub date: NaiveDate,
    pub trigger: Trigger,
    pub reason: Option<String>,
    /// The API key with which it is asked for; `None` for the daily slot and the command line.
    pub key_id: Option<i32>,
}

/// Why a run cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRun {
    #[error("date must be {FIRST_DATE} or later")]
    TooEarly,
    #[error("date must be today at the latest, in the business time zone")]
    AfterToday,
    #[error("reason must be text of at most {REASON_LENGTH_MAX} characters without U+0000")]
    Reason,
}

impl RunRequest {
    /// A run asked for by hand, over HTTP or on the command line. `today` is the business day.
    pub fn manual(date: NaiveDate, reason: Option<String>, today: NaiveDate) -> Result<RunRequest, InvalidRun> {
        if date < FIRST_DATE {
            return Err(InvalidRun::TooEarly);
        }
        if date > today {
            return Err(InvalidRun::AfterToday);
        }
        if reason.as_ref().is_some_and(|text| text.chars().count() > REASON_LENGTH_MAX || text.contains('\0')) {
            return Err(InvalidRun::Reason);
        }
        Ok(RunRequest { date, trigger: Trigger::Manual, reason, key_id: None })
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidRun, RunRequest, Trigger};

    #[test]
    fn a_run_by_hand_is_of_a_date_from_1970_to_today_with_a_short_reason() {
        let ask = |date: &str, reason: Option<&str>| {
            let (date, today) = (date.parse().expect("a date"), "2026-11-20".parse().expect("a date"));
            RunRequest::manual(date, reason.map(str::to_owned), today).map(|request| request.trigger)
        };
        assert_eq!(ask("1970-01-01", None), Ok(Trigger::Manual));
        assert_eq!(ask("2026-11-20", Some(&"长".repeat(2_000))), Ok(Trigger::Manual));
        assert_eq!(ask("1969-12-31", None), Err(InvalidRun::TooEarly));
        assert_eq!(ask("2026-11-21", None), Err(InvalidRun::AfterToday));
        assert_eq!(ask("2026-11-20", Some(&"x".repeat(2_001))), Err(InvalidRun::Reason));
        assert_eq!(ask("2026-11-20", Some("a\0b")), Err(InvalidRun::Reason));
    }
}
