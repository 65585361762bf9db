//! What holds a score back, metric by metric, and what is good counsel about it.
//!
//! Counsel is about goods, logistics and answers alone; platforms treat sham orders, bait, gifts, and pressing buyers
//! over reviews, return reasons or complaints as cheating.

use super::decimal::{Decimal, PLACES_MAX};
use super::metric::Metric;
use super::rules::{PenaltyRule, RuleSet};
use super::score::{Card, MetricCount, SCORE_PLACES, dimension_scores, mean_of_dimensions, tier, weights};

const MILLION: i128 = 1_000_000;

/// What one metric costs a card.
#[derive(Clone, Debug)]
pub struct Cost<'a> {
    /// Place of the metric in its rule set.
    pub index: usize,
    /// What its points lack to the best of the scale, times its effective weight.
    pub costs: Decimal,
    /// The score with the best points in this metric, all else as it is.
    pub score_at_best: Decimal,
    /// The penalties in force that this score would lift.
    pub lifted: Vec<&'a PenaltyRule>,
}

/// The metrics that cost a card anything, the costliest first; none without a score.
pub fn costs<'a>(rule_set: &'a RuleSet, card: &Card) -> Vec<Cost<'a>> {
    let Some(score) = card.score else { return Vec::new() };
    let best = rule_set.scale.1;
    let points: Vec<Option<Decimal>> =
        card.metrics.iter().map(|metric| metric.assessed.map(|assessed| assessed.points)).collect();
    let category_id = card.category_id.as_ref();
    let effective = weights(rule_set, card);
    let cost = |index: usize| {
        let lacking = best.minus(points[index]?);
        let costs = i128::from(lacking.millionths()) * i128::from(effective[index].1.millionths());
        let mut at_best = points.clone();
        at_best[index] = Some(best);
        let dimensions = dimension_scores(rule_set, category_id, &at_best);
        let score_at_best = mean_of_dimensions(rule_set, category_id, &dimensions, SCORE_PLACES)?;
        let still = tier(rule_set, score_at_best).penalties;
        let in_force = tier(rule_set, score).penalties;
        let lifted = in_force.into_iter().filter(|penalty| !still.contains(penalty)).collect();
        let costs = Decimal::rounded(costs, MILLION * MILLION, PLACES_MAX);
        (costs > Decimal::ZERO).then_some(Cost { index, costs, score_at_best, lifted })
    };
    let mut costs: Vec<Cost<'_>> = (0..points.len()).filter_map(cost).collect();
    costs.sort_by(|left, right| right.costs.cmp(&left.costs).then(left.index.cmp(&right.index)));
    costs
}

/// Which of a metric's counts is what went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The numerator counts it: bad reviews, waiting seconds.
    Numerator,
    /// It is what the numerator lacks to the most it could be: unanswered sessions, late pick-ups.
    Missing,
}

impl Fault {
    /// How much went wrong, in the metric's own measure.
    pub fn of(self, metric: Metric, count: MetricCount) -> i64 {
        match (self, metric) {
            (Fault::Numerator, _) => count.numerator,
            (Fault::Missing, Metric::ProductBaseScore) => 5 * count.volume - count.numerator,
            // The best value there is: 70 marks a pick-up.
            (Fault::Missing, Metric::PickupTimeliness) => 70 * count.volume - count.numerator,
            (Fault::Missing, _) => count.denominator(metric) - count.numerator,
        }
    }
}

/// What is said about one metric.
#[derive(Clone, Copy, Debug)]
pub struct Counsel {
    pub fault: Fault,
    /// The rate by which products are to blame, where they are.
    pub products: Option<Metric>,
    pub en: &'static str,
    pub zh: &'static str,
}

pub fn counsel(metric: Metric) -> Counsel {
    use Fault::{Missing, Numerator};
    let (fault, products, en, zh) = match metric {
        Metric::BadReviewRate => (
            Numerator,
            Some(Metric::BadReviewRate),
            "Read the bad reviews of the products named here; mend the goods or their description, or take the product off the shelf.",
            "查看下列商品的差评，改进商品或修正描述；改不好的先下架。",
        ),
        Metric::ProductBaseScore => (
            Missing,
            Some(Metric::BadReviewRate),
            "Take products whose stars drag the mean down off the shelf until they are mended.",
            "把拉低评分的商品先下架整改。",
        ),
        Metric::QualityReturnRate => (
            Numerator,
            Some(Metric::QualityReturnRate),
            "Check the goods before they leave the warehouse, and stop selling products that come back for their quality.",
            "发货前加强质检，停售品质退货多的商品。",
        ),
        Metric::NegativeFeedbackRate => (
            Numerator,
            Some(Metric::BadReviewRate),
            "Bad reviews, quality returns and complaints count here together: begin with the products that have most of them.",
            "差评、品质退货和投诉合并计入，先处理问题最多的商品。",
        ),
        Metric::PickupTimeliness => (
            Missing,
            None,
            "Hand parcels over on the day of payment; arrange a fixed daily pick-up with the carrier.",
            "当天付款当天交寄，与快递约定每日固定揽收。",
        ),
        Metric::DeliveryDuration => (
            Numerator,
            None,
            "Choose faster carriers for the routes that take longest, or ship from a warehouse nearer to the buyers.",
            "为耗时最长的线路更换更快的快递，或从更近的仓库发货。",
        ),
        Metric::LogisticsReturnRate => (
            Numerator,
            Some(Metric::QualityReturnRate),
            "Pack better and change carriers that damage or lose parcels.",
            "改进包装，更换破损丢件多的快递。",
        ),
        Metric::ServiceBadReviewRate => (
            Numerator,
            None,
            "Read what buyers say about the service in these orders, and train the desk on it.",
            "查看这些订单的服务评价，针对性培训客服。",
        ),
        Metric::ComplaintRate => (
            Numerator,
            Some(Metric::ComplaintRate),
            "Answer every complaint's cause; the products named here bring most of them.",
            "逐一解决投诉的原因，重点处理下列商品。",
        ),
        Metric::MerchantLiabilityRate => (
            Numerator,
            None,
            "Settle justified after-sale cases with the buyer before they are arbitrated.",
            "合理的售后诉求在仲裁前与买家协商解决。",
        ),
        Metric::Im3minReplyRate => (
            Missing,
            None,
            "Staff the desk from 08:00 to 23:00 so that a human answers within 3 minutes.",
            "08:00至23:00安排足够人工客服，3分钟内回复。",
        ),
        Metric::ImDissatisfactionRate => (
            Numerator,
            None,
            "Read the sessions that buyers rated low, and let the desk solve rather than put off.",
            "复盘低分会话，让客服解决问题而不是推脱。",
        ),
        Metric::RefundOnlyHandling => (
            Numerator,
            None,
            "Decide refund-only cases on the day they open; those that waited longest are named here.",
            "仅退款申请当天处理，优先处理等待最久的。",
        ),
        Metric::ReturnRefundHandling => (
            Numerator,
            None,
            "Respond to returns at once and check parcels in on the day they come back.",
            "及时处理退货退款申请，退回的包裹当天验收。",
        ),
    };
    Counsel { fault, products, en, zh }
}
