//! Events: what happened, typed (scoring law §3).

use chrono::{DateTime, Utc};

use super::id::Id;

/// What an event speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateKind {
    Order,
    Session,
    Product,
}

impl AggregateKind {
    pub const ALL: [AggregateKind; 3] = [AggregateKind::Order, AggregateKind::Session, AggregateKind::Product];

    /// The number under which rows keep the kind.
    pub fn code(self) -> i16 {
        match self {
            AggregateKind::Order => 1,
            AggregateKind::Session => 2,
            AggregateKind::Product => 3,
        }
    }

    pub fn from_code(code: i16) -> Option<AggregateKind> {
        AggregateKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The field of `data` that names the aggregate.
    pub fn field(self) -> &'static str {
        match self {
            AggregateKind::Order => "order_id",
            AggregateKind::Session => "session_id",
            AggregateKind::Product => "product_id",
        }
    }
}

/// One order, IM session or product of one shop: the unit that is folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregate {
    pub shop_id: Id,
    pub kind: AggregateKind,
    pub id: Id,
}

/// An event that was parsed and found sound. Its identity is (`aggregate`, `id`).
#[derive(Clone, Debug)]
pub struct Event {
    pub aggregate: Aggregate,
    pub id: Id,
    /// When it happened, to the microsecond.
    pub time: DateTime<Utc>,
    pub fact: Fact,
    /// `data` as JSON text, unknown fields included.
    pub data: String,
}

impl Event {
    /// The order of the law: by time, then by id as bytes.
    pub fn precedence(&self) -> (DateTime<Utc>, &Id) {
        (self.time, &self.id)
    }
}

/// The most events that one aggregate holds (scoring law §4.7).
pub const AGGREGATE_EVENTS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    Physical,
    Virtual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AftersaleKind {
    RefundOnly,
    ReturnRefund,
    Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AftersaleReason {
    Quality,
    Logistics,
    WrongItem,
    NoLongerWanted,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AftersaleOutcome {
    Refunded,
    Exchanged,
    Rejected,
    Withdrawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liable {
    Merchant,
    Buyer,
    Platform,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Human,
    Bot,
}

/// What `order.paid` says of its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAttributes {
    pub product_id: Id,
    pub kind: OrderKind,
    pub creator_id: Option<Id>,
    pub presale: bool,
    pub needs_shipping: bool,
}

/// The content of an event by type, as far as the law reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    OrderPaid(OrderAttributes),
    OrderShipped,
    OrderPickedUp,
    OrderSigned,
    OrderConfirmed,
    OrderCancelled,
    ReviewPosted {
        review_id: Id,
        product_stars: u8,
        service_stars: Option<u8>,
    },
    ReviewRevised,
    AftersaleOpened {
        aftersale_id: Id,
        kind: AftersaleKind,
        reason: AftersaleReason,
    },
    AftersaleAwaitingMerchant {
        aftersale_id: Id,
    },
    AftersaleMerchantResponded {
        aftersale_id: Id,
    },
    AftersaleCompleted {
        aftersale_id: Id,
        outcome: AftersaleOutcome,
    },
    ArbitrationDecided {
        aftersale_id: Id,
        liable: Liable,
    },
    ComplaintFiled {
        complaint_id: Id,
    },
    ComplaintWithdrawn {
        complaint_id: Id,
    },
    SessionStarted {
        channel: Channel,
        creator_id: Option<Id>,
    },
    SessionReplied,
    SessionRated {
        stars: u8,
    },
    ProductListed,
    ProductDelisted,
    /// `event.retracted`: the event of this id, in the same aggregate, counts as never sent.
    Retracted {
        event_id: Id,
    },
}

/// The event types by their names on the wire. `code` is the number under which rows keep the type; it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    OrderPaid,
    OrderShipped,
    OrderPickedUp,
    OrderSigned,
    OrderConfirmed,
    OrderCancelled,
    ReviewPosted,
    ReviewRevised,
    AftersaleOpened,
    AftersaleAwaitingMerchant,
    AftersaleMerchantResponded,
    AftersaleCompleted,
    ArbitrationDecided,
    ComplaintFiled,
    ComplaintWithdrawn,
    SessionStarted,
    SessionReplied,
    SessionRated,
    ProductListed,
    ProductDelisted,
    Retracted,
}

