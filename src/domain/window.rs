//! Windows: spans of whole business days counted back from the score date (scoring law §2).

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

/// A window as a rule set defines it: from `oldest` days before the score date to `newest` days before it, both days
/// included. `oldest ≥ newest ≥ 1`: the score date itself is never in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    oldest: u16,
    newest: u16,
}

/// The most days that a window may reach back.
pub(crate) const WINDOW_DAYS_AGO_MAX: u16 = 366;

impl Window {
    /// The 90 days before the score date.
    pub(crate) const NEAR_90: Window = Window { oldest: 90, newest: 1 };
    /// The 30 days before the score date.
    pub(crate) const LAST_30: Window = Window { oldest: 30, newest: 1 };
    /// The 90 days that end 15 days before the score date, so that complaints and returns have come in.
    pub(crate) const MATURE_90: Window = Window { oldest: 104, newest: 15 };

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

    /// Whether the day that is so many days before the score date is in this window.
    pub(crate) fn has(&self, days_ago: u16) -> bool {
        (self.newest..=self.oldest).contains(&days_ago)
    }

    /// The score dates whose windows have a day.
    pub fn score_dates(&self, day: NaiveDate) -> DaySpan {
        DaySpan { from: day + Days::new(self.newest.into()), to: day + Days::new(self.oldest.into()) }
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
    /// `None` where no day lies from the one to the other.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Option<DaySpan> {
        (from <= to).then_some(DaySpan { from, to })
    }

    /// Its days up to `last` and its days after it.
    pub fn split_after(&self, last: NaiveDate) -> (Option<DaySpan>, Option<DaySpan>) {
        (DaySpan::new(self.from, self.to.min(last)), DaySpan::new(self.from.max(last + Days::new(1)), self.to))
    }

    /// The days of the one that are not in the other, oldest first. `None` has no days.
    pub fn difference(of: Option<DaySpan>, other: Option<DaySpan>) -> Vec<DaySpan> {
        match (of, other) {
            (None, _) => Vec::new(),
            (Some(of), None) => vec![of],
            (Some(of), Some(other)) => {
                let before = DaySpan::new(of.from, of.to.min(other.from - Days::new(1)));
                let after = DaySpan::new(of.from.max(other.to + Days::new(1)), of.to);
                before.into_iter().chain(after).collect()
            }
        }
    }

    /// Cuts spans where any of them begins or ends: each piece is had by the same ones on all its days, which stand with it.
    /// Oldest first.
    pub fn pieces<T: Clone>(spans: &[(T, DaySpan)]) -> Vec<(DaySpan, Vec<T>)> {
        let after = |span: &DaySpan| span.to + Days::new(1);
        let cuts: BTreeSet<NaiveDate> = spans.iter().flat_map(|(_, span)| [span.from, after(span)]).collect();
        let cuts: Vec<NaiveDate> = cuts.into_iter().collect();
        let piece = |pair: &[NaiveDate]| {
            let piece = DaySpan::new(pair[0], pair[1] - Days::new(1))?;
            let having: Vec<T> =
                spans.iter().filter(|(_, span)| span.contains(piece.from)).map(|(one, _)| one.clone()).collect();
            (!having.is_empty()).then_some((piece, having))
        };
        cuts.windows(2).filter_map(piece).collect()
    }

    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.from..=self.to).contains(&day)
    }

    /// Every day, oldest first.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> {
        let to = self.to;
        self.from.iter_days().take_while(move |day| *day <= to)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Days, NaiveDate};

    use super::{DaySpan, Window};

    fn day(number: u64) -> NaiveDate {
        NaiveDate::default() + Days::new(number)
    }

    /// All spans of ten days, and none.
    fn spans() -> Vec<Option<DaySpan>> {
        let spans = (0..10).flat_map(|from| (0..10).map(move |to| DaySpan::new(day(from), day(to))));
        spans.filter(Option::is_some).chain([None]).collect()
    }

    #[test]
    fn pieces_have_every_day_of_every_span_once() {
        let named: Vec<(usize, DaySpan)> = spans().into_iter().flatten().enumerate().step_by(7).collect();
        for first in &named {
            for second in &named {
                let of = [*first, *second, named[3]];
                let pieces = DaySpan::pieces(&of);
                for number in 0..11 {
                    let having = of.iter().filter(|(_, span)| span.contains(day(number))).map(|(name, _)| *name);
                    let at = pieces.iter().filter(|(piece, _)| piece.contains(day(number)));
                    let found: Vec<usize> = at.flat_map(|(_, having)| having.clone()).collect();
                    assert_eq!(found, having.collect::<Vec<_>>(), "day {number} of {of:?}");
                }
            }
        }
    }

    fn is_in(day: NaiveDate, spans: &[DaySpan]) -> bool {
        let times = spans.iter().filter(|span| span.contains(day)).count();
        assert!(times <= 1, "{day} is in two of {spans:?}");
        times == 1
    }

    #[test]
    fn the_difference_of_spans_has_the_days_of_the_one_that_the_other_has_not() {
        let has = |span: Option<DaySpan>, day| span.is_some_and(|span| span.contains(day));
        for of in spans() {
            for other in spans() {
                let left = DaySpan::difference(of, other);
                assert!(left.iter().all(|left| left.from <= left.to), "{of:?} without {other:?}: {left:?}");
                for day in (0..10).map(day) {
                    let expected = has(of, day) && !has(other, day);
                    assert_eq!(is_in(day, &left), expected, "{of:?} without {other:?}: {left:?}, {day}");
                }
            }
        }
    }

    #[test]
    fn a_span_is_split_into_the_days_up_to_one_and_those_after_it() {
        for span in spans().into_iter().flatten() {
            for last in (0..10).map(day) {
                let (until, after) = span.split_after(last);
                for day in (0..10).map(day) {
                    let has = |part: Option<DaySpan>| part.is_some_and(|part| part.contains(day));
                    let expected = (span.contains(day) && day <= last, span.contains(day) && day > last);
                    assert_eq!((has(until), has(after)), expected, "{span:?} after {last}: {day}");
                }
            }
        }
    }

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
