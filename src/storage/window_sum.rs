//! Sums of counts over windows: what a run reads of all subjects at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use crate::domain::count::Counts;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::score::MetricCount;
use crate::domain::subject::SubjectKind;
use crate::domain::window::{DaySpan, Window};

/// Sums of one kind of subject in the order of a plan's sums. Who is not there has none.
pub type Sums = HashMap<Id, Vec<i64>>;

/// The sums of measures over windows that a run needs of one kind of subject. As text, it is kept beside sums that were
/// made by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumPlan {
    pub kind: SubjectKind,
    pub sums: Vec<(Window, Measure)>,
}

impl SumPlan {
    /// The windows of the sums, each once.
    pub fn windows(&self) -> BTreeSet<Window> {
        self.sums.iter().map(|(window, _)| *window).collect()
    }

    /// Lays the sums of one subject out by window.
    pub fn counts(&self, sums: &[i64], window: Window) -> Counts {
        let mut counts = Counts::default();
        for ((summed_window, measure), sum) in self.sums.iter().zip(sums) {
            if *summed_window == window {
                counts.add(*measure, *sum);
            }
        }
        counts
    }
}

impl fmt::Display for SumPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.as_str())?;
        for (window, measure) in &self.sums {
            write!(formatter, "; {}-{} {}", window.oldest(), window.newest(), measure.column())?;
        }
        Ok(())
    }
}

impl FromStr for SumPlan {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<SumPlan, StoreError> {
        let read = || {
            let mut parts = text.split("; ");
            let kind = parts.next()?;
            let kind = SubjectKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
            Some(SumPlan { kind, sums: parts.map(planned_sum).collect::<Option<_>>()? })
        };
        read().ok_or_else(|| StoreError::Corrupt(format!("the plan of sums {text:?}")))
    }
}

fn planned_sum(text: &str) -> Option<(Window, Measure)> {
    let (days_ago, column) = text.split_once(' ')?;
    let (oldest, newest) = days_ago.split_once('-')?;
    let measure = Measure::ALL.into_iter().find(|measure| measure.column() == column)?;
    Some((Window::new(oldest.parse().ok()?, newest.parse().ok()?)?, measure))
}

/// What some days do to the sums of a window.
#[derive(Clone, Copy, Debug)]
pub enum Share<'a> {
    /// What they count for joins.
    Entering,
    /// What they count for goes.
    Leaving,
    /// What came to them, or went, newer than these heads of the stripes, by stripe. Only of settled days is it noted.
    LateSince(&'a [i64]),
}

/// Adds to the sums of a window what days do to them, for all subjects. Each window is summed by itself: that costs
/// less than asking of every row and every sum whether the day is in its window.
pub async fn add_days(
    connection: &mut PgConnection,
    plan: &SumPlan,
    window: Window,
    days: DaySpan,
    share: Share<'_>,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    let places: Vec<usize> = (0..plan.sums.len()).filter(|place| plan.sums[*place].0 == window).collect();
    let (table, newer, sign) = match share {
        Share::Entering => ("daily_count", "", 1),
        Share::Leaving => ("daily_count", "", -1),
        Share::LateSince(_) => ("late_count", "and seq > ($4::bigint[])[stripe + 1]", 1),
    };
    // Of a single day every subject has one row at the most; only notes of what is late have more.
    let one_row_each = days.from == days.to && !matches!(share, Share::LateSince(_));
    let (sum, grouped) = if one_row_each { ("", "") } else { ("sum", "group by subject_id") };
    let sum = |place: &usize| format!("coalesce({sum}({}), 0)::bigint", plan.sums[*place].1.column());
    let sql = format!(
        "select subject_id, array[{}] from {table}
         where subject_kind = $1 and day between $2 and $3 {newer} {grouped}",
        places.iter().map(sum).collect::<Vec<_>>().join(", ")
    );
    // Planned for these very days each time: one day is found through an index, half a table is not.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let mut query = query.bind(plan.kind.code()).bind(days.from).bind(days.to);
    if let Share::LateSince(heads) = share {
        query = query.bind(heads);
    }
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (subject_id, added): (&str, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let of_subject = sums.entry(Id::stored(subject_id)).or_insert_with(|| vec![0; plan.sums.len()]);
        for (place, added) in places.iter().zip(added) {
            of_subject[*place] += sign * added;
        }
    }
    Ok(())
}

