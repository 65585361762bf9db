//! The metrics of the law: which counts make each one (scoring law §5).

use super::curve::Better;
use super::measure::Measure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    BadReviewRate,
    QualityReturnRate,
    ProductBaseScore,
    NegativeFeedbackRate,
    PickupTimeliness,
    DeliveryDuration,
    LogisticsReturnRate,
    ServiceBadReviewRate,
    ComplaintRate,
    MerchantLiabilityRate,
    Im3minReplyRate,
    ImDissatisfactionRate,
    RefundOnlyHandling,
    ReturnRefundHandling,
}

/// What the value of a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Ratio,
    Seconds,
    Stars,
}

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Ratio => "ratio",
            Unit::Seconds => "seconds",
            Unit::Stars => "stars",
        }
    }
}

/// How a metric is made of counts.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub id: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
    pub unit: Unit,
    pub better: Better,
    numerator: Numerator,
    /// The measures whose sum, times `denominator_scale`, is the denominator.
    pub denominator: &'static [Measure],
    /// 100 where the numerator is in hundredths, else 1. The metric's volume is the denominator without it.
    pub denominator_scale: i64,
}

#[derive(Clone, Copy, Debug)]
enum Numerator {
    Of(Measure),
    /// The measure depends on how few stars the rule set calls bad: one measure for each bound from 1 up.
    ByBadStars(&'static [Measure]),
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
}

impl Metric {
    pub const ALL: [Metric; 14] = [
        Metric::BadReviewRate,
        Metric::QualityReturnRate,
        Metric::ProductBaseScore,
        Metric::NegativeFeedbackRate,
        Metric::PickupTimeliness,
        Metric::DeliveryDuration,
        Metric::LogisticsReturnRate,
        Metric::ServiceBadReviewRate,
        Metric::ComplaintRate,
        Metric::MerchantLiabilityRate,
        Metric::Im3minReplyRate,
        Metric::ImDissatisfactionRate,
        Metric::RefundOnlyHandling,
        Metric::ReturnRefundHandling,
    ];

    pub fn parse(id: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.id() == id)
    }

    pub fn id(self) -> &'static str {
        self.definition().id
    }

    pub fn definition(self) -> Definition {
        use Better::{Higher, Lower};
        use Numerator::{ByBadStars, Of};
        use Unit::{Ratio, Seconds, Stars};
        let define = |id, en, zh, unit, better, numerator, denominator| Definition {
            id,
            en,
            zh,
            unit,
            better,
            numerator,
            denominator,
            denominator_scale: 1,
        };
        match self {
            Metric::BadReviewRate => define(
                "bad_review_rate",
                "Bad review rate",
                "商品差评率",
                Ratio,
                Lower,
                ByBadStars(&Measure::BAD_REVIEWS),
                &[Measure::SignedOrders],
            ),
            Metric::QualityReturnRate => define(
                "quality_return_rate",
                "Quality return rate",
                "品质退货率",
                Ratio,
                Lower,
                Of(Measure::QualityReturns),
                &[Measure::PaidOrders],
            ),
            Metric::ProductBaseScore => define(
                "product_base_score",
                "Product base score",
                "商品基础分",
                Stars,
                Higher,
                Of(Measure::ProductStars),
                &[Measure::Reviews],
            ),
            Metric::NegativeFeedbackRate => define(
                "negative_feedback_rate",
                "Negative feedback rate (CCR)",
                "综合负向反馈率",
                Ratio,
                Lower,
                ByBadStars(&Measure::NEGATIVE_ORDERS),
                &[Measure::SignedOrders],
            ),
            Metric::PickupTimeliness => Definition {
                denominator_scale: 100,
                ..define(
                    "pickup_timeliness",
                    "Pick-up timeliness",
                    "揽收及时率",
                    Ratio,
                    Higher,
                    Of(Measure::PickupMarks),
                    &[Measure::PickedUpOrders],
                )
            },
            Metric::DeliveryDuration => define(
                "delivery_duration",
                "Delivery duration",
                "订单配送时长",
                Seconds,
                Lower,
                Of(Measure::DeliverySeconds),
                &[Measure::DeliveredOrders],
            ),
            Metric::LogisticsReturnRate => define(
                "logistics_return_rate",
                "Logistics return rate",
                "物流品退率",
                Ratio,
                Lower,
                Of(Measure::LogisticsReturns),
                &[Measure::PaidOrders],
            ),
            Metric::ServiceBadReviewRate => define(
                "service_bad_review_rate",
                "Service bad review rate",
                "服务差评率",
                Ratio,
                Lower,
                ByBadStars(&Measure::BAD_SERVICE_REVIEWS),
                &[Measure::ServiceReviews],
            ),
            Metric::ComplaintRate => define(
                "complaint_rate",
                "Complaint rate",
                "投诉率",
                Ratio,
                Lower,
                Of(Measure::Complaints),
                &[Measure::PaidOrders],
            ),
            Metric::MerchantLiabilityRate => define(
                "merchant_liability_rate",
                "Merchant liability rate",
                "纠纷商责率",
                Ratio,
                Lower,
                Of(Measure::MerchantLiableCases),
                &[Measure::RefundOnlyCases, Measure::ReturnRefundCases],
            ),
            Metric::Im3minReplyRate => define(
                "im_3min_reply_rate",
                "IM reply rate within 3 minutes",
                "IM3分钟平均回复率",
                Ratio,
                Higher,
                Of(Measure::QuickReplies),
                &[Measure::DaytimeSessions],
            ),
            Metric::ImDissatisfactionRate => define(
                "im_dissatisfaction_rate",
                "IM dissatisfaction rate",
                "IM不满意率",
                Ratio,
                Lower,
                Of(Measure::DissatisfiedSessions),
                &[Measure::RatedSessions],
            ),
            Metric::RefundOnlyHandling => define(
                "refund_only_handling",
                "Refund-only handling time",
                "仅退款自主完结时长",
                Seconds,
                Lower,
                Of(Measure::RefundOnlyWaitSeconds),
                &[Measure::RefundOnlyCases],
            ),
            Metric::ReturnRefundHandling => define(
                "return_refund_handling",
                "Return and refund handling time",
                "退货退款自主完结时长",
                Seconds,
                Lower,
                Of(Measure::ReturnRefundWaitSeconds),
                &[Measure::ReturnRefundCases],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Metric;
    use std::collections::HashSet;

    #[test]
    fn every_metric_is_found_by_its_own_id() {
        let ids: HashSet<&str> = Metric::ALL.into_iter().map(Metric::id).collect();
        assert_eq!(ids.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.id()), Some(metric));
        }
    }
}
