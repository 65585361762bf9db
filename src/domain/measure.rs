//! What is counted: the integers kept per subject and business day.
//!
//! A metric is a quotient of sums of these (see [`super::metric`]). Where a bound of the law is an assumption that rule
//! sets may change (how few stars are *bad*), every bound that they may choose has a measure of its own, so that rule
//! sets share one set of counts.

use super::event::EventType;

/// The highest bound that a rule set may choose for bad stars.
pub const BAD_STARS_MAX: u8 = 3;

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $column:literal,)+) => {
        /// One counted integer. The name is also the column's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure { $($(#[$doc])* $variant,)+ }

        impl Measure {
            pub const ALL: [Measure; [$($column),+].len()] = [$(Measure::$variant),+];
            pub const COUNT: usize = Measure::ALL.len();

            pub fn column(self) -> &'static str {
                match self { $(Measure::$variant => $column,)+ }
            }
        }
    };
}

measures! {
    // Cohort day: sign-off.
    SignedOrders = "signed_orders",
    /// Signed orders that have a review.
    Reviews = "reviews",
    ProductStars = "product_stars",
    /// Reviews with at most 1, 2, 3 product stars.
    BadReviews1 = "bad_reviews_1",
    BadReviews2 = "bad_reviews_2",
    BadReviews3 = "bad_reviews_3",
    /// Signed orders whose review has service stars.
    ServiceReviews = "service_reviews",
    BadServiceReviews1 = "bad_service_reviews_1",
    BadServiceReviews2 = "bad_service_reviews_2",
    BadServiceReviews3 = "bad_service_reviews_3",
    /// Signed orders with a quality return, a counted complaint, or a review of at most 1, 2, 3 product stars.
    NegativeOrders1 = "negative_orders_1",
    NegativeOrders2 = "negative_orders_2",
    NegativeOrders3 = "negative_orders_3",
    /// Signed orders that have a pick-up.
    DeliveredOrders = "delivered_orders",
    DeliverySeconds = "delivery_seconds",
    // Cohort day: payment.
    PaidOrders = "paid_orders",
    QualityReturns = "quality_returns",
    LogisticsReturns = "logistics_returns",
    Complaints = "complaints",
    // Cohort day: pick-up.
    PickedUpOrders = "picked_up_orders",
    /// Σ of 70, 20, 10 and 0 by the band of payment → pick-up.
    PickupMarks = "pickup_marks",
    // Cohort day: completion of the case.
    RefundOnlyCases = "refund_only_cases",
    RefundOnlyWaitSeconds = "refund_only_wait_seconds",
    /// Completed cases of kind return_refund or exchange.
    ReturnRefundCases = "return_refund_cases",
    ReturnRefundWaitSeconds = "return_refund_wait_seconds",
    MerchantLiableCases = "merchant_liable_cases",
    // Cohort day: start of the session.
    /// Human sessions started between 08:00:00 and 22:59:59.
    DaytimeSessions = "daytime_sessions",
    QuickReplies = "quick_replies",
    /// Rated human sessions of any hour.
    RatedSessions = "rated_sessions",
    DissatisfiedSessions = "dissatisfied_sessions",
}

impl Measure {
    /// The measures that count what is bad at a bound of 1, 2 and 3 stars.
    pub const BAD_REVIEWS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::BadReviews1, Measure::BadReviews2, Measure::BadReviews3];
    pub const BAD_SERVICE_REVIEWS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::BadServiceReviews1, Measure::BadServiceReviews2, Measure::BadServiceReviews3];
    pub const NEGATIVE_ORDERS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::NegativeOrders1, Measure::NegativeOrders2, Measure::NegativeOrders3];

    /// The types of the events whose instants the amounts go by: an amount's instant is always that of one event of
    /// these types in its aggregate.
    pub fn cohort(self) -> &'static [EventType] {
        use Measure::*;
        match self {
            PaidOrders | QualityReturns | LogisticsReturns | Complaints => &[EventType::OrderPaid],
            PickedUpOrders | PickupMarks => &[EventType::OrderPickedUp],
            RefundOnlyCases
            | RefundOnlyWaitSeconds
            | ReturnRefundCases
            | ReturnRefundWaitSeconds
            | MerchantLiableCases => &[EventType::AftersaleCompleted],
            DaytimeSessions | QuickReplies | RatedSessions | DissatisfiedSessions => &[EventType::SessionStarted],
            SignedOrders | Reviews | ProductStars | BadReviews1 | BadReviews2 | BadReviews3 | ServiceReviews
            | BadServiceReviews1 | BadServiceReviews2 | BadServiceReviews3 | NegativeOrders1 | NegativeOrders2
            | NegativeOrders3 | DeliveredOrders | DeliverySeconds => {
                &[EventType::OrderSigned, EventType::OrderConfirmed]
            }
        }
    }

    /// The types of which an aggregate must have a faulty event (few stars, a completed case, a complaint) to count
    /// here; empty where no fault is needed.
    pub fn faults(self) -> &'static [EventType] {
        use Measure::*;
        match self {
            QualityReturns | LogisticsReturns => &[EventType::AftersaleCompleted],
            Complaints => &[EventType::ComplaintFiled],
            MerchantLiableCases => &[EventType::ArbitrationDecided],
            DissatisfiedSessions => &[EventType::SessionRated],
            BadReviews1 | BadReviews2 | BadReviews3 | BadServiceReviews1 | BadServiceReviews2 | BadServiceReviews3 => {
                &[EventType::ReviewPosted]
            }
            NegativeOrders1 | NegativeOrders2 | NegativeOrders3 => {
                &[EventType::ReviewPosted, EventType::AftersaleCompleted, EventType::ComplaintFiled]
            }
            _ => &[],
        }
    }

    /// The measures that are also kept per product.
    pub const OF_PRODUCT: [Measure; 9] = [
        Measure::SignedOrders,
        Measure::Reviews,
        Measure::ProductStars,
        Measure::BadReviews1,
        Measure::BadReviews2,
        Measure::BadReviews3,
        Measure::PaidOrders,
        Measure::QualityReturns,
        Measure::Complaints,
    ];
}
