//! Aggregates: what events speak of, and what is folded as a unit.

use super::id::Id;
use super::words::words;

/// One order, IM session or product of one shop: the unit that is folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregate {
    pub shop_id: Id,
    pub kind: AggregateKind,
    pub id: Id,
}

words! {
    /// What an event speaks of.
    pub enum AggregateKind {
        Order = "order",
        Session = "session",
        Product = "product",
    }
}

impl AggregateKind {
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
