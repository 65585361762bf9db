//! Packing the events of a version that kept each in a row of its own: from `event_row` to `aggregate`, in key order and in
//! steps, each a transaction. A start that was broken off goes on where it ended; two processes that start together take turns.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use super::aggregate::{aggregate_of_row, insert};
use super::packed_event::{NewEvent, event_of_row, sent_data};
use super::{Store, StoreError};
use crate::domain::event::Event;

/// Rows that one step reads. An aggregate has fewer, so every step packs whole ones.
const STEP_ROWS: usize = 5_000;
/// How often it is said how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Whether events of an older version are still to be packed.
pub(super) async fn is_pending(connection: &mut PgConnection) -> Result<bool, StoreError> {
    // A table is read, and not a name looked up: a backend may remember a name for a moment after another process dropped it.
    let pending = sqlx::query_scalar(
        "select exists (select from pg_class where relname = 'event_row' and relnamespace = current_schema()::regnamespace)",
    );
    Ok(pending.fetch_one(connection).await?)
}

impl Store {
    /// Packs what is still unpacked, and says how long it takes.
    pub(super) async fn repack(&self) -> Result<(), StoreError> {
        let mut connection = self.run.acquire().await?;
        if !is_pending(&mut connection).await? {
            return Ok(());
        }
        let all: i64 =
            sqlx::query_scalar("select greatest(reltuples, 0)::bigint from pg_class where relname = 'event_row'")
                .fetch_one(&mut *connection)
                .await?;
        tracing::info!(events = all, "packing the events of the version before; nothing is served until that is done");
        let (began, mut told, mut packed) = (Instant::now(), Instant::now(), 0);
        while let Some(events) = step(&mut connection).await? {
            packed += events;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                let per_second = packed as f64 / began.elapsed().as_secs_f64();
                let left = Duration::from_secs_f64((all - packed as i64).max(0) as f64 / per_second.max(1.0));
                tracing::info!(packed, per_second = per_second as u64, seconds_left = left.as_secs(), "packing events");
            }
        }
        sqlx::query("analyze aggregate").execute(&mut *connection).await?;
        tracing::info!(packed, seconds = began.elapsed().as_secs(), "the events are packed");
        Ok(())
    }
}

/// Packs the next aggregates; `None` when there is nothing left. What is packed stays in the old table until all is.
async fn step(connection: &mut PgConnection) -> Result<Option<usize>, StoreError> {
    let mut transaction = connection.begin().await?;
    // Who waits here for another process sees how far that came.
    sqlx::query("lock table aggregate in share row exclusive mode").execute(&mut *transaction).await?;
    if !is_pending(&mut transaction).await? {
        return Ok(None);
    }
    // They are packed in key order, and nobody else writes yet.
    let last: Option<(String, i16, String)> = sqlx::query_as(
        "select shop_id, aggregate_kind, aggregate_id from aggregate
         order by shop_id desc, aggregate_kind desc, aggregate_id desc limit 1",
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let (shop_id, kind, id) = last.unwrap_or_default();
    let rows = sqlx::query(
        "select shop_id, aggregate_kind, aggregate_id, type, time, event_id, data::text, coalesce(uncredited, false),
                received_at, seq, key_id
         from event_row
         where (shop_id, aggregate_kind, aggregate_id) > ($1, $2, $3)
         order by shop_id, aggregate_kind, aggregate_id limit $4",
    )
    .bind(shop_id)
    .bind(kind)
    .bind(id)
    .bind(STEP_ROWS as i64)
    .fetch_all(&mut *transaction)
    .await?;
    let is_last = rows.len() < STEP_ROWS;
    let mut unpacked = rows.iter().map(Unpacked::of_row).collect::<Result<Vec<_>, _>>()?;
    if !is_last && let Some(cut) = unpacked.last().map(|last| last.event.aggregate.clone()) {
        // There may be more of the last one than the step read.
        unpacked.retain(|one| one.event.aggregate != cut);
        if unpacked.is_empty() {
            return Err(StoreError::Corrupt(format!("{cut:?} has more than {STEP_ROWS} events")));
        }
    }
    // In the order of arrival, as they would have been appended.
    unpacked.sort_by_key(|one| (one.seq, one.received_at));
    let events: Vec<NewEvent<'_>> = unpacked.iter().map(Unpacked::packed).collect();
    insert(&mut transaction, &events).await?;
    if is_last {
        // The function served an index of that table alone.
        let end = "drop table event_row; drop function if exists deliver_by(json); alter table aggregate set (fillfactor = 70)";
        sqlx::raw_sql(end).execute(&mut *transaction).await?;
    }
    let packed = unpacked.len();
    transaction.commit().await?;
    Ok(Some(packed))
}

/// An event as the version before kept it.
struct Unpacked {
    event: Event,
    received_at: DateTime<Utc>,
    seq: i64,
    key_id: Option<i32>,
}

impl Unpacked {
    fn of_row(row: &PgRow) -> Result<Unpacked, StoreError> {
        let aggregate = aggregate_of_row(row)?;
        let data = (sent_data(&aggregate, row.try_get(6)?), row.try_get(7)?);
        let event = event_of_row(&aggregate, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, data)?;
        Ok(Unpacked { event, received_at: row.try_get(8)?, seq: row.try_get(9)?, key_id: row.try_get(10)? })
    }

    fn packed(&self) -> NewEvent<'_> {
        let Unpacked { event, received_at, seq, key_id } = self;
        NewEvent { event, received_at: *received_at, seq: *seq, key_id: *key_id }
    }
}
