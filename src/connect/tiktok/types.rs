//! What each type of TikTok Shop's messages becomes, and each status in it. These tables are the ones that docs/connectors.md shows.

use crate::domain::event_type::EventType;

/// What a message makes events of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// An order's new status.
    Order,
    /// A return's new status.
    Return,
    /// A product's new status.
    Product,
    Nothing,
}

/// The row of a type.
pub(super) fn row(tag: &str) -> Option<Made> {
    match tag {
        "1" => Some(Made::Order),
        "12" => Some(Made::Return),
        "5" => Some(Made::Product),
        // Addresses, parcels (their orders tell the same), access of the app, cancellations (the order tells the same), chats.
        "3" | "4" | "6" | "7" | "11" | "13" | "14" => Some(Made::Nothing),
        _ => None,
    }
}

/// What a status says, where it is known: an event, or nothing that counts.
pub(super) fn of_order(status: &str) -> Option<Option<EventType>> {
    match status {
        // Paid; the platform holds it back for an hour, or it waits for the seller.
        "ON_HOLD" | "AWAITING_SHIPMENT" => Some(Some(EventType::OrderPaid)),
        "AWAITING_COLLECTION" => Some(Some(EventType::OrderShipped)),
        "IN_TRANSIT" => Some(Some(EventType::OrderPickedUp)),
        "DELIVERED" => Some(Some(EventType::OrderSigned)),
        "COMPLETED" => Some(Some(EventType::OrderConfirmed)),
        "CANCELLED" | "CANCEL" => Some(Some(EventType::OrderCancelled)),
        "UNPAID" | "PARTIALLY_SHIPPING" => Some(None),
        _ => None,
    }
}

/// What the status of a return says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaseStep {
    Opened,
    Responded,
    AwaitingMerchant,
    Completed(&'static str),
}

#[rustfmt::skip]
pub(super) fn of_return(status: &str) -> Option<CaseStep> {
    match status {
        "RETURN_OR_REFUND_REQUEST_PENDING" | "REPLACEMENT_REQUEST_PENDING" => Some(CaseStep::Opened),
        "REFUND_OR_RETURN_REQUEST_REJECT" | "REPLACEMENT_REQUEST_REJECT" | "REJECT_RECEIVE_PACKAGE" | "AWAITING_BUYER_SHIP"
        | "AWAITING_BUYER_RESPONSE" | "REPLACEMENT_REQUEST_REFUND_SUCCESS_PENDING" => Some(CaseStep::Responded),
        "BUYER_SHIPPED_ITEM" => Some(CaseStep::AwaitingMerchant),
        "RETURN_OR_REFUND_REQUEST_SUCCESS" | "RETURN_OR_REFUND_REQUEST_COMPLETE" | "REPLACEMENT_REQUEST_REFUND_SUCCESS" => Some(CaseStep::Completed("refunded")),
        "REPLACEMENT_REQUEST_COMPLETE" => Some(CaseStep::Completed("exchanged")),
        "RETURN_OR_REFUND_REQUEST_CANCEL" | "REPLACEMENT_REQUEST_CANCEL" => Some(CaseStep::Completed("withdrawn")),
        _ => None,
    }
}

/// What a product's status says.
pub(super) fn of_product(status: &str) -> Option<Option<EventType>> {
    match status {
        "ACTIVATE" | "LIVE" => Some(Some(EventType::ProductListed)),
        "SELLER_DEACTIVATED" | "PLATFORM_DEACTIVATED" | "FREEZE" | "DELETED" => Some(Some(EventType::ProductDelisted)),
        "DRAFT" | "PENDING" | "FAILED" => Some(None),
        _ => None,
    }
}
