//! The metrics of the law: which counts make each one, and what is said about it (scoring law §5).
//!
//! The table below has one row for each metric. Nothing else in the code treats one metric differently from another.

use super::count::Counts;
use super::curve::{Better, Ratio};
use super::fields::STARS_MAX;
use super::measure::{Cohort, Measure};
use super::order::PICKUP_MARKS_MAX;
use super::window::Window;
use super::words::words;

words! {
    /// What the value of a metric is measured in.
    pub enum Unit {
        Ratio = "ratio",
        Seconds = "seconds",
        Stars = "stars",
    }
}

/// The two counts of one metric of one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricCount {
    pub numerator: i64,
    /// What is held against the metric's minimum. The denominator is this times the metric's scale.
    pub volume: i64,
}

impl MetricCount {
    pub fn denominator(&self, metric: Metric) -> i64 {
        self.volume * metric.definition().denominator_scale
    }

    /// `None` without a denominator.
    pub fn value(&self, metric: Metric) -> Option<Ratio> {
        let denominator = self.denominator(metric);
        (denominator > 0).then_some(Ratio { numerator: self.numerator, denominator })
    }
}

/// The measure that is summed to a metric's numerator.
#[derive(Clone, Copy, Debug)]
pub enum Numerator {
    Of(Measure),
    /// The measure depends on how few stars the rule set calls bad: one measure for each bound from 1 up.
    ByBadStars(&'static [Measure]),
}

/// Whose counts make a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    All,
    /// Only products that are on the shelf at the end of the day before the score date and that have a paid order in
    /// the window.
    QualifyingProducts,
}

/// Which of a metric's counts tells how much went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The numerator counts it: bad reviews, waiting seconds.
    Numerator,
    /// It is what the numerator lacks to the most that it could be, which is `best` for each unit of the volume:
    /// unanswered sessions, late pick-ups.
    Lacking { best: i64 },
}

/// How a metric is made of counts, and what is said about it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub id: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
    pub unit: Unit,
    pub better: Better,
    pub numerator: Numerator,
    /// The measures whose sum, times `denominator_scale`, is the denominator.
    pub denominator: &'static [Measure],
    /// 100 where the numerator is in hundredths, else 1. The metric's volume is the denominator without it.
    pub denominator_scale: i64,
    /// Where no rule set names another (scoring law §5).
    pub usual_window: Window,
    pub population: Population,
    pub wrong: Wrong,
    /// The rate by which products are to blame for the metric, where they are.
    pub product_rate: Option<Metric>,
    /// What to do about it. Advice is about goods, logistics and answers alone; platforms treat sham orders, bait,
    /// gifts, and pressing buyers over reviews, return reasons or complaints as cheating.
    pub advice_en: &'static str,
    pub advice_zh: &'static str,
}

impl Definition {
    /// The measure that is summed to the numerator. `bad_stars_max` is the rule set's bound, from 1 up.
    pub fn numerator(&self, bad_stars_max: u8) -> Measure {
        match self.numerator {
            Numerator::Of(measure) => measure,
            Numerator::ByBadStars(measures) => {
                let index = usize::from(bad_stars_max.max(1) - 1);
                measures[index.min(measures.len() - 1)]
            }
        }
    }

    /// All measures that the metric is made of.
    pub fn measures(&self, bad_stars_max: u8) -> impl Iterator<Item = Measure> {
        self.denominator.iter().copied().chain([self.numerator(bad_stars_max)])
    }

    /// The metric's counts out of sums of measures.
    pub fn count(&self, sums: &Counts, bad_stars_max: u8) -> MetricCount {
        self.count_by(bad_stars_max, |measure| sums.get(measure))
    }

    /// The same, where `sum` tells the sum of a measure.
    pub fn count_by(&self, bad_stars_max: u8, sum: impl Fn(Measure) -> i64) -> MetricCount {
        MetricCount {
            numerator: sum(self.numerator(bad_stars_max)),
            volume: self.denominator.iter().map(|measure| sum(*measure)).sum(),
        }
    }

