//! Walking over all aggregates with their events, for rebuilds.

use futures_util::TryStreamExt;
use sqlx::{PgConnection, Row};
use tokio::sync::mpsc;

use super::StoreError;
use super::event::{event_of_row, sent_data};
use crate::domain::event::{Aggregate, AggregateKind, Event};
use crate::domain::id::Id;

/// Reads every aggregate with all its events, in key order, and sends them in parcels. Ends early when the receiver is
/// gone any more.
pub(crate) async fn send_all(
    connection: &mut PgConnection,
    parcels: mpsc::Sender<Vec<(Aggregate, Vec<Event>)>>,
    parcel_size: usize,
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(
        "select shop_id, aggregate_kind, aggregate_id, type, time, event_id, data::text, uncredited from event
         order by shop_id, aggregate_kind, aggregate_id",
    )
    .fetch(connection);
    let mut parcel: Vec<(Aggregate, Vec<Event>)> = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let (shop_id, kind, id): (&str, i16, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let kind = AggregateKind::from_code(kind)
            .ok_or_else(|| StoreError::Corrupt(format!("aggregate kind {kind} of shop {shop_id}")))?;
        let same = parcel
            .last()
            .is_some_and(|(last, _)| last.shop_id.as_str() == shop_id && last.kind == kind && last.id.as_str() == id);
        if !same {
            if parcel.len() >= parcel_size && parcels.send(std::mem::take(&mut parcel)).await.is_err() {
                return Ok(());
            }
            parcel.push((Aggregate { shop_id: Id::stored(shop_id), kind, id: Id::stored(id) }, Vec::new()));
        }
        if let Some((aggregate, events)) = parcel.last_mut() {
            let data = sent_data(aggregate, row.try_get(6)?);
            let data = (data, row.try_get::<Option<bool>, _>(7)? == Some(true));
            events.push(event_of_row(aggregate, row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, data)?);
        }
    }
    // A receiver that is gone needs no last parcel.
    let _ = parcels.send(parcel).await;
    Ok(())
}

/// About how many events there are, as PostgreSQL's statistics have it; exactly, where they know of none.
pub(crate) async fn estimate_events(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let events: i64 = sqlx::query_scalar(
        "select coalesce(nullif(greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)), 0), (select count(*) from event))
         from pg_class where oid = 'event'::regclass",
    )
    .fetch_one(connection)
    .await?;
    Ok(events.try_into().unwrap_or_default())
}
