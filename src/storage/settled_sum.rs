//! Sums of settled days that are kept from run to run: `settled_sum_head` says what they stand for, `settled_sum` has
//! them, packed.
//!
//! Kept sums of heads `h` and settled day `s` are exact together with the rows of `late_count` that are newer than `h`:
//! every writer that is not in the snapshot of `h` noted all that it added to days up to `s` (see
//! [`super::stripe::raise_settled_day`]), and nothing newer than `h` is deleted as long as they are kept.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};

use super::packing::{Packed, put};
use super::window_sum::{SumPlan, Sums};
use super::{StoreError, late_count};
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::domain::window::{DaySpan, Window};

/// Subjects in one row.
const CHUNK_SUBJECTS: usize = 1_000;
/// Rows written with one statement.
const WRITE_CHUNKS: usize = 32;

/// What sums of settled days stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumHead {
    /// The score date of the windows.
    pub date: NaiveDate,
    /// The newest day that is summed.
    pub settled_day: NaiveDate,
    /// The heads of the stripes whose counts are summed, by stripe.
    pub heads: Vec<i64>,
    /// The plans of all kinds as text, one a line.
    plan: String,
}

impl SumHead {
    pub fn new(date: NaiveDate, settled_day: NaiveDate, heads: Vec<i64>, plans: &[SumPlan]) -> SumHead {
        let plan = plans.iter().map(SumPlan::to_string).collect::<Vec<_>>().join("\n");
        SumHead { date, settled_day, heads, plan }
    }

    pub fn plans(&self) -> Result<Vec<SumPlan>, StoreError> {
        self.plan.lines().map(str::parse).collect()
    }

    /// The days of a window that are summed.
    pub fn settled_days(&self, window: Window) -> Option<DaySpan> {
        window.days(self.date).split_after(self.settled_day).0
    }

    /// Whether these sums become those of `later` by what came late and by the days that differ.
    pub fn leads_to(&self, later: &SumHead) -> bool {
        self.plan == later.plan && self.settled_day <= later.settled_day && knows(&later.heads, &self.heads)
    }
}

/// Whether who knows `heads` knows all that `others` stand for.
fn knows(heads: &[i64], others: &[i64]) -> bool {
    heads.len() == others.len() && heads.iter().zip(others).all(|(head, other)| head >= other)
}

/// Sums of settled days on their way into the tables.
#[derive(Clone, Debug)]
pub struct SettledSums {
    pub head: SumHead,
    chunks: Vec<(SubjectKind, i32, Vec<u8>)>,
}

impl SettledSums {
    /// As yet without any.
    pub fn new(head: SumHead) -> SettledSums {
        SettledSums { head, chunks: Vec::new() }
    }

    /// Adds the sums of one kind, which are packed at once: they wait until the run has computed its cards.
    pub fn add(&mut self, kind: SubjectKind, sums: &Sums) {
        let counted = sums.iter().filter(|(_, sums)| sums.iter().any(|sum| *sum != 0));
        let counted: Vec<(&Id, &[i64])> = counted.collect();
        let packed = (0..).zip(counted.chunks(CHUNK_SUBJECTS)).map(|(chunk, sums)| (kind, chunk, encode(sums)));
        self.chunks.extend(packed);
    }
}

fn encode(subjects: &[(&Id, &[i64])]) -> Vec<u8> {
    let mut packed = Vec::new();
    for (id, sums) in subjects {
        put(&mut packed, id.as_str().len() as i64);
        packed.extend_from_slice(id.as_str().as_bytes());
        sums.iter().for_each(|sum| put(&mut packed, *sum));
    }
    packed
}

/// Unpacks subjects.
fn decode(packed: &[u8], into: &mut Sums) -> Result<(), StoreError> {
    let mut reader = Packed { rest: packed };
    while !reader.rest.is_empty() {
        reader.subject(into).ok_or_else(|| StoreError::Corrupt("packed sums".to_owned()))?;
    }
    Ok(())
}

impl Packed<'_> {
    fn subject(&mut self, into: &mut Sums) -> Option<()> {
        let length = usize::try_from(self.number()?).ok()?;
        let id = Id::stored(std::str::from_utf8(self.bytes(length)?).ok()?);
        for sum in into.of_mut(id) {
            *sum = self.number()?;
        }
        Some(())
    }
}

/// What the kept sums stand for. `None` where none are kept.
pub async fn head(connection: &mut PgConnection) -> Result<Option<SumHead>, StoreError> {
    let row: Option<(NaiveDate, NaiveDate, Vec<i64>, String)> =
        sqlx::query_as("select date, settled_day, heads, plan from settled_sum_head where date is not null")
            .fetch_optional(connection)
            .await?;
    Ok(row.map(|(date, settled_day, heads, plan)| SumHead { date, settled_day, heads, plan }))
}

