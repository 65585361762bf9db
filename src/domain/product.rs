//! Folding a product: at the end of which days it was off the shelf (scoring law §5, `product_base_score`).

use chrono::NaiveDate;

use super::calendar::Calendar;
use super::event::{Event, Fact};

/// Days at whose end a product was off the shelf: from `from_day` on, until the day before `until_day` (open: still).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffShelf {
    pub from_day: NaiveDate,
    pub until_day: Option<NaiveDate>,
}

/// Folds the effective events of one product, which are sorted by (time, id). A product is on the shelf until it is
/// delisted.
pub(crate) fn fold(events: &[&Event], calendar: &Calendar) -> Vec<OffShelf> {
    let mut spans = Vec::new();
    let mut off_since: Option<NaiveDate> = None;
    for event in events {
        let day = calendar.day(event.time);
        match event.fact {
            Fact::ProductDelisted => off_since = off_since.or(Some(day)),
            Fact::ProductListed => {
                // A product that came back on the day it went off was on the shelf at that day's end.
                if let Some(from_day) = off_since.take().filter(|from_day| *from_day < day) {
                    spans.push(OffShelf { from_day, until_day: Some(day) });
                }
            }
            _ => {}
        }
    }
    spans.extend(off_since.map(|from_day| OffShelf { from_day, until_day: None }));
    spans
}
