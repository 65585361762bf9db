//! Stripes: fixed slices of all shops, the unit that writers lock and that numbers knowledge.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::StoreError;
use crate::domain::id::Id;

/// How many stripes there are. Rows of `event` keep numbers per stripe, so this never changes.
pub const STRIPES: u64 = 64;

/// The stripe of a shop (or, for the registry, of a creator): FNV-1a of the id.
pub fn stripe_of(id: &Id) -> i16 {
    let hash = id
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The high bits are the better mixed ones.
    ((hash >> 32) % STRIPES) as i16
}

/// What a writer holds of one stripe until its transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct HeldStripe {
    /// The number under which this transaction stores.
    pub head: i64,
    /// Whether any exclusion was ever made in this stripe.
    pub has_exclusions: bool,
    /// What this transaction adds to counts of this day or an earlier one it also notes as late (see
    /// [`super::late_count`]).
    pub settled_day: Option<NaiveDate>,
    /// The writer before this one, where it left its number.
    pub last_writer: Option<i64>,
}

/// The stripes that a transaction holds, by stripe.
pub type HeldStripes = BTreeMap<i16, HeldStripe>;

/// Locks stripes in ascending order and advances their heads. Must be the first statement of a writing transaction, and
/// alone: at READ COMMITTED only a later statement sees what the writer before committed.
pub async fn hold(connection: &mut PgConnection, stripes: &BTreeSet<i16>) -> Result<HeldStripes, StoreError> {
    hold_as(connection, stripes, None).await
}

/// [`hold`], leaving the number of a writer that wants to know, the next time, whether it was the last one.
pub async fn hold_as(
    connection: &mut PgConnection,
    stripes: &BTreeSet<i16>,
    writer: Option<i64>,
) -> Result<HeldStripes, StoreError> {
    let wanted: Vec<i16> = stripes.iter().copied().collect();
    type Row = (i16, i64, i64, Option<NaiveDate>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "with held as (select stripe, writer from stripe where stripe = any($1) order by stripe for update)
         update stripe set head = stripe.head + 1, writer = $2 from held where stripe.stripe = held.stripe
         returning stripe.stripe, stripe.head, stripe.exclusions_made, stripe.settled_day, held.writer",
    )
    .bind(wanted)
    .bind(writer)
    .fetch_all(connection)
    .await?;
    let held = |(stripe, head, exclusions, settled_day, last_writer)| {
        (stripe, HeldStripe { head, has_exclusions: exclusions > 0, settled_day, last_writer })
    };
    Ok(rows.into_iter().map(held).collect())
}

/// The heads of all stripes, by stripe, as the connection's snapshot shows them.
pub async fn heads(connection: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<i64> = sqlx::query_scalar("select head from stripe order by stripe").fetch_all(connection).await?;
    Ok(rows)
}

/// Raises the newest settled day of all stripes to `day`, unless it is that high already. Must not be called inside a
/// transaction. Locks in ascending order like [`hold`], so it waits for writers and never deadlocks with them.
///
/// Writers hold their stripes until they commit. So every writer that stored under the lower day has committed when
/// this returns, and a snapshot begun afterwards shows what was stored; everybody later reads the raised day, and notes
/// what is added to settled days.
pub async fn raise_settled_day(connection: &mut PgConnection, day: NaiveDate) -> Result<(), StoreError> {
    let low = "select exists (select from stripe where settled_day is null or settled_day < $1)";
    let is_low: bool = sqlx::query_scalar(low).bind(day).fetch_one(&mut *connection).await?;
    if is_low {
        sqlx::query(
            "with held as (select stripe from stripe order by stripe for update)
             update stripe set settled_day = greatest(stripe.settled_day, $1) from held
             where stripe.stripe = held.stripe",
        )
        .bind(day)
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// The newest day that is settled in all stripes, as the connection's snapshot shows them. There is one once
/// [`raise_settled_day`] has returned, unless a rebuild came between.
pub async fn settled_day(connection: &mut PgConnection) -> Result<NaiveDate, StoreError> {
    let least = "select case when bool_and(settled_day is not null) then min(settled_day) end from stripe";
    let day: Option<NaiveDate> = sqlx::query_scalar(least).fetch_one(connection).await?;
    day.ok_or_else(|| StoreError::Settings("the counts were rebuilt while the run began; run it again".to_owned()))
}
