//! Rows of `aggregate`: each an order, session or product with all its events. Storing, loading by key, removing, and walking
//! over many.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use tokio::sync::mpsc;

use super::StoreError;
use super::new_aggregate::by_aggregate;
use super::packed_event::{NewEvent, PackedEvent, unpack};
use crate::domain::event::{Aggregate, AggregateKind, Event};
use crate::domain::id::Id;

/// Stores aggregates of which nothing is stored yet; the caller holds their stripes and has looked.
pub(crate) async fn insert(connection: &mut PgConnection, events: &[NewEvent<'_>]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into aggregate (shop_id, aggregate_kind, aggregate_id, first_day, last_at, event_count, seq, received_at,
                                paid_days, pickup_days, delivery_days, case_days, session_days, faults, creator_ids, events)
         select * from unnest($1::new_aggregate[])",
    )
    .bind(by_aggregate(events))
    .execute(connection)
    .await
    .map_err(|error| match error.as_database_error() {
        Some(refused) if refused.is_unique_violation() => {
            StoreError::Corrupt(format!("aggregates that were not known are there: {refused}"))
        }
        _ => error.into(),
    })?;
    Ok(())
}

/// Appends events to aggregates of which something is stored; the caller holds their stripes and has looked, which spares
/// looking again and locking with `on conflict`.
pub(crate) async fn append(connection: &mut PgConnection, events: &[NewEvent<'_>]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let aggregates = by_aggregate(events);
    let wanted = aggregates.len() as u64;
    let updated = sqlx::query(include_str!("sql/append_events.sql")).bind(aggregates).execute(connection).await?;
    if updated.rows_affected() == wanted {
        Ok(())
    } else {
        Err(StoreError::Corrupt(format!("{wanted} aggregates were known, and {} are there", updated.rows_affected())))
    }
}

fn texts<'a>(aggregates: &[&'a Aggregate], text: fn(&'a Aggregate) -> &'a str) -> Vec<&'a str> {
    aggregates.iter().map(|aggregate| text(aggregate)).collect()
}

fn kinds(aggregates: &[&Aggregate]) -> Vec<i16> {
    aggregates.iter().map(|aggregate| aggregate.kind.code()).collect()
}

/// The packed events of aggregates, read by key; one answer for each, empty where nothing is stored.
pub(crate) async fn packed(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut found = vec![Vec::new(); aggregates.len()];
    if aggregates.is_empty() {
        return Ok(found);
    }
    let rows = sqlx::query(
        "select key.ordinal, kept.events
         from unnest($1::text[], $2::smallint[], $3::text[]) with ordinality
             as key (shop_id, aggregate_kind, aggregate_id, ordinal)
         cross join lateral (
             select events from aggregate
             where aggregate.shop_id = key.shop_id collate \"C\"
               and aggregate.aggregate_kind = key.aggregate_kind
               and aggregate.aggregate_id = key.aggregate_id collate \"C\"
             offset 0
         ) kept",
    )
    .bind(texts(aggregates, |aggregate| aggregate.shop_id.as_str()))
    .bind(kinds(aggregates))
    .bind(texts(aggregates, |aggregate| aggregate.id.as_str()))
    .fetch_all(connection)
    .await?;
    for row in rows {
        found[row.try_get::<i64, _>(0)? as usize - 1] = row.try_get(1)?;
    }
    Ok(found)
}

/// Removes events by identity, and aggregates of which none is left.
pub(crate) async fn remove(connection: &mut PgConnection, events: &[&Event]) -> Result<(), StoreError> {
    let going: BTreeSet<(&Aggregate, &str)> = events.iter().map(|one| (&one.aggregate, one.id.as_str())).collect();
    let mut aggregates: Vec<&Aggregate> = going.iter().map(|(aggregate, _)| *aggregate).collect();
    aggregates.dedup();
    let packed = packed(connection, &aggregates).await?;
    sqlx::query(
        "delete from aggregate using unnest($1::text[], $2::smallint[], $3::text[]) as key (shop_id, aggregate_kind, aggregate_id)
         where aggregate.shop_id = key.shop_id collate \"C\" and aggregate.aggregate_kind = key.aggregate_kind
           and aggregate.aggregate_id = key.aggregate_id collate \"C\"",
    )
    .bind(texts(&aggregates, |aggregate| aggregate.shop_id.as_str()))
    .bind(kinds(&aggregates))
    .bind(texts(&aggregates, |aggregate| aggregate.id.as_str()))
    .execute(&mut *connection)
    .await?;
    let mut staying: Vec<(Event, PackedEvent<'_>)> = Vec::new();
    for (aggregate, packed) in aggregates.iter().copied().zip(&packed) {
        for one in unpack(packed)?.into_iter().filter(|one| !going.contains(&(aggregate, one.event_id))) {
            staying.push((one.event(aggregate)?, one));
        }
    }
    let again = staying.iter().map(|(event, PackedEvent { received_at, seq, key_id, .. })| NewEvent {
        event,
        received_at: *received_at,
        seq: *seq,
        key_id: *key_id,
    });
    insert(connection, &again.collect::<Vec<_>>()).await
}

/// The aggregate of a row with its shop, its kind and its id.
pub(crate) fn aggregate_of_row(row: &PgRow) -> Result<Aggregate, StoreError> {
    let (shop_id, kind, id): (&str, i16, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let kind = AggregateKind::from_code(kind)
        .ok_or_else(|| StoreError::Corrupt(format!("aggregate kind {kind} of shop {shop_id}")))?;
    Ok(Aggregate { shop_id: Id::stored(shop_id), kind, id: Id::stored(id) })
}

/// Reads every aggregate with all its events, in key order, and sends them in parcels. Ends early when the receiver is
/// gone any more.
pub(crate) async fn send_all(
    connection: &mut PgConnection,
    parcels: mpsc::Sender<Vec<(Aggregate, Vec<Event>)>>,
    parcel_size: usize,
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(
        "select shop_id, aggregate_kind, aggregate_id, events from aggregate
         order by shop_id, aggregate_kind, aggregate_id",
    )
    .fetch(connection);
    let mut parcel: Vec<(Aggregate, Vec<Event>)> = Vec::with_capacity(parcel_size);
    while let Some(row) = rows.try_next().await? {
        let aggregate = aggregate_of_row(&row)?;
        let events: Result<Vec<Event>, StoreError> =
            unpack(row.try_get(3)?)?.iter().map(|one| one.event(&aggregate)).collect();
        parcel.push((aggregate, events?));
        if parcel.len() >= parcel_size && parcels.send(std::mem::take(&mut parcel)).await.is_err() {
            return Ok(());
        }
    }
    // A receiver that is gone needs no last parcel.
    let _ = parcels.send(parcel).await;
    Ok(())
}

/// About how many aggregates there are, as PostgreSQL's statistics have it; exactly, where they know of none.
pub(crate) async fn estimate(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let aggregates: i64 = sqlx::query_scalar(
        "select coalesce(nullif(greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)), 0),
                         (select count(*) from aggregate))
         from pg_class where oid = 'aggregate'::regclass",
    )
    .fetch_one(connection)
    .await?;
    Ok(aggregates.try_into().unwrap_or_default())
}
