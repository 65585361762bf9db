//! What the platform takes out of the score, 剔除 (scoring law §4.6, §8).

use super::event::{Aggregate, AggregateKind};
use super::id::Id;
use super::words::words;

words! {
    /// What can be excluded.
    pub(crate) enum ExclusionTarget {
        Order = "order",
        Review = "review",
        Aftersale = "aftersale",
        Complaint = "complaint",
        Session = "session",
    }
}

impl ExclusionTarget {
    /// Whether the target lives inside an order, which must then be named too.
    pub(crate) fn is_part_of_order(self) -> bool {
        matches!(self, ExclusionTarget::Review | ExclusionTarget::Aftersale | ExclusionTarget::Complaint)
    }
}

/// One excluded thing of one aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exclusion {
    pub target: ExclusionTarget,
    pub id: Id,
}

impl Exclusion {
    /// The aggregate whose fold this exclusion changes. `order_id` is what the request named beside the target.
    pub(crate) fn aggregate(&self, shop_id: Id, order_id: Option<Id>) -> Aggregate {
        let (kind, id) = match self.target {
            ExclusionTarget::Session => (AggregateKind::Session, self.id.clone()),
            ExclusionTarget::Order => (AggregateKind::Order, self.id.clone()),
            _ => (AggregateKind::Order, order_id.unwrap_or_else(|| self.id.clone())),
        };
        Aggregate { shop_id, kind, id }
    }
}
