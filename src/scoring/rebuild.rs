//! Counts from events: the rebuild that replaces them, and the verification that compares.
//!
//! Both fold every aggregate once with the same function that ingest uses, so that law 3 (counts kept = counts rebuilt)
//! is a statement about ingest and not about two ways of counting.

use std::collections::HashMap;

use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;

use super::settled;
use crate::domain::calendar::Calendar;
use crate::domain::count::CountChanges;
use crate::domain::event::{Aggregate, Event};
use crate::domain::exclusion::Exclusion;
use crate::domain::fold::fold;
use crate::domain::tally::Folded;
use crate::storage::count::{self, CountTables};
use crate::storage::stripe::{self, STRIPES};
use crate::storage::{Store, StoreError, aggregate, comparison, counting, excluded, snapshot};

/// Rows of counts gathered before they are written.
const FLUSH_ROWS: usize = 20_000;
/// Aggregates handed over at a time, and how many such parcels may wait.
const PARCEL_AGGREGATES: usize = 1_000;
const PARCELS_WAITING: usize = 8;
/// Differences that a verification spells out.
pub const DIFFERENCES_SHOWN: i64 = 20;

/// Told how many orders, sessions and products are counted, and about how many there are.
pub type Watch<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// For those who do not want to know.
pub fn unwatched(_: u64, _: u64) {}

/// Rebuilds all counts under `calendar`, in one transaction, and forgets the sums of the old ones. Writers are told
/// to come back meanwhile, and runs wait for the end. Returns the number of aggregates folded.
pub async fn rebuild(store: &Store, calendar: &Calendar, watch: Watch<'_>) -> Result<u64, StoreError> {
    let mut writer = store.run.acquire().await?;
    let mut transaction = writer.begin().await?;
    // This transaction holds all stripes and is the only writer, so the second connection reads a database at rest.
    stripe::hold(&mut transaction, &(0..STRIPES as i16).collect()).await?;
    snapshot::disable_idle_timeout(&mut transaction).await?;
    let mut reader = store.run.acquire().await?;
    let exclusions = excluded::all_active(&mut reader).await?;
    count::truncate(&mut transaction).await?;
    let folded = count_everything(&mut transaction, &mut reader, &count::KEPT, (&exclusions, calendar), watch).await?;
    counting::note(&mut transaction, calendar.zone()).await?;
    transaction.commit().await?;
    Ok(folded)
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    pub aggregates: u64,
    /// The first differences, in words.
    pub differences: Vec<String>,
    /// Rows that differ in all, and sums.
    pub differing_rows: i64,
}

/// Compares the kept counts with counts rebuilt from events, and the kept sums with sums of the kept counts, all of one
/// moment. Writers are not held up.
pub async fn verify(store: &Store, calendar: &Calendar, watch: Watch<'_>) -> Result<Verification, StoreError> {
    let mut keeper = store.run.acquire().await?;
    let (mut transaction, moment) = snapshot::begin_shared(&mut keeper).await?;
    let mut other = store.run.acquire().await?;
    let mut reader = snapshot::begin_at(&mut other, &moment).await?;
    let exclusions = excluded::all_active(&mut reader).await?;
    snapshot::disable_idle_timeout(&mut transaction).await?;
    comparison::create_rebuilt(&mut transaction).await?;
    let aggregates =
        count_everything(&mut transaction, &mut reader, &count::REBUILT, (&exclusions, calendar), watch).await?;
    let (mut differences, mut differing_rows) = comparison::differences(&mut transaction, DIFFERENCES_SHOWN).await?;
    let of_sums = settled::differences(&mut transaction, DIFFERENCES_SHOWN).await?;
    differences.extend(of_sums.0);
    differing_rows += of_sums.1;
    reader.rollback().await?;
    transaction.rollback().await?;
    Ok(Verification { aggregates, differences, differing_rows })
}

/// Folds every aggregate that `reader` sees and adds what it counts for through `writer`.
async fn count_everything(
    writer: &mut PgConnection,
    reader: &mut PgConnection,
    tables: &CountTables,
    (exclusions, calendar): (&HashMap<Aggregate, Vec<Exclusion>>, &Calendar),
    watch: Watch<'_>,
) -> Result<u64, StoreError> {
    let all = aggregate::estimate(reader).await?;
    let (parcels, mut arriving) = mpsc::channel::<Vec<(Aggregate, Vec<Event>)>>(PARCELS_WAITING);
    let reading = aggregate::send_all(reader, parcels, PARCEL_AGGREGATES);
    let counting = async {
        let mut folded = 0;
        let mut changes = CountChanges::default();
        while let Some(parcel) = arriving.recv().await {
            for (aggregate, events) in &parcel {
                let excluded = exclusions.get(aggregate).map(Vec::as_slice).unwrap_or_default();
                let after = fold(aggregate.kind, events.iter(), excluded, calendar);
                changes.replace(aggregate, &Folded::default(), &after, calendar);
                folded += 1;
            }
            watch(folded, all);
            if changes.rows() >= FLUSH_ROWS {
                count::add(writer, tables, std::mem::take(&mut changes), None).await?;
            }
        }
        count::add(writer, tables, changes, None).await?;
        Ok::<u64, StoreError>(folded)
    };
    let (read, counted) = tokio::join!(reading, counting);
    read?;
    counted
}
