//! What senders may do: how much an aggregate holds of whom, and whom merchants may credit.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::PgConnection;

use super::SentEvent;
use super::recent::KnownSubjects;
use crate::context::Context;
use crate::domain::event::{
    AGGREGATE_BYTES_MAX, AGGREGATE_EVENTS_MAX, MERCHANTS_BYTES_MAX, MERCHANTS_EVENTS_MAX, Relay,
};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::event::StoredEvent;
use crate::storage::stripe::HeldStripes;
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
    if context.intake.merchants_name_creators {
        let unsure = known.unknown(uncredited.iter().map(creator), &HeldStripes::new());
        let registered =
            if unsure.is_empty() { BTreeSet::new() } else { registry::registered(connection, &unsure).await? };
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

/// How much room an aggregate has left: of everybody together, and of merchants among them.
pub(super) struct Room {
    all: Space,
    of_merchants: Space,
}

/// So many events, with so many bytes of data.
struct Space {
    events: usize,
    bytes: usize,
}

impl Space {
    fn holds(&self, bytes: usize) -> bool {
        self.events > 0 && self.bytes >= bytes
    }

    fn take(&mut self, bytes: usize) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Room {
    pub(super) fn of(stored: &[StoredEvent]) -> Room {
        let mut room = Room {
            all: Space { events: AGGREGATE_EVENTS_MAX, bytes: AGGREGATE_BYTES_MAX },
            of_merchants: Space { events: MERCHANTS_EVENTS_MAX, bytes: MERCHANTS_BYTES_MAX },
        };
        for one in stored {
            room.all.take(one.event.data.len());
            if one.is_merchants {
                room.of_merchants.take(one.event.data.len());
            }
        }
        room
    }

    /// Takes the room of an event; `false` where there is none.
    pub(super) fn take(&mut self, sent: &SentEvent) -> bool {
        let (bytes, is_merchants) = (sent.event.data.len(), sent.relay == Relay::MerchantOnly);
        if !self.all.holds(bytes) || is_merchants && !self.of_merchants.holds(bytes) {
            return false;
        }
        self.all.take(bytes);
        if is_merchants {
            self.of_merchants.take(bytes);
        }
        true
    }
}
