//! What is counted: the integers kept per subject and business day.
//!
//! A metric is a quotient of sums of these (see [`super::metric`]). Where a bound of the law is an assumption that rule
//! sets may change (how few stars are *bad*), every bound that they may choose has a measure of its own, so that rule
//! sets share one set of counts.

use super::event::{EventType, Fact};
use super::words::words;

/// The highest bound that a rule set may choose for bad stars.
pub const BAD_STARS_MAX: u8 = 3;
/// A session rated with at most this many stars is a dissatisfied one.
pub const DISSATISFIED_STARS_MAX: u8 = 3;

words! {
    /// The event of an aggregate by whose business day an amount is counted (scoring law §2).
    pub enum Cohort {
        Payment = "payment",
        PickUp = "pick-up",
        SignOff = "sign-off",
        /// Of an after-sale case.
        Completion = "completion",
        SessionStart = "session start",
        /// The moment for which the delivery was promised, which is no event's time.
        Promise = "promised delivery",
        /// Of an after-sale case.
        Opening = "opening",
    }
}

impl Cohort {
    /// The types of these events: an amount's instant is always that of one event of these types; of a promise, the moment that
    /// the event names.
    pub fn event_types(self) -> &'static [EventType] {
        match self {
            Cohort::Payment => &[EventType::OrderPaid],
            Cohort::PickUp => &[EventType::OrderPickedUp],
            Cohort::SignOff => &[EventType::OrderSigned, EventType::OrderConfirmed],
            Cohort::Completion => &[EventType::AftersaleCompleted],
            Cohort::SessionStart => &[EventType::SessionStarted, EventType::SessionHandedOver],
            Cohort::Promise => &[EventType::OrderPromised],
            Cohort::Opening => &[EventType::AftersaleOpened],
        }
    }
}

/// Defines the measures. A measure that comes to mean something else gets another name, so that counts of the old meaning
/// are recognised and rebuilt. A row has: what is counted; the measure; its name, which is the column's too; what is counted, in Chinese; the event by
/// whose day it counts; the types of event of which an aggregate must have a faulty one (few stars, a completed case, a
/// complaint) to count here, none where no fault is needed; and whether it is also kept per product.
macro_rules! measures {
    ($($(#[doc = $about:literal])+ $measure:ident = $column:literal, $zh:literal, $cohort:ident, [$($fault:ident),*], $per_product:ident;)+) => {
        /// One counted integer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure { $($(#[doc = $about])+ $measure,)+ }

        impl Measure {
            pub const ALL: [Measure; [$($column),+].len()] = [$(Measure::$measure),+];
            pub const COUNT: usize = Measure::ALL.len();

            pub fn column(self) -> &'static str {
                match self { $(Measure::$measure => $column,)+ }
            }

            /// What is counted, as documentation says it.
            pub fn about(self) -> &'static str {
                match self { $(Measure::$measure => concat!($($about),+).trim_ascii(),)+ }
            }

            /// The same in Chinese.
            pub fn about_zh(self) -> &'static str {
                match self { $(Measure::$measure => $zh,)+ }
            }

            pub fn cohort(self) -> Cohort {
                match self { $(Measure::$measure => Cohort::$cohort,)+ }
            }

            /// The types of which an aggregate must have a faulty event to count here; empty where no fault is needed.
            pub fn faults(self) -> &'static [EventType] {
                match self { $(Measure::$measure => &[$(EventType::$fault),*],)+ }
            }

            const fn is_per_product(self) -> bool {
                match self { $(Measure::$measure => matches!(Kept::$per_product, Kept::PerProduct),)+ }
            }
        }
    };
}

/// At what grain a measure is kept.
enum Kept {
    PerSubject,
    PerProduct,
}

