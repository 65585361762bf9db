//! Sums of counts over windows: what a run reads of all subjects at once.

use std::collections::{BTreeSet, HashMap};

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

/// The sums of measures over windows that a run needs of one kind of subject.
#[derive(Clone, Debug)]
pub struct SumPlan {
    pub kind: SubjectKind,
    pub sums: Vec<(Window, Measure)>,
}

impl SumPlan {
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

/// Sums the daily counts of all subjects that have any, in the order of the plan's sums. Each window is summed by itself:
/// that costs less than asking of every row and every sum whether the day is in its window.
pub async fn window_sums(
    connection: &mut PgConnection,
    plan: &SumPlan,
    score_date: NaiveDate,
) -> Result<HashMap<Id, Vec<i64>>, StoreError> {
    let windows: BTreeSet<Window> = plan.sums.iter().map(|(window, _)| *window).collect();
    let mut all: HashMap<Id, Vec<i64>> = HashMap::new();
    for window in windows {
        let places: Vec<usize> = (0..plan.sums.len()).filter(|place| plan.sums[*place].0 == window).collect();
        let sum = |place: &usize| format!("coalesce(sum({}), 0)::bigint", plan.sums[*place].1.column());
        let sql = format!(
            "select subject_id, array[{}] from daily_count
             where subject_kind = $1 and day between $2 and $3 group by subject_id",
            places.iter().map(sum).collect::<Vec<_>>().join(", ")
        );
        let span = window.days(score_date);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(plan.kind.code()).bind(span.from).bind(span.to);
        let mut rows = query.fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let (subject_id, sums): (&str, Vec<i64>) = (row.try_get(0)?, row.try_get(1)?);
            let of_subject = all.entry(Id::stored(subject_id)).or_insert_with(|| vec![0; plan.sums.len()]);
            for (place, sum) in places.iter().zip(sums) {
                of_subject[*place] = sum;
            }
        }
    }
    Ok(all)
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
        "with off as materialized (
             select distinct shop_id, product_id from product_off_shelf
             where from_day < $4 and (until_day is null or until_day >= $4)
         ), candidate as (
             -- Whether the window has a paid order is certain only where one of the two newest days is in it.
             select subject_id, shop_id, product_id, false as is_off from product_paid
             where subject_kind = $1
               and (last_day < $2 or (last_day > $3 and (previous_day is null or previous_day not between $2 and $3)))
             union all
             -- A shop's products are its own.
             select shop_id, shop_id, product_id, true from off where $1 = 1
             union all
             select paid.subject_id, paid.shop_id, paid.product_id, true
             from off join product_paid as paid on paid.shop_id = off.shop_id and paid.product_id = off.product_id
             where paid.subject_kind = $1 and $1 <> 1
         ), product as (
             select subject_id, shop_id, product_id, bool_or(is_off) as is_off from candidate
             group by subject_id, shop_id, product_id
         ), counted as (
             select subject_id, bool_or(is_off) as is_off, sum(product_stars) as product_stars, sum(reviews) as reviews,
                    sum(paid_orders) as paid_orders
             from product join product_count using (subject_id, shop_id, product_id)
             where subject_kind = $1 and day between $2 and $3
             group by subject_id, shop_id, product_id
         )
         select subject_id, sum(product_stars)::bigint, sum(reviews)::bigint from counted
         where reviews > 0 and (is_off or coalesce(paid_orders, 0) = 0)
         group by subject_id",
    )
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
