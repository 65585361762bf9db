//! The words that fields of events can hold.

use super::words::words;

words! {
    /// What an order is about.
    pub enum OrderKind {
        Physical = "physical",
        Virtual = "virtual",
    }
}

words! {
    pub enum AftersaleKind {
        RefundOnly = "refund_only",
        ReturnRefund = "return_refund",
        Exchange = "exchange",
    }
}

words! {
    pub enum AftersaleReason {
        Quality = "quality",
        Logistics = "logistics",
        WrongItem = "wrong_item",
        NoLongerWanted = "no_longer_wanted",
        /// Goods or package arrived broken. Counts as logistics in the metrics of returns.
        Breakage = "breakage",
        Other = "other",
    }
}

words! {
    pub enum AftersaleOutcome {
        Refunded = "refunded",
        Exchanged = "exchanged",
        Rejected = "rejected",
        Withdrawn = "withdrawn",
    }
}

words! {
    /// Who a ruling holds liable.
    pub enum Liable {
        Merchant = "merchant",
        Buyer = "buyer",
        Platform = "platform",
        None = "none",
    }
}

words! {
    /// Who answers a session.
    pub enum Channel {
        Human = "human",
        Bot = "bot",
    }
}
