//! One group of events through one transaction, and what happens when that fails.

use tracing::Instrument;

use super::arrival::Attempts;
use super::recent::Recent;
use super::retry::retrying;
use super::writer::{rehearse, write};
use super::{Atomicity, Outcome, SentEvent, Unavailable};
use crate::context::Context;
use crate::otel::SPANS;
use crate::storage::StoreError;

/// Writes a group. What passes by itself (lost connections, deadlocks, serialization failures) is tried again. A group
/// that PostgreSQL refuses is split until the event to blame is alone, so that it takes no neighbour along; so is one
/// that is too much for a slow store. The results stand in the order of the events.
pub(crate) async fn write_group(
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &Context,
    recent: &mut Recent,
) -> Vec<Result<Outcome, Unavailable>> {
    let span = tracing::span!(SPANS, "store", events = events.len());
    match try_write(events, atomicity, context, recent).instrument(span).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(StoreError::Data(cause)) if events.len() == 1 || atomicity == Atomicity::AllOrNothing => {
            tracing::warn!(%cause, events = events.len(), "PostgreSQL refused events");
            vec![Ok(Outcome::Refused); events.len()]
        }
        Err(StoreError::Data(_) | StoreError::Corrupt(_) | StoreError::TooSlow(_))
            if events.len() > 1 && atomicity == Atomicity::EachAlone =>
        {
            let (left, right) = events.split_at(events.len() / 2);
            let mut results = Box::pin(write_group(left, atomicity, context, recent)).await;
            results.extend(Box::pin(write_group(right, atomicity, context, recent)).await);
            results
        }
        Err(cause) => {
            tracing::error!(%cause, events = events.len(), "events could not be stored");
            vec![Err(Unavailable); events.len()]
        }
    }
}

/// What would become of events that are sent now; nothing is stored, so no connection of the writers is taken for it.
pub(crate) async fn rehearse_group(events: &[SentEvent], context: &Context) -> Result<Vec<Outcome>, Unavailable> {
    let sent: Vec<&SentEvent> = events.iter().collect();
    let tried: Result<Vec<Outcome>, StoreError> =
        async { retrying!(context.store.read, connection => rehearse(&mut connection, &sent, context)) }.await;
    tried.map_err(|cause| {
        tracing::error!(%cause, events = events.len(), "events could not be compared with what is stored");
        Unavailable
    })
}

async fn try_write(
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &Context,
    recent: &mut Recent,
) -> Result<Vec<Outcome>, StoreError> {
    let mut attempts = Attempts::default();
    retrying!(context.store.ingest, connection => {
        write(&mut connection, events, atomicity, context, &mut attempts, recent)
    })
}
