//! Sums of counts over windows: what a run reads of all subjects at once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::measure_columns::{listed, names};
use crate::domain::count::Counts;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::subject::SubjectKind;
use crate::domain::window::{DaySpan, Window};

/// Sums of one kind of subject in the order of a plan's sums. Subjects without counts are absent.
pub(crate) type Sums = HashMap<Id, Vec<i64>>;

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
            let kind = SubjectKind::parse(parts.next()?)?;
            Some(SumPlan { kind, sums: parts.map(planned_sum).collect::<Option<_>>()? })
        };
        read().ok_or_else(|| StoreError::Corrupt(format!("the plan of sums {text:?}")))
    }
}

fn planned_sum(text: &str) -> Option<(Window, Measure)> {
    let (days_ago, column) = text.split_once(' ')?;
    let (oldest, newest) = days_ago.split_once('-')?;
    Some((Window::new(oldest.parse().ok()?, newest.parse().ok()?)?, Measure::parse(column)?))
}

/// What some days do to the sums of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share<'a> {
    /// What they count for joins.
    Entering,
    /// What they count for goes.
    Leaving,
    /// What came to them, or went, newer than these heads of the stripes, by stripe. Only of settled days is it noted.
    LateSince(&'a [i64]),
}

/// Adds to the sums of a window what days do to them, for all subjects. Each window is summed by itself: that costs
/// less than asking of every row and every sum whether the day is in its window.
pub(crate) async fn add_days(
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

/// The sums over a window of the products that do not qualify (scoring law §5, `product_base_score`), of every subject
/// that has any.
#[derive(Clone, Debug)]
pub struct UnqualifiedProducts {
    measures: Vec<Measure>,
    sums: Sums,
}

impl UnqualifiedProducts {
    /// Reads the sums of `measures`, which are kept per product.
    pub async fn read(
        connection: &mut PgConnection,
        kind: SubjectKind,
        measures: Vec<Measure>,
        span: DaySpan,
        score_date: NaiveDate,
    ) -> Result<UnqualifiedProducts, StoreError> {
        let sql = include_str!("sql/unqualified_products.sql")
            .replace("{sums}", &listed(&measures, |column| format!("sum({column}) as {column}")))
            .replace("{totals}", &listed(&measures, |column| format!("coalesce(sum({column}), 0)::bigint")))
            .replace("{names}", &names(&measures));
        // Planned for the kind and its days each time.
        let query = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let rows: Vec<(String, Vec<i64>)> =
            query.bind(kind.code()).bind(span.from).bind(span.to).bind(score_date).fetch_all(connection).await?;
        let sums = rows.into_iter().map(|(subject_id, sums)| (Id::stored(&subject_id), sums)).collect();
        Ok(UnqualifiedProducts { measures, sums })
    }

    /// The sums of one subject's.
    pub fn of(&self, subject_id: &Id) -> Counts {
        let mut counts = Counts::default();
        for (measure, sum) in self.measures.iter().zip(self.sums.get(subject_id).into_iter().flatten()) {
            counts.add(*measure, *sum);
        }
        counts
    }
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
