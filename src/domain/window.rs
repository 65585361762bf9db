//! Windows: spans of whole business days counted back from the score date (scoring law §2).

use chrono::{Days, NaiveDate};

/// A window as a rule set defines it: from `oldest` days before the score date to `newest` days before it, both days
/// included. `oldest ≥ newest ≥ 1`: the score date itself is never in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    oldest: u16,
    newest: u16,
}

/// The most days that a window may reach back.
pub const WINDOW_DAYS_AGO_MAX: u16 = 366;

impl Window {
    /// `None` unless `366 ≥ oldest ≥ newest ≥ 1`.
    pub fn new(oldest: u16, newest: u16) -> Option<Window> {
        (oldest <= WINDOW_DAYS_AGO_MAX && oldest >= newest && newest >= 1).then_some(Window { oldest, newest })
    }

    pub fn oldest(&self) -> u16 {
        self.oldest
    }

    pub fn newest(&self) -> u16 {
        self.newest
    }

    /// The days of this window for a score date.
    pub fn days(&self, score_date: NaiveDate) -> DaySpan {
        DaySpan { from: score_date - Days::new(self.oldest.into()), to: score_date - Days::new(self.newest.into()) }
    }
}

/// Business days from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DaySpan {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl DaySpan {
    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn both_ends_of_a_window_are_in_it_and_the_score_date_never_is() {
        let score_date = "2026-11-20".parse().expect("date");
        let near = Window::new(90, 1).expect("near").days(score_date);
        assert_eq!((near.from.to_string(), near.to.to_string()), ("2026-08-22".into(), "2026-11-19".into()));
        let mature = Window::new(104, 15).expect("mature").days(score_date);
        assert_eq!((mature.from.to_string(), mature.to.to_string()), ("2026-08-08".into(), "2026-11-05".into()));
        assert!(near.contains(near.from) && near.contains(near.to) && !near.contains(score_date));
        assert!(Window::new(90, 0).is_none() && Window::new(1, 2).is_none() && Window::new(367, 1).is_none());
    }
}