    /// The quotient of measures that the metric is, such as `complaints / paid_orders`.
    pub fn formula(&self, bad_stars_max: u8) -> String {
        let denominator: Vec<&str> = self.denominator.iter().map(|measure| measure.column()).collect();
        let (numerator, denominator) = (self.numerator(bad_stars_max).column(), denominator.join(" + "));
        let denominator = match (self.denominator_scale, self.denominator.len()) {
            (1, 1) => denominator,
            (1, _) => format!("({denominator})"),
            (scale, 1) => format!("({scale} * {denominator})"),
            (scale, _) => format!("({scale} * ({denominator}))"),
        };
        format!("{numerator} / {denominator}")
    }

    /// The event by whose day the metric counts.
    pub fn cohort(&self) -> Cohort {
        self.denominator[0].cohort()
    }

    /// How much went wrong, in the numerator's own measure.
    pub fn wrong_amount(&self, count: MetricCount) -> i64 {
        match self.wrong {
            Wrong::Numerator => count.numerator,
            Wrong::Lacking { best } => best * count.volume - count.numerator,
        }
    }
}

macro_rules! metrics {
    ($($metric:ident { $($row:tt)+ })+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric { $($metric,)+ }

        impl Metric {
            pub const ALL: [Metric; [$(stringify!($metric)),+].len()] = [$(Metric::$metric),+];

            pub fn definition(self) -> &'static Definition {
                match self { $(Metric::$metric => &const { Definition { $($row)+ } },)+ }
            }
        }
    };
}

