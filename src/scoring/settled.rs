//! Sums that slide: the sums of the settled days of every window are kept, and brought to the next score date by what
//! differs.
//!
//! Of each window the days up to the settled day are kept. They become those of another date by adding what came to
//! them late, adding the days that enter and taking away the days that leave, all read in the run's own snapshot; the
//! fresh days after the settled day are summed again. Sums are integers, so the result is the same as of summing all.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use crate::domain::id::Id;
use crate::domain::window::{DaySpan, Window};
use crate::storage::settled_sum::{self, SettledSums, SumHead};
use crate::storage::window_sum::{Share, SumPlan, Sums, add_days};
use crate::storage::{StoreError, stripe};

/// Full days between the settled day and a score date. What still comes for an older day is rare; it is written twice,
/// so fewer days cost writers and more days cost runs.
const SETTLE_DAYS: u64 = 16;
/// Sums are slid over this many days at the most. Runs follow each other by days; over weeks, sliding saves little.
const MAX_SLIDE_DAYS: i64 = 14;

/// Settles the days that are old enough for a score date, before the run's snapshot begins, so that who is not in the
/// snapshot notes what it adds to them. Days that are settled for a later date stay so.
pub async fn settle(connection: &mut PgConnection, date: NaiveDate) -> Result<(), StoreError> {
    stripe::raise_settled_day(connection, date - Days::new(1 + SETTLE_DAYS)).await
}

/// The sums of one run: read from its snapshot kind by kind, with what the next run slides from.
pub struct Sliding {
    /// What the kept sums stand for, where they can be slid.
    before: Option<SumHead>,
    settled: SettledSums,
}

impl Sliding {
    /// Begins the sums of a date under the plans of all kinds, in a snapshot that shows these heads and was begun after
    /// [`settle`].
    pub async fn begin(
        connection: &mut PgConnection,
        date: NaiveDate,
        heads: Vec<i64>,
        plans: &[SumPlan],
    ) -> Result<Sliding, StoreError> {
        let head = SumHead::new(date, stripe::settled_day(connection).await?, heads, plans);
        let kept = settled_sum::head(connection).await?;
        let is_near = |before: &SumHead| (head.date - before.date).num_days().abs() <= MAX_SLIDE_DAYS;
        let before = kept.filter(|before| is_near(before) && before.leads_to(&head));
        Ok(Sliding { before, settled: SettledSums::new(head) })
    }

    /// The sums of one kind of subject.
    pub async fn sums(&mut self, connection: &mut PgConnection, plan: &SumPlan) -> Result<Sums, StoreError> {
        let mut sums = match &self.before {
            Some(before) => up_to_date(connection, plan, before).await?,
            None => Sums::new(plan.sums.len()),
        };
        let head = &self.settled.head;
        let from = |window| self.before.as_ref().and_then(|before| before.settled_days(window));
        let entering = |window| DaySpan::difference(head.settled_days(window), from(window));
        let leaving = |window| DaySpan::difference(from(window), head.settled_days(window));
        add(connection, plan, entering, Share::Entering, &mut sums).await?;
        add(connection, plan, leaving, Share::Leaving, &mut sums).await?;
        self.settled.add(plan.kind, &sums);
        let head = &self.settled.head;
        let fresh = |window: Window| window.days(head.date).split_after(head.settled_day).1;
        add(connection, plan, fresh, Share::Entering, &mut sums).await?;
        Ok(sums)
    }

    /// What the next run slides from, once the sums of all kinds were read.
    pub fn finish(self) -> SettledSums {
        self.settled
    }
}

/// The kept sums with what came to their days since.
async fn up_to_date(connection: &mut PgConnection, plan: &SumPlan, head: &SumHead) -> Result<Sums, StoreError> {
    let mut sums = settled_sum::load(connection, plan).await?;
    let late = |window| head.settled_days(window);
    add(connection, plan, late, Share::LateSince(&head.heads), &mut sums).await?;
    Ok(sums)
}

/// Adds to the sums of all windows what days do to them; `days` tells those of a window. Days that several windows have are
/// read once for all of these.
async fn add<Days: IntoIterator<Item = DaySpan>>(
    connection: &mut PgConnection,
    plan: &SumPlan,
    days: impl Fn(Window) -> Days,
    share: Share<'_>,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    let of_window = |window: Window| days(window).into_iter().map(move |days| (window, days));
    let spans: Vec<(Window, DaySpan)> = plan.windows().into_iter().flat_map(of_window).collect();
    for (days, windows) in DaySpan::pieces(&spans) {
        add_days(connection, plan, &windows, days, share, sums).await?;
    }
    Ok(())
}

/// The first differences between the kept sums and sums of the counts, in words, and how many sums differ in all. For a
/// snapshot.
pub async fn differences(connection: &mut PgConnection, shown: i64) -> Result<(Vec<String>, i64), StoreError> {
    let (mut lines, mut total) = (Vec::new(), 0);
    let Some(head) = settled_sum::head(connection).await? else {
        return Ok((lines, total));
    };
    for plan in head.plans()? {
        let kept = up_to_date(connection, &plan, &head).await?;
        let mut counted = Sums::new(plan.sums.len());
        add(connection, &plan, |window| head.settled_days(window), Share::Entering, &mut counted).await?;
        for difference in differing(&plan, &kept, &counted) {
            total += 1;
            if total <= shown {
                lines.push(difference.told(&plan, &head));
            }
        }
    }
    Ok((lines, total))
}

/// A kept sum that is not what it should be.
struct Difference<'a> {
    id: &'a Id,
    /// In the plan.
    place: usize,
    kept: i64,
    counted: i64,
}

impl Difference<'_> {
    fn told(&self, plan: &SumPlan, head: &SumHead) -> String {
        let Difference { id, place, kept, counted } = self;
        let (window, measure) = plan.sums[*place];
        let days = head.settled_days(window);
        let days = days.map_or("no days".to_owned(), |days| format!("days {} to {}", days.from, days.to));
        let (kind, measure) = (plan.kind, measure.column());
        format!("settled sum {kind} {id} {measure} of {days}: kept {kept}, counted {counted}")
    }
}

/// The sums of one kind that differ, by subject.
fn differing<'a>(plan: &SumPlan, kept: &'a Sums, counted: &'a Sums) -> Vec<Difference<'a>> {
    let nothing = vec![0; plan.sums.len()];
    let subjects: BTreeSet<&Id> = kept.iter().chain(counted.iter()).map(|(id, _)| id).collect();
    let mut differences = Vec::new();
    for id in subjects {
        let [kept, counted] = [kept, counted].map(|sums| sums.of(id).unwrap_or(&nothing));
        for (place, (kept, counted)) in kept.iter().copied().zip(counted.iter().copied()).enumerate() {
            if kept != counted {
                differences.push(Difference { id, place, kept, counted });
            }
        }
    }
    differences
}
