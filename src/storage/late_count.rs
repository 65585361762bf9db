//! Rows of `late_count`: what came to the counts of settled days after sums of them were kept.

use std::sync::LazyLock;

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, PgConnection};

use super::StoreError;
use super::measure_columns::{DAILY, names};
use super::row_type::DailyChange;
use super::stripe::HeldStripes;
use crate::domain::count::CountChanges;

/// Up to which day a writing transaction notes what it adds, and the number under which it notes it: a reader that
/// knows the stripe's head at least that high has seen it. One stripe serves for all that the transaction holds, since
/// it stores in all of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateStamp {
    stripe: i16,
    seq: i64,
    settled_day: NaiveDate,
}

impl LateStamp {
    /// `None` where no day is settled yet.
    pub fn of(held: &HeldStripes) -> Option<LateStamp> {
        let (stripe, first) = held.first_key_value()?;
        // All stripes are raised together. If they ever differed, a note too many would do no harm.
        let settled_day = held.values().filter_map(|stripe| stripe.settled_day).max()?;
        Some(LateStamp { stripe: *stripe, seq: first.head, settled_day })
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
    stamp: LateStamp,
) -> Result<(), StoreError> {
    let late = changes.daily.iter().filter(|((_, day), _)| *day <= stamp.settled_day);
    let rows: Vec<DailyChange<'_>> = late.map(|(key, counts)| DailyChange(key, counts)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let append = sqlx::query(AssertSqlSafe(APPEND.as_str())).bind(rows).bind(stamp.stripe).bind(stamp.seq);
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
