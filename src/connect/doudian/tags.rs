//! What each tag of Doudian's messages becomes. This table is the one that docs/connectors.md shows.

use crate::domain::event_type::EventType;

/// What a message makes events of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// One event of this type for each sub-order in `s_ids`.
    OfOrders(EventType),
    /// The same, for the sub-orders that the message names as shipped, or all where it names none.
    OfShipped,
    /// An event of an after-sale case: `s_id` and `aftersale_id`.
    OfCase(EventType),
    /// The case, with its kind and its reason.
    OfCaseWithKind(EventType),
    /// The end of a case, with the outcome.
    Completed(&'static str),
    /// The ruling of the platform.
    Ruling,
    /// A product that is put on the shelf or taken off, by `event`.
    Shelf,
    Nothing,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub tags: &'static [&'static str],
    pub made: Made,
    /// The member that tells when it happened: the first that is there. Where none is, the second in the message's id does, or
    /// else the moment of its receipt.
    pub time: &'static [&'static str],
}

impl Row {
    pub(super) fn says_nothing(&self) -> bool {
        self.made == Made::Nothing
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { tags: &["101"], made: Made::OfOrders(EventType::OrderPaid), time: &["pay_time"] },
    Row { tags: &["102"], made: Made::OfOrders(EventType::OrderShipped), time: &["update_time"] },
    Row { tags: &["108"], made: Made::OfShipped, time: &["update_time"] },
    Row { tags: &["103"], made: Made::OfOrders(EventType::OrderConfirmed), time: &["complete_time"] },
    Row { tags: &["106"], made: Made::OfOrders(EventType::OrderCancelled), time: &["cancel_time"] },
    Row { tags: &["200"], made: Made::OfCaseWithKind(EventType::AftersaleOpened), time: &["apply_time"] },
    Row { tags: &["208"], made: Made::OfCaseWithKind(EventType::AftersaleModified), time: &["modify_time"] },
    Row { tags: &["201", "202"], made: Made::OfCase(EventType::AftersaleMerchantResponded), time: &["agree_time"] },
    Row { tags: &["204", "205"], made: Made::OfCase(EventType::AftersaleMerchantResponded), time: &["refuse_time"] },
    Row { tags: &["211", "227"], made: Made::OfCase(EventType::AftersaleMerchantResponded), time: &["agree_time", "refuse_time", "apply_time"] },
    Row { tags: &["203"], made: Made::OfCase(EventType::AftersaleAwaitingMerchant), time: &["return_time"] },
    Row { tags: &["206", "225"], made: Made::Completed("refunded"), time: &["success_time"] },
    Row { tags: &["207"], made: Made::Completed("withdrawn"), time: &["close_time"] },
    Row { tags: &["212", "217"], made: Made::OfCase(EventType::ArbitrationOpened), time: &[] },
    Row { tags: &["216"], made: Made::Ruling, time: &[] },
    Row { tags: &["400"], made: Made::Shelf, time: &["update_time"] },
    // The probe; created, changed amounts, under review, addresses, appointments, notes; deadlines that moved; proofs.
    Row { tags: &["0", "100", "109", "110", "111", "112", "113", "126", "209", "218"], made: Made::Nothing, time: &[] },
];

/// The row of a tag.
pub(super) fn row(tag: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.tags.contains(&tag))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ROWS;

    #[test]
    fn every_tag_has_one_row() {
        let tags: Vec<&&str> = ROWS.iter().flat_map(|row| row.tags).collect();
        assert_eq!(tags.iter().collect::<HashSet<_>>().len(), tags.len());
    }
}