impl EventType {
    /// Every type with its code and its name.
    pub const TABLE: [(EventType, i16, &'static str); 21] = [
        (EventType::OrderPaid, 1, "order.paid"),
        (EventType::OrderShipped, 2, "order.shipped"),
        (EventType::OrderPickedUp, 3, "order.picked_up"),
        (EventType::OrderSigned, 4, "order.signed"),
        (EventType::OrderConfirmed, 5, "order.confirmed"),
        (EventType::OrderCancelled, 6, "order.cancelled"),
        (EventType::ReviewPosted, 7, "review.posted"),
        (EventType::ReviewRevised, 8, "review.revised"),
        (EventType::AftersaleOpened, 9, "aftersale.opened"),
        (EventType::AftersaleAwaitingMerchant, 10, "aftersale.awaiting_merchant"),
        (EventType::AftersaleMerchantResponded, 11, "aftersale.merchant_responded"),
        (EventType::AftersaleCompleted, 12, "aftersale.completed"),
        (EventType::ArbitrationDecided, 13, "arbitration.decided"),
        (EventType::ComplaintFiled, 14, "complaint.filed"),
        (EventType::ComplaintWithdrawn, 15, "complaint.withdrawn"),
        (EventType::SessionStarted, 16, "im.session_started"),
        (EventType::SessionReplied, 17, "im.replied"),
        (EventType::SessionRated, 18, "im.rated"),
        (EventType::ProductListed, 19, "product.listed"),
        (EventType::ProductDelisted, 20, "product.delisted"),
        (EventType::Retracted, 21, "event.retracted"),
    ];

    pub fn parse(name: &str) -> Option<EventType> {
        EventType::TABLE.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    pub fn from_code(code: i16) -> Option<EventType> {
        EventType::TABLE.iter().find(|row| row.1 == code).map(|row| row.0)
    }

    pub fn code(self) -> i16 {
        EventType::TABLE[self as usize].1
    }

    pub fn name(self) -> &'static str {
        EventType::TABLE[self as usize].2
    }

    /// Whether buyers or the platform say it, and not the merchant.
    pub fn is_said_by_others(self) -> bool {
        matches!(
            self,
            EventType::ReviewPosted
                | EventType::ReviewRevised
                | EventType::SessionRated
                | EventType::ComplaintFiled
                | EventType::ComplaintWithdrawn
                | EventType::ArbitrationDecided
                | EventType::AftersaleOpened
                | EventType::AftersaleCompleted
        )
    }

    /// The fact of every event of this type, where the type says it all.
    pub fn bare_fact(self) -> Option<Fact> {
        match self {
            EventType::OrderShipped => Some(Fact::OrderShipped),
            EventType::OrderPickedUp => Some(Fact::OrderPickedUp),
            EventType::OrderSigned => Some(Fact::OrderSigned),
            EventType::OrderConfirmed => Some(Fact::OrderConfirmed),
            EventType::OrderCancelled => Some(Fact::OrderCancelled),
            EventType::SessionReplied => Some(Fact::SessionReplied),
            EventType::ProductListed => Some(Fact::ProductListed),
            EventType::ProductDelisted => Some(Fact::ProductDelisted),
            _ => None,
        }
    }

    /// What events of this type speak of; `None` for a retraction, which names its aggregate by the field it carries.
    pub fn aggregate_kind(self) -> Option<AggregateKind> {
        match self {
            EventType::SessionStarted | EventType::SessionReplied | EventType::SessionRated => {
                Some(AggregateKind::Session)
            }
            EventType::ProductListed | EventType::ProductDelisted => Some(AggregateKind::Product),
            EventType::Retracted => None,
            _ => Some(AggregateKind::Order),
        }
    }
}

/// Whose facts a sender may send, and take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Relay {
    #[default]
    Everything,
    /// Not what buyers and the platform say, nor retractions of it.
    MerchantOnly,
}

impl Relay {
    pub fn allows(self, event_type: EventType) -> bool {
        self == Relay::Everything || !event_type.is_said_by_others()
    }
}

impl Fact {
    pub fn event_type(&self) -> EventType {
        match self {
            Fact::OrderPaid(_) => EventType::OrderPaid,
            Fact::OrderShipped => EventType::OrderShipped,
            Fact::OrderPickedUp => EventType::OrderPickedUp,
            Fact::OrderSigned => EventType::OrderSigned,
            Fact::OrderConfirmed => EventType::OrderConfirmed,
            Fact::OrderCancelled => EventType::OrderCancelled,
            Fact::ReviewPosted { .. } => EventType::ReviewPosted,
            Fact::ReviewRevised => EventType::ReviewRevised,
            Fact::AftersaleOpened { .. } => EventType::AftersaleOpened,
            Fact::AftersaleAwaitingMerchant { .. } => EventType::AftersaleAwaitingMerchant,
            Fact::AftersaleMerchantResponded { .. } => EventType::AftersaleMerchantResponded,
            Fact::AftersaleCompleted { .. } => EventType::AftersaleCompleted,
            Fact::ArbitrationDecided { .. } => EventType::ArbitrationDecided,
            Fact::ComplaintFiled { .. } => EventType::ComplaintFiled,
            Fact::ComplaintWithdrawn { .. } => EventType::ComplaintWithdrawn,
            Fact::SessionStarted { .. } => EventType::SessionStarted,
            Fact::SessionReplied => EventType::SessionReplied,
            Fact::SessionRated { .. } => EventType::SessionRated,
            Fact::ProductListed => EventType::ProductListed,
            Fact::ProductDelisted => EventType::ProductDelisted,
            Fact::Retracted { .. } => EventType::Retracted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EventType;

    #[test]
    fn every_event_type_stands_in_its_own_row_of_the_table() {
        for (index, (event_type, code, name)) in EventType::TABLE.into_iter().enumerate() {
            assert_eq!(event_type as usize, index);
            assert_eq!(EventType::from_code(code), Some(event_type));
            assert_eq!(EventType::parse(name), Some(event_type));
        }
    }
}