/// The kept sums of the kind of a plan, which is the one that they were made by.
pub async fn load(connection: &mut PgConnection, plan: &SumPlan) -> Result<Sums, StoreError> {
    let mut sums = Sums::new(plan.sums.len());
    let query = sqlx::query("select sums from settled_sum where subject_kind = $1").bind(plan.kind.code());
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        decode(row.try_get(0)?, &mut sums)?;
    }
    Ok(sums)
}

/// Replaces the kept sums, and deletes the late counts that the new ones include. `false`, and nothing is changed,
/// where what is kept is of a later date or knows something that the new sums do not.
///
/// Runs of different dates may overlap and save in any order. Each reads head, sums and late counts of one moment, so
/// what it computes is exact for that moment, whatever was saved since. The heads that are kept never go down in any
/// stripe, and late counts are deleted up to them at the most: so all that is newer than the heads of sums that may
/// still be saved is there.
///
/// This never waits: while another run saves, or a rebuild forgets, nothing is saved. Must be called in a transaction,
/// which holds the head from then on.
pub async fn save(connection: &mut PgConnection, sums: &SettledSums) -> Result<bool, StoreError> {
    let SettledSums { head, chunks } = sums;
    let kept: Option<(Option<NaiveDate>, Option<Vec<i64>>)> =
        sqlx::query_as("select date, heads from settled_sum_head for update skip locked")
            .fetch_optional(&mut *connection)
            .await?;
    let Some((date, heads)) = kept else { return Ok(false) };
    if date.is_some_and(|date| date > head.date) || heads.is_some_and(|heads| !knows(&head.heads, &heads)) {
        return Ok(false);
    }
    sqlx::query("update settled_sum_head set date = $1, settled_day = $2, heads = $3, plan = $4")
        .bind(head.date)
        .bind(head.settled_day)
        .bind(&head.heads)
        .bind(&head.plan)
        .execute(&mut *connection)
        .await?;
    sqlx::query("delete from settled_sum").execute(&mut *connection).await?;
    for chunks in chunks.chunks(WRITE_CHUNKS) {
        sqlx::query(
            "insert into settled_sum (subject_kind, chunk, sums)
             select * from unnest($1::smallint[], $2::integer[], $3::bytea[])",
        )
        .bind(chunks.iter().map(|(kind, ..)| kind.code()).collect::<Vec<_>>())
        .bind(chunks.iter().map(|(_, chunk, _)| *chunk).collect::<Vec<_>>())
        .bind(chunks.iter().map(|(.., packed)| packed.as_slice()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    late_count::delete_known(connection, &head.heads).await?;
    Ok(true)
}

/// Forgets all sums, since the counts are rebuilt. The transaction holds all stripes, and the heads that it advanced
/// stay as the least that sums must know to be kept: a run that read the old counts saves nothing after this. No day is
/// settled any more, so that a rebuild also mends what a clock that was far ahead has settled.
///
/// The head comes before the other tables, like in [`save`], so that the two never deadlock.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "insert into settled_sum_head (heads) select array_agg(head order by stripe) from stripe
         on conflict (only_row) do update set date = null, settled_day = null, plan = null, heads = excluded.heads",
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query("update stripe set settled_day = null").execute(&mut *connection).await?;
    sqlx::query("truncate settled_sum, late_count").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{CHUNK_SUBJECTS, SettledSums, SumHead, decode, knows};
    use crate::domain::id::Id;
    use crate::domain::subject::SubjectKind;
    use crate::storage::window_sum::Sums;

    #[test]
    fn packed_sums_come_back_without_those_who_have_none_and_broken_ones_do_not() {
        let date = "2026-11-20".parse().expect("a date");
        let mut kept = SettledSums::new(SumHead::new(date, date, Vec::new(), &[]));
        let mut sums = Sums::new(3);
        for number in 0..2 * CHUNK_SUBJECTS as i64 {
            let id = Id::stored(&format!("shop-{number}"));
            sums.of_mut(id).copy_from_slice(&[number, -number, number << 40]);
        }
        kept.add(SubjectKind::Shop, &sums);
        let mut back = Sums::new(3);
        for (_, _, packed) in &kept.chunks {
            decode(packed, &mut back).expect("sound sums");
        }
        let nobody = Id::stored("shop-0");
        let sorted = |sums: &Sums| -> BTreeMap<Id, Vec<i64>> {
            let counted = sums.iter().filter(|(id, _)| **id != nobody);
            counted.map(|(id, sums)| (id.clone(), sums.to_vec())).collect()
        };
        assert_eq!((kept.chunks.len(), back.of(&nobody)), (2, None));
        assert_eq!(sorted(&back), sorted(&sums));
        let packed = &kept.chunks[0].2;
        assert!(decode(&packed[..packed.len() - 1], &mut back).is_err(), "one byte is missing");
        assert!(decode(&[0x03], &mut back).is_err(), "the length of an id is negative");
    }

    #[test]
    fn heads_know_others_that_are_nowhere_higher() {
        assert!(knows(&[1, 2], &[1, 2]) && knows(&[3, 2], &[1, 2]));
        assert!(!knows(&[3, 1], &[1, 2]) && !knows(&[3, 3, 3], &[1, 2]));
    }
}
