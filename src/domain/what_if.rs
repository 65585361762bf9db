//! What a score would be with other counts, everybody else standing still, and what it takes to reach a target.

use super::curve::Ratio;
use super::decimal::Decimal;
use super::measure::Measure;
use super::metric::{Metric, MetricCount};
use super::rules::{MetricRule, RuleSet};
use super::score::{Card, MetricCard, Peers, Scored, SubjectCounts, score_in_tenths, score_instead, score_of};

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
    /// Further orders without faults, paid and signed on the newest day of the near window.
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
            if counts_further(&self.scored.rule_set, rule) {
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
        let mut first = 0;
        for next in self.edges(assumption).into_iter().chain([FURTHER_ORDERS_MAX + 1]) {
            if let Some(found) = self.least_between(assumption, target, first, next - 1) {
                return Some(found);
            }
            first = next;
        }
        None
    }

    /// The card with so many more further orders.
    fn with_further(&self, assumption: &Assumption, further: i64) -> Card {
        let further_signed_orders = assumption.further_signed_orders + further;
        self.assuming(&Assumption { set: assumption.set.clone(), further_signed_orders })
    }

    /// The same among the numbers from `first` to `last`, between which there is no edge. A curve or steps may fall as a
    /// value gets better, so the score need not rise with orders: halves that cannot reach the target are left out.
    fn least_between(&self, assumption: &Assumption, target: Decimal, first: i64, last: i64) -> Option<(i64, Card)> {
        let at_first = self.with_further(assumption, first);
        if at_first.score.is_some_and(|score| score >= target) {
            return Some((first, at_first));
        }
        let can_reach = || self.most_between(&at_first, &self.with_further(assumption, last));
        if first == last || can_reach().is_none_or(|most| most < target) {
            return None;
        }
        let middle = first + (last - first) / 2;
        let lower = self.least_between(assumption, target, first, middle);
        lower.or_else(|| self.least_between(assumption, target, middle + 1, last))
    }

    /// The score with the most points that each metric can get while its value goes from that of one card to that of the
    /// other. No number of orders between theirs makes a higher one.
    fn most_between(&self, one: &Card, other: &Card) -> Option<Decimal> {
        let (rule_set, category_id) = (&self.scored.rule_set, one.category_id.as_ref());
        one.score?;
        let most = |((rule, one), other): ((&MetricRule, &MetricCard), &MetricCard)| {
            let of = |card: &MetricCard| {
                Some((card.count.value(rule.metric)?, card.assessed?.standing.map(|standing| standing.ratio())))
            };
            let better = rule.metric.definition().better;
            let (one, other) = (of(one)?, of(other)?);
            Some(rule_set.assessment(rule, category_id).most_points(one, other, better))
        };
        let points: Vec<_> = rule_set.metrics.iter().zip(&one.metrics).zip(&other.metrics).map(most).collect();
        score_of(rule_set, category_id, &points)
    }

    /// The numbers of further orders at which something begins to be assessed, or a value is the subject's own former one,
    /// whose standing may be told more exactly than those around it: rising, from 1.
    fn edges(&self, assumption: &Assumption) -> Vec<i64> {
        let counts = self.counts(assumption);
        let Scored { rule_set, card } = self.scored;
        let mut edges = vec![rule_set.minimums.signed_orders - counts.signed_orders];
        for ((rule, count), former) in rule_set.metrics.iter().zip(&counts.metrics).zip(&card.metrics) {
            if counts_further(rule_set, rule) {
                edges.push(rule_set.minimums.metric_count - count.volume);
                let former = former.count.value(rule.metric).filter(|value| value.numerator > 0);
                if let Some(Ratio { numerator, denominator }) = former {
                    // Where the same numerator makes the same value.
                    let volume = i128::from(count.numerator) * i128::from(denominator) / i128::from(numerator);
                    let further = i64::try_from(volume).unwrap_or(i64::MAX).saturating_sub(count.volume);
                    edges.extend([further, further.saturating_add(1)]);
                }
            }
        }
        edges.retain(|edge| (1..=FURTHER_ORDERS_MAX).contains(edge));
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// Whether a metric counts further orders: its denominator is signed or paid orders, and its own window has their day.
fn counts_further(rule_set: &RuleSet, rule: &MetricRule) -> bool {
    let is_of_orders = [[Measure::SignedOrders], [Measure::PaidOrders]]
        .iter()
        .any(|orders| rule.metric.definition().denominator == orders);
    is_of_orders && rule.window.window.has(rule_set.near.window.newest())
}

#[cfg(test)]
#[path = "what_if_tests.rs"]
mod tests;
