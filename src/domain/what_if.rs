//! What a score would be with other counts, everybody else standing still, and what it takes to reach a target.

use super::decimal::Decimal;
use super::measure::Measure;
use super::metric::{Metric, MetricCount};
use super::score::{Card, Peers, Scored, SubjectCounts, score_in_tenths, score_instead};

/// The most further orders that a target is looked for with.
pub(crate) const FURTHER_ORDERS_MAX: i64 = 1_000_000_000;

/// A subject's published card among the peers of its run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmongPeers<'a> {
    pub scored: &'a Scored,
    pub peers: &'a Peers,
    /// Whether assumed counts are compared with peers in tenths only.
    pub in_tenths: bool,
}

/// A change of counts to think through.
#[derive(Clone, Debug, Default)]
pub struct Assumption {
    /// Counts that take the place of the published ones.
    pub set: Vec<(Metric, MetricCount)>,
    /// Further signed orders without faults, paid too lately for the windows that wait for complaints and returns.
    pub further_signed_orders: i64,
}

impl AmongPeers<'_> {
    /// The card under an assumption.
    pub(crate) fn assuming(&self, assumption: &Assumption) -> Card {
        let (rule_set, counts, card) = (&self.scored.rule_set, self.counts(assumption), &self.scored.card);
        if self.in_tenths {
            score_in_tenths(rule_set, &counts, self.peers, card)
        } else {
            score_instead(rule_set, &counts, self.peers, Some(card))
        }
    }

    fn counts(&self, assumption: &Assumption) -> SubjectCounts {
        let further = assumption.further_signed_orders;
        let counts = self.scored.rule_set.metrics.iter().zip(&self.scored.card.metrics).map(|(rule, metric)| {
            let set = assumption.set.iter().find(|(metric, _)| *metric == rule.metric);
            let mut count = set.map_or(metric.count, |(_, count)| *count);
            if is_by_signed_orders(rule.metric) {
                count.volume += further;
            }
            count
        });
        SubjectCounts {
            category_id: self.scored.card.category_id.clone(),
            signed_orders: self.scored.card.signed_orders + further,
            metrics: counts.collect(),
        }
    }

    /// The least number of further signed orders without faults that bring the score to `target` at least, with the
    /// card that they make; `None` where no number does.
    pub(crate) fn least_orders(&self, assumption: &Assumption, target: Decimal) -> Option<(i64, Card)> {
        let with = |further: i64| {
            let further_signed_orders = assumption.further_signed_orders + further;
            self.assuming(&Assumption { set: assumption.set.clone(), further_signed_orders })
        };
        let reaches = |further: i64| with(further).score.is_some_and(|score| score >= target);
        // Between two of these numbers nothing begins to be assessed, so there the score only rises with orders.
        let mut edges = self.edges(assumption);
        edges.push(FURTHER_ORDERS_MAX + 1);
        let mut first = 0;
        for edge in edges {
            let last = edge - 1;
            if first <= last && reaches(last) {
                let (mut low, mut high) = (first, last);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if reaches(middle) { high = middle } else { low = middle + 1 }
                }
                return Some((low, with(low)));
            }
            first = first.max(edge);
        }
        None
    }

    /// The numbers of further orders at which a minimum is met.
    fn edges(&self, assumption: &Assumption) -> Vec<i64> {
        let counts = self.counts(assumption);
        let minimums = &self.scored.rule_set.minimums;
        let of_metrics = self.scored.rule_set.metrics.iter().zip(&counts.metrics);
        let of_metrics = of_metrics.filter(|(rule, _)| is_by_signed_orders(rule.metric));
        let missing = of_metrics.map(|(_, count)| minimums.metric_count - count.volume);
        let mut edges: Vec<i64> = missing.chain([minimums.signed_orders - counts.signed_orders]).collect();
        edges.retain(|edge| (1..=FURTHER_ORDERS_MAX).contains(edge));
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// Whether signed orders are all that the metric's denominator counts.
fn is_by_signed_orders(metric: Metric) -> bool {
    metric.definition().denominator == [Measure::SignedOrders]
}
