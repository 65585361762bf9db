//! Rows of `late_count`: what came to the counts of settled days after sums of them were kept.

use std::sync::LazyLock;

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, PgConnection};

use super::StoreError;
use super::measure_columns::{DAILY, names};
use super::row_type::DailyChange;
use super::stripe::HeldStripes;
use crate::domain::count::CountChanges;

/// From which day on back a writing transaction notes what it adds, and the number that tells whether somebody knows of
/// it: one stripe stands for all that it holds, since it stores in all of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateMark {
    stripe: i16,
    seq: i64,
    settled_day: NaiveDate,
}

impl LateMark {
    /// `None` where no day is settled yet.
    pub fn of(held: &HeldStripes) -> Option<LateMark> {
        let (stripe, first) = held.first_key_value()?;
        // All stripes are raised together. If they ever differed, a note too many would do no harm.
        let settled_day = held.values().filter_map(|stripe| stripe.settled_day).max()?;
        Some(LateMark { stripe: *stripe, seq: first.head, settled_day })
    }
}

static APPEND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "insert into late_count (stripe, seq, {}, {})
         select $2::smallint, $3::bigint, * from unnest($1::{}[])",
        DAILY.key.join(", "),
        names(DAILY.measures),
        DAILY.change_type
    )
});

/// Notes what `changes` add to settled days; without any such day it asks nothing of the database.
pub(super) async fn append(
    connection: &mut PgConnection,
    changes: &CountChanges,
    mark: LateMark,
) -> Result<(), StoreError> {
    let late = changes.daily.iter().filter(|((_, day), _)| *day <= mark.settled_day);
    let rows: Vec<DailyChange<'_>> = late.map(|(key, counts)| DailyChange(key, counts)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let append = sqlx::query(AssertSqlSafe(APPEND.as_str())).bind(rows).bind(mark.stripe).bind(mark.seq);
    append.execute(connection).await?;
    Ok(())
}

/// Deletes what is known to sums of these heads.
pub(super) async fn delete_known(connection: &mut PgConnection, heads: &[i64]) -> Result<(), StoreError> {
    sqlx::query("delete from late_count where seq <= ($1::bigint[])[stripe + 1]")
        .bind(heads)
        .execute(connection)
        .await?;
    Ok(())
}