/// What products that do not qualify for the product base score add to its counts: those off the shelf at the end of
/// the day before the score date, and those without a paid order in the window. They are few; the products that qualify
/// are not read.
pub async fn base_score_excess(
    connection: &mut PgConnection,
    kind: SubjectKind,
    span: DaySpan,
    score_date: NaiveDate,
) -> Result<HashMap<Id, MetricCount>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "with off as not materialized (
             -- Spans of one product have no day in common, so each product is there once.
             select shop_id, product_id from product_off_shelf
             where from_day < $4 and (until_day is null or until_day >= $4)
         ), candidate as (
             -- A shop's products are its own.
             select shop_id as subject_id, shop_id, product_id, true as is_off from off where $1 = 1
             union all
             select paid.subject_id, shop_id, product_id, true
             from off join product_paid as paid using (shop_id, product_id)
             where paid.subject_kind = $1 and $1 <> 1
             union all
             -- Whether the window has a paid order is certain only where one of the two newest days is in it.
             select subject_id, shop_id, product_id, false from product_paid as paid
             where subject_kind = $1
               and (last_day < $2 or (last_day > $3 and (previous_day is null or previous_day not between $2 and $3)))
               and not exists (
                   select from off where off.shop_id = paid.shop_id and off.product_id = paid.product_id
               )
         )
         select subject_id, sum(product_stars)::bigint, sum(reviews)::bigint
         from candidate cross join lateral (
             select sum(product_stars) as product_stars, sum(reviews) as reviews, sum(paid_orders) as paid_orders
             from product_count as kept
             where kept.subject_kind = $1 and kept.subject_id = candidate.subject_id
               and kept.shop_id = candidate.shop_id and kept.product_id = candidate.product_id
               and kept.day between $2 and $3
         ) as counted
         where reviews > 0 and (is_off or coalesce(paid_orders, 0) = 0)
         group by subject_id",
    )
    // Planned for the kind and its days each time.
    .persistent(false)
    .bind(kind.code())
    .bind(span.from)
    .bind(span.to)
    .bind(score_date)
    .fetch_all(connection)
    .await?;
    let excess = |(subject_id, numerator, volume): (String, i64, i64)| {
        (Id::stored(&subject_id), MetricCount { numerator, volume })
    };
    Ok(rows.into_iter().map(excess).collect())
}

#[cfg(test)]
mod tests {
    use super::SumPlan;
    use crate::domain::measure::Measure;
    use crate::domain::subject::SubjectKind;
    use crate::domain::window::Window;

    #[test]
    fn a_plan_comes_back_from_its_text_and_no_other_text_is_one() {
        let window = |oldest, newest| Window::new(oldest, newest).expect("a window");
        let sums = vec![(window(90, 1), Measure::SignedOrders), (window(104, 15), Measure::PaidOrders)];
        let plan = SumPlan { kind: SubjectKind::Shop, sums };
        assert_eq!(plan.to_string(), "shop; 90-1 signed_orders; 104-15 paid_orders");
        let none = SumPlan { kind: SubjectKind::Creator, sums: Vec::new() };
        for plan in [plan, none] {
            assert_eq!(plan.to_string().parse::<SumPlan>().expect("a plan"), plan);
        }
        for text in ["", "buyer", "shop; 90-1", "shop; 1-90 reviews", "shop; 90 reviews", "shop; 90-1 stars"] {
            assert!(text.parse::<SumPlan>().is_err(), "{text:?}");
        }
    }
}
