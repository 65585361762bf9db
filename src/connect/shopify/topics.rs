//! What each topic of Shopify's webhooks becomes. This table is the one that docs/connectors.md shows.

/// What a message makes events of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// The payment of each line item.
    Paid,
    /// The cancellation of each line item.
    Cancelled,
    /// A parcel that left: its line items, and what the carrier says of it so far.
    Parcel,
    /// What the carrier says of a parcel now.
    ParcelStatus,
    /// A scan of the carrier, which names the parcel alone.
    Scan,
    /// Money that goes back for line items.
    Refund,
    /// The buyer asks for a return.
    ReturnRequested,
    /// The merchant agrees to a return, or makes one.
    ReturnApproved,
    /// The merchant refuses a return.
    ReturnDeclined,
    ReturnCancelled,
    /// A product that is on the shelf (`active`) or not.
    Shelf,
    /// A product that is no more.
    Gone,
    Nothing,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub topics: &'static [&'static str],
    pub made: Made,
    /// The member that tells when it happened: the first that is there. Where none is, the moment when the platform sent the message.
    pub time: &'static [&'static str],
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { topics: &["orders/paid"], made: Made::Paid, time: &["updated_at", "processed_at"] },
    Row { topics: &["orders/cancelled"], made: Made::Cancelled, time: &["cancelled_at"] },
    Row { topics: &["fulfillments/create"], made: Made::Parcel, time: &["created_at"] },
    Row { topics: &["fulfillments/update"], made: Made::ParcelStatus, time: &["updated_at"] },
    Row { topics: &["fulfillment_events/create"], made: Made::Scan, time: &["happened_at", "created_at"] },
    Row { topics: &["refunds/create"], made: Made::Refund, time: &["processed_at", "created_at"] },
    Row { topics: &["returns/request"], made: Made::ReturnRequested, time: &["created_at"] },
    Row { topics: &["returns/approve"], made: Made::ReturnApproved, time: &[] },
    Row { topics: &["returns/decline"], made: Made::ReturnDeclined, time: &[] },
    Row { topics: &["returns/cancel"], made: Made::ReturnCancelled, time: &[] },
    Row { topics: &["products/create", "products/update"], made: Made::Shelf, time: &["updated_at"] },
    Row { topics: &["products/delete"], made: Made::Gone, time: &[] },
    // Orders that are made or changed, returns that are changed or closed (the refund tells the end), the shop itself, and requests
    // about buyers, of whom nothing is kept.
    Row { topics: &["orders/create", "orders/updated", "orders/edited", "orders/delete", "orders/fulfilled", "orders/partially_fulfilled",
        "order_transactions/create", "fulfillment_events/delete", "returns/update", "returns/close", "returns/reopen", "app/uninstalled",
        "shop/update", "customers/data_request", "customers/redact", "shop/redact"], made: Made::Nothing, time: &[] },
];

/// The row of a topic.
pub(super) fn row(topic: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.topics.contains(&topic))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ROWS;

    #[test]
    fn every_topic_has_one_row() {
        let topics: Vec<&&str> = ROWS.iter().flat_map(|row| row.topics).collect();
        assert_eq!(topics.iter().collect::<HashSet<_>>().len(), topics.len());
    }
}
