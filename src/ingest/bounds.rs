//! What senders may do: how much an aggregate holds of whom, and whom merchants may credit.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::PgConnection;

use super::SentEvent;
use super::recent::KnownSubjects;
use crate::context::Context;
use crate::domain::event::{AGGREGATE_BYTES_MAX, AGGREGATE_EVENTS_MAX, MERCHANTS_EVENTS_MAX, Relay};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::event::StoredEvent;
use crate::storage::{StoreError, registry};

/// The events of a group, those of which credit nobody that name a creator whom their sender may not credit: a key bound to
/// shops, without `events:relay`, credits none, or only registered ones where the operator lets it.
pub(super) async fn credited<'a>(
    connection: &mut PgConnection,
    events: &[&'a SentEvent],
    context: &Context,
    known: &KnownSubjects,
) -> Result<Vec<Cow<'a, SentEvent>>, StoreError> {
    let named = |sent: &'a SentEvent| sent.event.fact.creator_id().filter(|_| sent.relay == Relay::MerchantOnly);
    let creator = |id: &Id| Subject { kind: SubjectKind::Creator, id: id.clone() };
    let mut uncredited: BTreeSet<Id> = events.iter().filter_map(|sent| named(sent)).cloned().collect();
    if context.intake.merchants_name_creators && !uncredited.is_empty() {
        let unsure = known.unknown(uncredited.iter().map(creator));
        let registered = registry::registered(connection, &unsure).await?;
        uncredited = unsure.into_iter().filter(|subject| !registered.contains(subject)).map(|one| one.id).collect();
    }
    let credit = |sent: &'a SentEvent| match named(sent) {
        Some(id) if uncredited.contains(id) => {
            Cow::Owned(SentEvent { event: Arc::new(sent.event.without_credit()), ..sent.clone() })
        }
        _ => Cow::Borrowed(sent),
    };
    Ok(events.iter().map(|sent| credit(sent)).collect())
}

/// How much room an aggregate has left.
pub(super) struct Room {
    events: usize,
    of_merchants: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn of(stored: &[StoredEvent]) -> Room {
        Room {
            events: AGGREGATE_EVENTS_MAX.saturating_sub(stored.len()),
            of_merchants: MERCHANTS_EVENTS_MAX.saturating_sub(stored.iter().filter(|one| one.is_merchants).count()),
            bytes: AGGREGATE_BYTES_MAX.saturating_sub(stored.iter().map(|one| one.data_bytes).sum()),
        }
    }

    /// Takes the room of an event; `false` where there is none.
    pub(super) fn take(&mut self, sent: &SentEvent) -> bool {
        let of_merchants = usize::from(sent.relay == Relay::MerchantOnly);
        let bytes = sent.event.data.len();
        if self.events == 0 || self.of_merchants < of_merchants || self.bytes < bytes {
            return false;
        }
        self.events -= 1;
        self.of_merchants -= of_merchants;
        self.bytes -= bytes;
        true
    }
}
