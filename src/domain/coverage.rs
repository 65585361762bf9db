//! What a score cannot know because nothing of the kind was received.

use super::event::EventType;
use super::measure::Measure;
use super::metric::Metric;
use super::rules::NamedWindow;
use super::score::Scored;

/// A kind of event that a card has none of, though it has signed orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub event_type: EventType,
    /// The window in which none was counted.
    pub window: NamedWindow,
    /// The metrics that know nothing, or nothing bad, for lack of it.
    pub metrics: Vec<Metric>,
}

/// The events that counts rest on: without any such event the count is 0.
const RESTS_ON: [(Measure, EventType); 7] = [
    (Measure::Reviews, EventType::ReviewPosted),
    (Measure::ServiceReviews, EventType::ReviewPosted),
    (Measure::PickedUpOrders, EventType::OrderPickedUp),
    (Measure::Complaints, EventType::ComplaintFiled),
    (Measure::RefundOnlyCases, EventType::AftersaleCompleted),
    (Measure::DaytimeSessions, EventType::SessionStarted),
    (Measure::RatedSessions, EventType::SessionRated),
];

/// The kinds of events that are missing from a card, by the windows of its metrics. None without signed orders.
pub(crate) fn gaps(scored: &Scored) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    if scored.card.signed_orders == 0 {
        return gaps;
    }
    for (rule, metric) in scored.rule_set.metrics.iter().zip(&scored.card.metrics) {
        let definition = rule.metric.definition();
        let numerator = definition.numerator(scored.rule_set.bad_stars_max);
        let count = metric.count;
        let rests_on = RESTS_ON.iter().find(|(measure, _)| {
            count.volume == 0 && definition.denominator.contains(measure)
                || count.numerator == 0 && numerator == *measure
        });
        let Some((_, event_type)) = rests_on.copied() else { continue };
        match gaps.iter_mut().find(|gap| gap.event_type == event_type && gap.window == rule.window) {
            Some(gap) => gap.metrics.push(rule.metric),
            None => gaps.push(Gap { event_type, window: rule.window.clone(), metrics: vec![rule.metric] }),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::gaps;
    use crate::domain::metric::{Metric, MetricCount};
    use crate::domain::rules::file;
    use crate::domain::score::{Scored, SubjectCounts, score_all};

    fn told(counts: impl Fn(Metric) -> MetricCount, signed_orders: i64) -> Vec<(String, usize)> {
        let rule_set = Arc::new(file::parse(include_str!("../../rules/shop-v2.toml")).expect("sound rules"));
        let metrics = rule_set.metrics.iter().map(|rule| counts(rule.metric)).collect();
        let subject = SubjectCounts { category_id: None, signed_orders, metrics };
        let card = score_all(&rule_set, &[subject]).0.remove(0);
        gaps(&Scored { rule_set, card }).iter().map(|gap| (gap.event_type.to_string(), gap.metrics.len())).collect()
    }

    #[test]
    fn what_was_never_sent_is_named_once_for_each_window() {
        let nothing = |_| MetricCount::default();
        let expected = [
            ("review.posted", 2),
            ("order.picked_up", 1),
            ("complaint.filed", 1),
            ("aftersale.completed", 2),
            ("im.session_started", 1),
            ("im.rated", 1),
        ];
        assert_eq!(told(nothing, 40), expected.map(|(name, metrics)| (name.to_owned(), metrics)));
        assert_eq!(told(nothing, 0), []);
        let everything = |_| MetricCount { numerator: 3, volume: 40 };
        assert_eq!(told(everything, 40), []);
        let no_complaint = |metric| match metric {
            Metric::ComplaintRate => MetricCount { numerator: 0, volume: 40 },
            _ => MetricCount { numerator: 1, volume: 40 },
        };
        assert_eq!(told(no_complaint, 40), [("complaint.filed".to_owned(), 1)]);
    }
}