measures! {
    /// Signed orders: physical ones that the courier delivered, virtual ones that the buyer confirmed.
    SignedOrders = "signed_orders", "签收订单：实物订单以物流送达为准，虚拟订单以买家确认收货为准。", SignOff, [], PerProduct;
    /// Signed orders that have a review.
    Reviews = "reviews", "有评价的签收订单。", SignOff, [], PerProduct;
    /// Sum of the product stars of the reviews of signed orders.
    ProductStars = "product_stars", "签收订单评价的商品星级之和。", SignOff, [], PerProduct;
    /// Signed orders whose review has 1 product star.
    BadReviews1 = "bad_reviews_1", "评价商品星级为 1 星的签收订单。", SignOff, [ReviewPosted], PerProduct;
    /// Signed orders whose review has at most 2 product stars.
    BadReviews2 = "bad_reviews_2", "评价商品星级不超过 2 星的签收订单。", SignOff, [ReviewPosted], PerProduct;
    /// Signed orders whose review has at most 3 product stars.
    BadReviews3 = "bad_reviews_3", "评价商品星级不超过 3 星的签收订单。", SignOff, [ReviewPosted], PerProduct;
    /// Signed orders whose review has service stars.
    ServiceReviews = "service_reviews", "评价含服务星级的签收订单。", SignOff, [], PerSubject;
    /// Signed orders whose review has 1 service star.
    BadServiceReviews1 = "bad_service_reviews_1", "评价服务星级为 1 星的签收订单。", SignOff, [ReviewPosted], PerSubject;
    /// Signed orders whose review has at most 2 service stars.
    BadServiceReviews2 = "bad_service_reviews_2", "评价服务星级不超过 2 星的签收订单。", SignOff, [ReviewPosted], PerSubject;
    /// Signed orders whose review has at most 3 service stars.
    BadServiceReviews3 = "bad_service_reviews_3", "评价服务星级不超过 3 星的签收订单。", SignOff, [ReviewPosted], PerSubject;
    /// Signed orders with a quality return, a counted complaint, or a review of 1 product star.
    NegativeOrders1 = "negative_orders_1", "有品质退货、有效投诉或商品 1 星评价的签收订单。", SignOff, [ReviewPosted, AftersaleCompleted, ComplaintFiled], PerSubject;
    /// Signed orders with a quality return, a counted complaint, or a review of at most 2 product stars.
    NegativeOrders2 = "negative_orders_2", "有品质退货、有效投诉或商品不超过 2 星评价的签收订单。", SignOff, [ReviewPosted, AftersaleCompleted, ComplaintFiled], PerSubject;
    /// Signed orders with a quality return, a counted complaint, or a review of at most 3 product stars.
    NegativeOrders3 = "negative_orders_3", "有品质退货、有效投诉或商品不超过 3 星评价的签收订单。", SignOff, [ReviewPosted, AftersaleCompleted, ComplaintFiled], PerSubject;
    /// Signed orders that have a pick-up.
    DeliveredOrders = "delivered_orders", "有揽收记录的签收订单。", SignOff, [], PerSubject;
    /// Sum of the seconds from pick-up to sign-off.
    DeliverySeconds = "delivery_seconds", "从揽收到签收的秒数之和。", SignOff, [], PerSubject;
    /// Paid orders.
    PaidOrders = "paid_orders", "支付订单。", Payment, [], PerProduct;
    /// Paid orders returned because of their quality or delivery: a case of kind return_refund, reason quality or
    /// logistics, completed as refunded.
    QualityReturns = "quality_returns", "因品质或物流原因退货的支付订单：退货退款、原因为品质或物流、以退款完结的售后单。", Payment, [AftersaleCompleted], PerProduct;
    /// Paid orders returned because of their delivery, in a case opened within 14 days of shipping.
    LogisticsReturns = "logistics_returns", "因物流原因退货、且售后单在发货后 14 天内发起的支付订单。", Payment, [AftersaleCompleted], PerSubject;
    /// Complaints that were filed and not withdrawn; each complaint about an order counts.
    Complaints = "complaints", "已提交且未撤销的投诉；同一订单的每个投诉都计入。", Payment, [ComplaintFiled], PerProduct;
    /// Orders picked up, without pre-sale orders and those that need no shipping.
    PickedUpOrders = "picked_up_orders", "已揽收的订单，不含预售订单和无需发货的订单。", PickUp, [], PerSubject;
    /// Sum of 70 for a pick-up within 24 hours of payment, 20 within 36, 10 within 48, 0 later.
    PickupMarks = "pickup_marks", "揽收得分之和：支付后 24 小时内 70 分，36 小时内 20 分，48 小时内 10 分，更晚 0 分。", PickUp, [], PerSubject;
    /// Completed cases of kind refund_only.
    RefundOnlyCases = "refund_only_cases", "已完结的仅退款售后单。", Completion, [], PerSubject;
    /// Sum of the seconds in which completed refund_only cases waited for the merchant.
    RefundOnlyWaitSeconds = "refund_only_wait_seconds", "已完结的仅退款售后单等待商家处理的秒数之和。", Completion, [], PerSubject;
    /// Completed cases of kind return_refund or exchange.
    ReturnRefundCases = "return_refund_cases", "已完结的退货退款或换货售后单。", Completion, [], PerSubject;
    /// Sum of the seconds in which completed return_refund and exchange cases waited for the merchant.
    ReturnRefundWaitSeconds = "return_refund_wait_seconds", "已完结的退货退款或换货售后单等待商家处理的秒数之和。", Completion, [], PerSubject;
    /// Completed cases in which the platform held the merchant liable.
    MerchantLiableCases = "merchant_liable_cases", "平台判定商家责任的已完结售后单。", Completion, [ArbitrationDecided], PerSubject;
    /// Human sessions started between 08:00:00 and 22:59:59.
    DaytimeSessions = "daytime_sessions", "08:00:00 至 22:59:59 开始的人工会话。", SessionStart, [], PerSubject;
    /// Human sessions started between 08:00:00 and 22:59:59 that a human answered within 180 seconds.
    QuickReplies = "quick_replies", "08:00:00 至 22:59:59 开始、人工在 180 秒内回复的人工会话。", SessionStart, [], PerSubject;
    /// Rated human sessions of any hour.
    RatedSessions = "rated_sessions", "被评价的人工会话，不限时段。", SessionStart, [], PerSubject;
    /// Human sessions of any hour rated with 1 to 3 stars.
    DissatisfiedSessions = "dissatisfied_sessions", "被评为 1 至 3 星的人工会话，不限时段。", SessionStart, [SessionRated], PerSubject;
    /// Signed orders whose first after-sale case is for quality.
    FirstQualityReturns = "first_quality_returns", "首个售后单原因为品质的签收订单。", SignOff, [AftersaleOpened], PerSubject;
    /// Sum of the seconds from payment to pick-up; an order paid between 18:00:00 and 05:59:59 waits from the next 06:00:00 on.
    PickupSeconds = "pickup_seconds", "从支付到揽收的秒数之和；18:00:00 至 05:59:59 支付的订单从下一个 06:00:00 起算。", PickUp, [], PerSubject;
    /// Shipped physical orders with a promised delivery.
    PromisedOrders = "promised_orders", "有承诺送达时间的已发货实物订单。", Promise, [], PerSubject;
    /// Shipped physical orders that were delivered by the promised moment.
    OnTimeOrders = "on_time_orders", "在承诺时间内送达的已发货实物订单。", Promise, [], PerSubject;
    /// Paid orders whose first after-sale case is a return for goods or a package that arrived broken.
    BreakageReturns = "breakage_returns", "首个售后单为破损退货退款的支付订单。", Payment, [AftersaleOpened], PerSubject;
    /// Completed cases that ended in a refund.
    RefundedCases = "refunded_cases", "以退款完结的售后单。", Completion, [], PerSubject;
    /// Sum of the seconds from the opening of refunded cases to the merchant's first response, or to the completion without one; a
    /// case opened between 23:00:00 and 07:59:59 waits from the next 08:00:00 on.
    AftersaleReviewSeconds = "aftersale_review_seconds", "退款完结的售后单从发起到商家首次处理（未处理则到完结）的秒数之和；23:00:00 至 07:59:59 发起的从下一个 08:00:00 起算。", Completion, [], PerSubject;
    /// Rounds of human sessions, from a question to the next answer, that open between 08:00:00 and 22:59:59.
    ReplyRounds = "reply_rounds", "人工会话中在 08:00:00 至 22:59:59 提问的对话轮次。", SessionStart, [], PerSubject;
    /// Sum of the seconds of these rounds, 600 at most for each and for one without an answer.
    ReplySeconds = "reply_seconds", "这些轮次的响应秒数之和，每轮最多 600 秒，未回复按 600 秒计。", SessionStart, [], PerSubject;
    /// After-sale cases, completed or not.
    OpenedCases = "opened_cases", "已发起的售后单，不论是否完结。", Opening, [], PerSubject;
    /// After-sale cases in which the buyer asked the platform to step in, or the platform ruled.
    PlatformCases = "platform_cases", "买家申请平台介入或平台已裁决的售后单。", Opening, [ArbitrationOpened, ArbitrationDecided], PerSubject;
}