metrics! {
    BadReviewRate {
        id: "bad_review_rate",
        en: "Bad review rate",
        zh: "商品差评率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::ByBadStars(&Measure::BAD_REVIEWS),
        denominator: &[Measure::SignedOrders],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::BadReviewRate),
        advice_en: "Read the bad reviews of the products named here; improve the goods or their description, or take the product off the shelf.",
        advice_zh: "查看下列商品的差评，改进商品或修正描述；改不好的先下架。",
    }
    QualityReturnRate {
        id: "quality_return_rate",
        en: "Quality return rate",
        zh: "品质退货率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::QualityReturns),
        denominator: &[Measure::PaidOrders],
        denominator_scale: 1,
        usual_window: Window::MATURE_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::QualityReturnRate),
        advice_en: "Check the goods before they leave the warehouse, and stop selling products that are returned for quality reasons.",
        advice_zh: "发货前加强质检，停售品质退货多的商品。",
    }
    ProductBaseScore {
        id: "product_base_score",
        en: "Product base score",
        zh: "商品基础分",
        unit: Unit::Stars,
        better: Better::Higher,
        numerator: Numerator::Of(Measure::ProductStars),
        denominator: &[Measure::Reviews],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::QualifyingProducts,
        wrong: Wrong::Lacking { best: STARS_MAX as i64 },
        product_rate: Some(Metric::BadReviewRate),
        advice_en: "Take the products that lower the average stars off the shelf until they are improved.",
        advice_zh: "把拉低评分的商品先下架整改。",
    }
    NegativeFeedbackRate {
        id: "negative_feedback_rate",
        en: "Negative feedback rate (CCR)",
        zh: "综合负向反馈率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::ByBadStars(&Measure::NEGATIVE_ORDERS),
        denominator: &[Measure::SignedOrders],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::BadReviewRate),
        advice_en: "Bad reviews, quality returns and complaints all count here: begin with the products that have the most of them.",
        advice_zh: "差评、品质退货和投诉合并计入，先处理问题最多的商品。",
    }
    PickupTimeliness {
        id: "pickup_timeliness",
        en: "Pick-up timeliness",
        zh: "揽收及时率",
        unit: Unit::Ratio,
        better: Better::Higher,
        numerator: Numerator::Of(Measure::PickupMarks),
        denominator: &[Measure::PickedUpOrders],
        denominator_scale: 100,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Lacking { best: PICKUP_MARKS_MAX },
        product_rate: None,
        advice_en: "Hand parcels over on the day of payment; arrange a fixed daily pick-up with the carrier.",
        advice_zh: "当天付款当天交寄，与快递约定每日固定揽收。",
    }
    DeliveryDuration {
        id: "delivery_duration",
        en: "Delivery duration",
        zh: "订单配送时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::DeliverySeconds),
        denominator: &[Measure::DeliveredOrders],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Choose faster carriers for the routes that take longest, or ship from a warehouse nearer to the buyers.",
        advice_zh: "为耗时最长的线路更换更快的快递，或从更近的仓库发货。",
    }
    LogisticsReturnRate {
        id: "logistics_return_rate",
        en: "Logistics return rate",
        zh: "物流品退率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::LogisticsReturns),
        denominator: &[Measure::PaidOrders],
        denominator_scale: 1,
        usual_window: Window::MATURE_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::QualityReturnRate),
        advice_en: "Pack better and change carriers that damage or lose parcels.",
        advice_zh: "改进包装，更换破损丢件多的快递。",
    }
    ServiceBadReviewRate {
        id: "service_bad_review_rate",
        en: "Service bad review rate",
        zh: "服务差评率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::ByBadStars(&Measure::BAD_SERVICE_REVIEWS),
        denominator: &[Measure::ServiceReviews],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Read what buyers say about the service in these orders, and train the service desk accordingly.",
        advice_zh: "查看这些订单的服务评价，针对性培训客服。",
    }
    ComplaintRate {
        id: "complaint_rate",
        en: "Complaint rate",
        zh: "投诉率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::Complaints),
        denominator: &[Measure::PaidOrders],
        denominator_scale: 1,
        usual_window: Window::MATURE_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::ComplaintRate),
        advice_en: "Remove the causes of complaints one by one; the products named here bring most of them.",
        advice_zh: "逐一解决投诉的原因，重点处理下列商品。",
    }
    MerchantLiabilityRate {
        id: "merchant_liability_rate",
        en: "Merchant liability rate",
        zh: "纠纷商责率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::MerchantLiableCases),
        denominator: &[Measure::RefundOnlyCases, Measure::ReturnRefundCases],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Settle justified after-sale cases with the buyer before the platform has to decide.",
        advice_zh: "合理的售后诉求在仲裁前与买家协商解决。",
    }
    Im3minReplyRate {
        id: "im_3min_reply_rate",
        en: "IM reply rate within 3 minutes",
        zh: "IM3分钟平均回复率",
        unit: Unit::Ratio,
        better: Better::Higher,
        numerator: Numerator::Of(Measure::QuickReplies),
        denominator: &[Measure::DaytimeSessions],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Lacking { best: 1 },
        product_rate: None,
        advice_en: "Staff the desk from 08:00 to 23:00 so that a human answers within 3 minutes.",
        advice_zh: "08:00至23:00安排足够人工客服，3分钟内回复。",
    }
    ImDissatisfactionRate {
        id: "im_dissatisfaction_rate",
        en: "IM dissatisfaction rate",
        zh: "IM不满意率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::DissatisfiedSessions),
        denominator: &[Measure::RatedSessions],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Read the sessions that buyers rated low, and have the desk solve the problem instead of putting buyers off.",
        advice_zh: "复盘低分会话，让客服解决问题而不是推脱。",
    }
    RefundOnlyHandling {
        id: "refund_only_handling",
        en: "Refund-only handling time",
        zh: "仅退款自主完结时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::RefundOnlyWaitSeconds),
        denominator: &[Measure::RefundOnlyCases],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Decide refund-only cases on the day they open, those that have waited longest first.",
        advice_zh: "仅退款申请当天处理，优先处理等待最久的。",
    }
    ReturnRefundHandling {
        id: "return_refund_handling",
        en: "Return and refund handling time",
        zh: "退货退款自主完结时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::ReturnRefundWaitSeconds),
        denominator: &[Measure::ReturnRefundCases],
        denominator_scale: 1,
        usual_window: Window::NEAR_90,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Respond to returns at once and check parcels in on the day they come back.",
        advice_zh: "及时处理退货退款申请，退回的包裹当天验收。",
    }
    ProductRating {
        id: "product_rating",
        en: "Product rating",
        zh: "商品综合评分",
        unit: Unit::Stars,
        better: Better::Higher,
        numerator: Numerator::Of(Measure::ProductStars),
        denominator: &[Measure::Reviews],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Lacking { best: STARS_MAX as i64 },
        product_rate: Some(Metric::BadReviewRate),
        advice_en: "Read what buyers criticise in the products named here; improve the goods or their description.",
        advice_zh: "查看下列商品被差评的原因，改进商品或修正描述。",
    }
    FirstQualityReturnRate {
        id: "first_quality_return_rate",
        en: "First quality return rate",
        zh: "商品品质退货率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::FirstQualityReturns),
        denominator: &[Measure::SignedOrders],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::QualityReturnRate),
        advice_en: "Check the goods before they leave the warehouse, and stop selling products that come back for quality reasons.",
        advice_zh: "发货前加强质检，停售品质退货多的商品。",
    }
    PickupDuration {
        id: "pickup_duration",
        en: "Pick-up duration",
        zh: "平均揽收时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::PickupSeconds),
        denominator: &[Measure::PickedUpOrders],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Hand parcels over on the day of payment; what is paid in the evening, early the next morning.",
        advice_zh: "当天付款当天交寄，晚间付款的次日一早交寄。",
    }
    OnTimeDeliveryRate {
        id: "on_time_delivery_rate",
        en: "On-time delivery rate",
        zh: "运单配送时效达成率",
        unit: Unit::Ratio,
        better: Better::Higher,
        numerator: Numerator::Of(Measure::OnTimeOrders),
        denominator: &[Measure::PromisedOrders],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Lacking { best: 1 },
        product_rate: None,
        advice_en: "Choose carriers that keep the promised delivery on the routes named here, and hand parcels over earlier.",
        advice_zh: "为超时的线路更换能按时送达的快递，并提前交寄。",
    }
    BreakageReturnRate {
        id: "breakage_return_rate",
        en: "Breakage return rate",
        zh: "商品/包装破损退货率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::BreakageReturns),
        denominator: &[Measure::PaidOrders],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: Some(Metric::QualityReturnRate),
        advice_en: "Pack fragile goods better, and change carriers that break parcels.",
        advice_zh: "加固易碎商品的包装，更换破损多的快递。",
    }
    AftersaleReviewDuration {
        id: "aftersale_review_duration",
        en: "After-sale review duration",
        zh: "售后平均审核时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::AftersaleReviewSeconds),
        denominator: &[Measure::RefundedCases],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Answer after-sale cases on the day they open, and those of the night first thing in the morning.",
        advice_zh: "售后申请当天审核，夜间的申请次日一早优先处理。",
    }
    ImReplyDuration {
        id: "im_reply_duration",
        en: "IM reply duration",
        zh: "飞鸽平均响应时长",
        unit: Unit::Seconds,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::ReplySeconds),
        denominator: &[Measure::ReplyRounds],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Staff the desk from 08:00 to 23:00 so that every question of a buyer is answered within seconds.",
        advice_zh: "08:00至23:00安排足够客服，及时回复买家的每一次提问。",
    }
    PlatformHelpRate {
        id: "platform_help_rate",
        en: "Platform help rate",
        zh: "平台求助率",
        unit: Unit::Ratio,
        better: Better::Lower,
        numerator: Numerator::Of(Measure::PlatformCases),
        denominator: &[Measure::OpenedCases],
        denominator_scale: 1,
        usual_window: Window::LAST_30,
        population: Population::All,
        wrong: Wrong::Numerator,
        product_rate: None,
        advice_en: "Settle after-sale cases with the buyer before the buyer asks the platform to step in.",
        advice_zh: "在买家求助平台之前与其协商解决售后问题。",
    }
}

impl Metric {
    pub fn parse(id: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.id() == id)
    }

    pub fn id(self) -> &'static str {
        self.definition().id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Metric, Population};
    use crate::domain::measure::{BAD_STARS_MAX, Measure};

    #[test]
    fn every_metric_is_found_by_its_own_id() {
        let ids: HashSet<&str> = Metric::ALL.into_iter().map(Metric::id).collect();
        assert_eq!(ids.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.id()), Some(metric));
        }
    }

    #[test]
    fn a_metrics_counts_are_of_one_day_and_what_products_tell_of_is_kept_per_product() {
        for metric in Metric::ALL {
            let definition = metric.definition();
            for measure in definition.measures(BAD_STARS_MAX) {
                assert_eq!(measure.cohort(), definition.cohort(), "{} {}", metric.id(), measure.column());
                let told_by_products =
                    definition.product_rate == Some(metric) || definition.population == Population::QualifyingProducts;
                let is_kept = Measure::OF_PRODUCT.contains(&measure);
                assert!(is_kept || !told_by_products, "{} {}", metric.id(), measure.column());
            }
        }
    }
}
