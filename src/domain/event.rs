//! Events after parsing (scoring law §3), with all that they are made of.

use chrono::{DateTime, Utc};

use super::id::Id;

pub use super::aggregate::{Aggregate, AggregateKind};
pub use super::event_type::{EventDefinition, EventType, Fact, Part, Speaker};
pub use super::event_words::{AftersaleKind, AftersaleOutcome, AftersaleReason, Channel, Liable, OrderKind};

/// An event that was parsed and found sound. Its identity is (`aggregate`, `id`).
#[derive(Clone, Debug)]
pub struct Event {
    pub aggregate: Aggregate,
    pub id: Id,
    /// When it happened, to the microsecond.
    pub time: DateTime<Utc>,
    pub fact: Fact,
    /// `data` as JSON text, as far as it is kept.
    pub data: String,
    /// Whether the creator that `data` names is not credited: the fact names none then.
    pub uncredited: bool,
}

impl Event {
    /// The same event, crediting nobody.
    pub(crate) fn without_credit(&self) -> Event {
        Event { fact: self.fact.without_creator(), uncredited: true, ..self.clone() }
    }

    /// The last moment on whose day it can make anything count.
    pub(crate) fn counts_until(&self) -> DateTime<Utc> {
        self.time.max(self.fact.counts_at(self.time))
    }

    /// The order of the law: by time, then by id as bytes.
    pub fn precedence(&self) -> (DateTime<Utc>, &Id) {
        (self.time, &self.id)
    }
}

/// The most events that one aggregate holds (scoring law §4.7).
pub const AGGREGATE_EVENTS_MAX: usize = 1_000;
/// Of these, what keys bound to shops without `events:relay` may fill.
pub const MERCHANTS_EVENTS_MAX: usize = 200;
/// The most bytes of `data` that the events of one aggregate have together.
pub const AGGREGATE_BYTES_MAX: usize = 256 * 1024;
/// Of these, what keys bound to shops without `events:relay` may fill.
pub const MERCHANTS_BYTES_MAX: usize = AGGREGATE_BYTES_MAX / 2;

/// Whose facts a sender may send, and take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relay {
    #[default]
    Everything,
    /// Not what buyers and the platform say, nor retractions of it.
    MerchantOnly,
}

impl Relay {
    /// Whether events of a type may be sent. What a retraction takes back is looked at by itself.
    pub fn allows(self, event_type: EventType) -> bool {
        match event_type.speaker() {
            Speaker::Merchant | Speaker::WhoSaidIt => true,
            Speaker::Others => self == Relay::Everything,
        }
    }
}

impl Fact {
    /// The moment on whose day it makes something count, having happened at `time`: a promise counts at the moment that it names.
    pub(crate) fn counts_at(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Fact::OrderPromised { deliver_by } => *deliver_by,
            _ => time,
        }
    }

    /// The same fact, naming no creator.
    pub(crate) fn without_creator(&self) -> Fact {
        let mut fact = self.clone();
        if let Fact::OrderPaid { creator_id, .. }
        | Fact::OrderDescribed { creator_id, .. }
        | Fact::SessionStarted { creator_id, .. } = &mut fact
        {
            *creator_id = None;
        }
        fact
    }

    /// The creator to whom the fact's aggregate counts too, as far as this fact says.
    pub fn creator_id(&self) -> Option<&Id> {
        match self {
            Fact::OrderPaid { creator_id, .. }
            | Fact::OrderDescribed { creator_id, .. }
            | Fact::SessionStarted { creator_id, .. } => creator_id.as_ref(),
            Fact::OrderShipped
            | Fact::OrderPickedUp
            | Fact::OrderSigned
            | Fact::OrderConfirmed
            | Fact::OrderCancelled
            | Fact::ReviewPosted { .. }
            | Fact::ReviewRevised { .. }
            | Fact::AftersaleOpened { .. }
            | Fact::AftersaleAwaitingMerchant { .. }
            | Fact::AftersaleMerchantResponded { .. }
            | Fact::AftersaleCompleted { .. }
            | Fact::AftersaleModified { .. }
            | Fact::ArbitrationOpened { .. }
            | Fact::ArbitrationDecided { .. }
            | Fact::ComplaintFiled { .. }
            | Fact::ComplaintWithdrawn { .. }
            | Fact::OrderPromised { .. }
            | Fact::SessionHandedOver
            | Fact::SessionAsked
            | Fact::SessionReplied
            | Fact::SessionRated { .. }
            | Fact::ProductListed
            | Fact::ProductDelisted
            | Fact::Retracted { .. } => None,
        }
    }
}