impl Measure {
    /// The measures that count what is bad at a bound of 1, 2 and 3 stars.
    pub const BAD_REVIEWS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::BadReviews1, Measure::BadReviews2, Measure::BadReviews3];
    pub const BAD_SERVICE_REVIEWS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::BadServiceReviews1, Measure::BadServiceReviews2, Measure::BadServiceReviews3];
    pub const NEGATIVE_ORDERS: [Measure; BAD_STARS_MAX as usize] =
        [Measure::NegativeOrders1, Measure::NegativeOrders2, Measure::NegativeOrders3];

    /// The measures that are also kept per product, in the order of the table.
    pub const OF_PRODUCT: [Measure; Measure::OF_PRODUCT_COUNT] = {
        let mut list = [Measure::ALL[0]; Measure::OF_PRODUCT_COUNT];
        let (mut index, mut place) = (0, 0);
        while index < Measure::COUNT {
            if Measure::ALL[index].is_per_product() {
                list[place] = Measure::ALL[index];
                place += 1;
            }
            index += 1;
        }
        list
    };

    const OF_PRODUCT_COUNT: usize = {
        let (mut index, mut count) = (0, 0);
        while index < Measure::COUNT {
            count += Measure::ALL[index].is_per_product() as usize;
            index += 1;
        }
        count
    };

    /// What one further order without faults adds: it is paid, picked up in its first hour, and signed on time, without review,
    /// case or session (scoring law §11).
    pub(crate) fn of_further_order(self) -> i64 {
        match self {
            Measure::SignedOrders
            | Measure::PaidOrders
            | Measure::PickedUpOrders
            | Measure::PromisedOrders
            | Measure::OnTimeOrders => 1,
            Measure::PickupSeconds => 3_600,
            _ => 0,
        }
    }

    pub fn parse(column: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|measure| measure.column() == column)
    }
}

/// Whether a fact can be a fault that some measure counts: one of few stars, or any of another type that a measure names.
pub(crate) fn is_fault(fact: &Fact) -> bool {
    match fact {
        Fact::ReviewPosted { product_stars, service_stars, .. } => {
            [Some(*product_stars), *service_stars].iter().flatten().any(|stars| stars.number() <= BAD_STARS_MAX)
        }
        Fact::SessionRated { stars } => stars.number() <= DISSATISFIED_STARS_MAX,
        _ => is_always_fault(fact.event_type()),
    }
}

/// Whether every event of a type can be a fault that some measure counts.
pub(crate) fn is_always_fault(event_type: EventType) -> bool {
    !matches!(event_type, EventType::ReviewPosted | EventType::SessionRated)
        && Measure::ALL.into_iter().any(|measure| measure.faults().contains(&event_type))
}
