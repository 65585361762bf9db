//! What the platform takes out of the score, 剔除 (scoring law §4.6, §8).

use super::event::{Aggregate, AggregateKind};
use super::id::Id;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExclusionTarget {
    Order,
    Review,
    Aftersale,
    Complaint,
    Session,
}

impl ExclusionTarget {
    /// Every target with the word on the wire, which rows keep too.
    pub const TABLE: [(ExclusionTarget, &'static str); 5] = [
        (ExclusionTarget::Order, "order"),
        (ExclusionTarget::Review, "review"),
        (ExclusionTarget::Aftersale, "aftersale"),
        (ExclusionTarget::Complaint, "complaint"),
        (ExclusionTarget::Session, "session"),
    ];

    pub fn parse(word: &str) -> Option<ExclusionTarget> {
        ExclusionTarget::TABLE.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    pub fn as_str(self) -> &'static str {
        ExclusionTarget::TABLE[self as usize].1
    }

    /// Whether the target lives inside an order, which must then be named too.
    pub fn is_part_of_order(self) -> bool {
        matches!(self, ExclusionTarget::Review | ExclusionTarget::Aftersale | ExclusionTarget::Complaint)
    }
}

/// One excluded thing of one aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exclusion {
    pub target: ExclusionTarget,
    pub id: Id,
}

impl Exclusion {
    /// The aggregate whose fold this exclusion changes. `order_id` is what the request named beside the target.
    pub fn aggregate(&self, shop_id: Id, order_id: Option<Id>) -> Aggregate {
        let (kind, id) = match self.target {
            ExclusionTarget::Session => (AggregateKind::Session, self.id.clone()),
            ExclusionTarget::Order => (AggregateKind::Order, self.id.clone()),
            _ => (AggregateKind::Order, order_id.unwrap_or_else(|| self.id.clone())),
        };
        Aggregate { shop_id, kind, id }
    }
}
