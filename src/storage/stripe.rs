//! Stripes: fixed slices of all shops, the unit that writers lock and that numbers knowledge.

use std::collections::{BTreeMap, BTreeSet};

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
}

/// The stripes that a transaction holds, by stripe.
pub type HeldStripes = BTreeMap<i16, HeldStripe>;

/// Locks stripes in ascending order and advances their heads. Must be the first statement of a writing transaction, and
/// alone: at READ COMMITTED only a later statement sees what the writer before committed.
pub async fn hold(connection: &mut PgConnection, stripes: &BTreeSet<i16>) -> Result<HeldStripes, StoreError> {
    let wanted: Vec<i16> = stripes.iter().copied().collect();
    let rows: Vec<(i16, i64, i64)> = sqlx::query_as(
        "with held as (select stripe from stripe where stripe = any($1) order by stripe for update)
         update stripe set head = stripe.head + 1 from held where stripe.stripe = held.stripe
         returning stripe.stripe, stripe.head, stripe.exclusions",
    )
    .bind(wanted)
    .fetch_all(connection)
    .await?;
    let held = |(stripe, head, exclusions)| (stripe, HeldStripe { head, has_exclusions: exclusions > 0 });
    Ok(rows.into_iter().map(held).collect())
}

/// The heads of all stripes, by stripe, as the connection's snapshot shows them.
pub async fn heads(connection: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<i64> = sqlx::query_scalar("select head from stripe order by stripe").fetch_all(connection).await?;
    Ok(rows)
}
