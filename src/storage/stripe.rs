//! Stripes: fixed slices of all shops, the unit that writers lock and that numbers knowledge.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use sqlx::PgConnection;
use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;
use crate::domain::id::Id;

/// How many stripes there are. Events keep numbers per stripe, so this never changes.
pub const STRIPES: u64 = 64;

/// The stripe of a shop (or, for the registry, of a creator).
pub fn stripe_of(id: &Id) -> i16 {
    Striping::NOW.stripe_of(id)
}

/// How ids are spread over stripes. When this changes, a migration raises all heads to the highest of them: then whoever
/// knows the new heads knows all that was stored before, and who knows only old ones nothing that comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Striping {
    /// Bits 32 to 37 of FNV-1a, which the end of an id hardly reaches. Runs of older versions have their heads by it.
    Fnv1a,
    /// The lowest bits of XXH3.
    Xxh3,
}

impl Striping {
    pub const NOW: Striping = Striping::Xxh3;

    pub fn stripe_of(self, id: &Id) -> i16 {
        let bytes = id.as_str().as_bytes();
        let hash = match self {
            Striping::Fnv1a => {
                let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
                bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix) >> 32
            }
            Striping::Xxh3 => xxh3_64(bytes),
        };
        (hash % STRIPES) as i16
    }

    /// The number in `run.striping`.
    pub fn code(self) -> i16 {
        match self {
            Striping::Fnv1a => 1,
            Striping::Xxh3 => 2,
        }
    }

    pub fn from_code(code: i16) -> Option<Striping> {
        [Striping::Fnv1a, Striping::Xxh3].into_iter().find(|striping| striping.code() == code)
    }
}

/// The heads that a run knew.
#[derive(Clone, Debug)]
pub struct Heads {
    pub striping: Striping,
    /// By stripe.
    pub numbers: Vec<i64>,
}

impl Heads {
    /// The head of a shop's stripe.
    pub fn of(&self, shop_id: &Id) -> i64 {
        self.numbers.get(self.striping.stripe_of(shop_id) as usize).copied().unwrap_or_default()
    }
}

/// What a writer holds of one stripe until its transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct HeldStripe {
    /// The number under which this transaction stores.
    pub head: i64,
    /// How many shops of this stripe were ever erased.
    pub erasures: i64,
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
    type Row = (i16, i64, i64, i64, Option<NaiveDate>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "with held as (select stripe, writer from stripe where stripe = any($1) order by stripe for update)
         update stripe set head = stripe.head + 1, writer = $2 from held where stripe.stripe = held.stripe
         returning stripe.stripe, stripe.head, stripe.erasures, stripe.exclusions_made, stripe.settled_day, held.writer",
    )
    .bind(wanted)
    .bind(writer)
    .fetch_all(connection)
    .await?;
    let held = |(stripe, head, erasures, exclusions, settled_day, last_writer)| {
        (stripe, HeldStripe { head, erasures, has_exclusions: exclusions > 0, settled_day, last_writer })
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

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::{STRIPES, Striping, stripe_of};
    use crate::domain::id::Id;

    /// From a number to an id.
    type Shape = fn(usize) -> String;

    fn fullest(ids: impl Iterator<Item = String>) -> f64 {
        let mut of = [0_u32; STRIPES as usize];
        for id in ids {
            of[stripe_of(&Id::parse(&id).expect("an id")) as usize] += 1;
        }
        f64::from(*of.iter().max().expect("stripes")) * STRIPES as f64 / f64::from(of.iter().sum::<u32>())
    }

    #[test]
    fn ids_of_any_shape_fill_all_stripes_alike() {
        let random = |number| format!("{:016x}", StdRng::seed_from_u64(number as u64).next_u64());
        let shapes: [(&str, Shape); 6] = [
            ("padded", |number| format!("shop-{number:05}")),
            ("counting up", |number| format!("s{number}")),
            ("numbers alone", |number| number.to_string()),
            ("19 digits", |number| (3_400_000_000_000_000_000 + 4_096 * number as u64).to_string()),
            ("random", random),
            ("long", |number| format!("{}-{number}", "marketplace".repeat(10))),
        ];
        for (shape, id) in shapes {
            let fullest = fullest((0..10_000).map(id));
            assert!(fullest <= 1.5, "{shape}: the fullest stripe has {fullest:.2} times the mean");
        }
    }

    #[test]
    fn the_stripe_of_an_id_never_changes() {
        let stripes = |striping: Striping| {
            ["shop-0001", "shop-0002", "7301846512093847561", &"s".repeat(128)]
                .map(|id| striping.stripe_of(&Id::parse(id).expect("an id")))
        };
        // Computed by other programs.
        assert_eq!(stripes(Striping::Fnv1a), [20, 20, 9, 55]);
        assert_eq!(stripes(Striping::Xxh3), [19, 56, 36, 31]);
        assert!([1, 2].map(Striping::from_code).iter().flatten().map(|striping| striping.code()).eq([1, 2]));
    }
}
