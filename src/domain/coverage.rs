//! What a score cannot know because nothing of the kind was received.

use super::event::EventType;
use super::measure::Measure;
use super::metric::Metric;
use super::rules::NamedWindow;
use super::score::Scored;

/// A kind of event of which a card counts none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub event_type: EventType,
    /// The window in which none counts: that of the first metric.
    pub window: NamedWindow,
    /// The metrics that know nothing, or nothing bad, for lack of it.
    pub metrics: Vec<Metric>,
}

/// The counts that events of a type make: all of them are 0 where no such event counts.
const COUNTED_BY: [(EventType, &[Measure]); 8] = [
    (EventType::ReviewPosted, &[Measure::Reviews, Measure::ServiceReviews]),
    (EventType::OrderPickedUp, &[Measure::PickedUpOrders, Measure::DeliveredOrders]),
    (EventType::ComplaintFiled, &[Measure::Complaints]),
    (EventType::OrderPromised, &[Measure::PromisedOrders]),
    (EventType::AftersaleOpened, &[Measure::OpenedCases, Measure::FirstQualityReturns, Measure::BreakageReturns]),
    (EventType::AftersaleCompleted, &[Measure::RefundOnlyCases, Measure::ReturnRefundCases, Measure::RefundedCases]),
    (EventType::SessionStarted, &[Measure::DaytimeSessions, Measure::RatedSessions, Measure::ReplyRounds]),
    (EventType::SessionRated, &[Measure::RatedSessions]),
];

/// The kinds of events of which a card counts none. Without signed orders hardly anything can count, so they alone are named, or
/// the payments that they lack.
pub(crate) fn gaps(scored: &Scored) -> Vec<Gap> {
    if scored.card.signed_orders == 0 {
        return gap_of_orders(scored).into_iter().collect();
    }
    let gap = |(event_type, measures): &(EventType, &[Measure])| {
        let (mut window, mut metrics) = (None, Vec::new());
        for (rule, card) in scored.rule_set.metrics.iter().zip(&scored.card.metrics) {
            let definition = rule.metric.definition();
            let numerator = definition.numerator(scored.rule_set.bad_stars_max);
            let is_by = |measure: &Measure| definition.denominator.contains(measure) || numerator == *measure;
            if !measures.iter().any(is_by) {
                continue;
            }
            let is_counted = if measures.contains(&numerator) { card.count.numerator } else { card.count.volume };
            if is_counted > 0 {
                return None;
            }
            window.get_or_insert_with(|| rule.window.clone());
            metrics.push(rule.metric);
        }
        Some(Gap { event_type: *event_type, window: window?, metrics })
    };
    COUNTED_BY.iter().filter_map(gap).collect()
}

fn gap_of_orders(scored: &Scored) -> Option<Gap> {
    let cards = || scored.rule_set.metrics.iter().zip(&scored.card.metrics);
    let has_orders = cards().any(|(_, card)| card.count.volume > 0);
    let event_type = if has_orders { EventType::OrderSigned } else { EventType::OrderPaid };
    let unknown = || cards().filter(|(_, card)| card.count.volume == 0).map(|(rule, _)| rule);
    let window = unknown().next()?.window.clone();
    Some(Gap { event_type, window, metrics: unknown().map(|rule| rule.metric).collect() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::gaps;
    use crate::domain::metric::{Metric, MetricCount};
    use crate::domain::rules::file;
    use crate::domain::score::{Scored, score_all};
    use crate::domain::subject_counts::SubjectCounts;

    fn told(counts: impl Fn(Metric) -> MetricCount, signed_orders: i64) -> Vec<(String, usize)> {
        let rule_set = Arc::new(file::parse(include_str!("../../rules/shop-v2.toml")).expect("sound rules"));
        let metrics = rule_set.metrics.iter().map(|rule| counts(rule.metric)).collect();
        let (volume, adjustments) = (signed_orders, Vec::new());
        let subject = SubjectCounts { category_id: None, signed_orders, volume, adjustments, metrics };
        let card = score_all(&rule_set, &[subject]).0.remove(0);
        gaps(&Scored { rule_set, card }).iter().map(|gap| (gap.event_type.to_string(), gap.metrics.len())).collect()
    }

    #[test]
    fn what_was_never_sent_is_named_once_for_each_window() {
        let nothing = |_| MetricCount::default();
        let expected = [
            ("review.posted", 2),
            ("order.picked_up", 2),
            ("complaint.filed", 1),
            ("aftersale.completed", 3),
            ("im.session_started", 2),
            ("im.rated", 1),
        ];
        assert_eq!(told(nothing, 40), expected.map(|(name, metrics)| (name.to_owned(), metrics)));
        assert_eq!(told(nothing, 0), [("order.paid".to_owned(), 12)]);
        let only_payments = |metric| match metric {
            Metric::ComplaintRate => MetricCount { numerator: 0, volume: 40 },
            _ => MetricCount::default(),
        };
        assert_eq!(told(only_payments, 0), [("order.signed".to_owned(), 11)]);
        let everything = |_| MetricCount { numerator: 3, volume: 40 };
        assert_eq!(told(everything, 40), []);
        let no_complaint = |metric| match metric {
            Metric::ComplaintRate => MetricCount { numerator: 0, volume: 40 },
            _ => MetricCount { numerator: 1, volume: 40 },
        };
        assert_eq!(told(no_complaint, 40), [("complaint.filed".to_owned(), 1)]);
        let no_refunds = |metric| match metric {
            Metric::RefundOnlyHandling | Metric::ImDissatisfactionRate | Metric::ServiceBadReviewRate => {
                MetricCount::default()
            }
            _ => MetricCount { numerator: 1, volume: 40 },
        };
        assert_eq!(
            told(no_refunds, 40),
            [("im.rated".to_owned(), 1)],
            "returns are cases, sessions and reviews there are"
        );
    }
}
