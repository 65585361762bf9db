//! What a score would be with other counts, everybody else standing still, and what it takes to reach a target.

use super::curve::Ratio;
use super::decimal::Decimal;
use super::metric::{Metric, MetricCount, Wrong};
use super::rules::{MetricRule, RuleSet};
use super::score::{Card, MetricCard, Peers, Scored, Status, score_in_tenths, score_instead, score_of};
use super::subject_counts::SubjectCounts;

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
    /// Further orders without faults, all of whose days are the newest one of the near window.
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
            let of_one = of_further_order(&self.scored.rule_set, rule);
            count.numerator += further * of_one.numerator;
            count.volume += further * of_one.volume;
            count
        });
        let Scored { rule_set, card } = self.scored;
        SubjectCounts {
            category_id: card.category_id.clone(),
            signed_orders: card.signed_orders + further,
            volume: card.volume + further * rule_set.minimums.volume.of_further_order(),
            adjustments: card.adjustments.clone(),
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
        // What too little volume gives does not depend on how much it is.
        if one.status != Status::Scored {
            return one.score;
        }
        let most = |((rule, one), other): ((&MetricRule, &MetricCard), &MetricCard)| {
            let of = |card: &MetricCard| {
                Some((card.count.value(rule.metric)?, card.assessed?.standing.map(|standing| standing.ratio())))
            };
            let better = rule.metric.definition().better;
            let (one, other) = (of(one)?, of(other)?);
            Some(rule_set.assessment(rule, category_id).most_points(one, other, better))
        };
        let points: Vec<_> = rule_set.metrics.iter().zip(&one.metrics).zip(&other.metrics).map(most).collect();
        score_of(rule_set, category_id, &points, rule_set.adjusted_by(&one.adjustments))
    }

    /// The numbers of further orders at which something begins to be assessed, or a value is the subject's own former one,
    /// whose standing may be told more exactly than those around it: rising, from 1.
    fn edges(&self, assumption: &Assumption) -> Vec<i64> {
        let counts = self.counts(assumption);
        let Scored { rule_set, card } = self.scored;
        let of_volume = rule_set.minimums.volume.of_further_order();
        let mut edges: Vec<i64> =
            (of_volume > 0).then(|| missing(rule_set.minimums.count - counts.volume, of_volume)).into_iter().collect();
        for ((rule, count), former) in rule_set.metrics.iter().zip(&counts.metrics).zip(&card.metrics) {
            let of_one = of_further_order(rule_set, rule);
            if of_one.volume > 0 {
                edges.push(missing(rule_set.minimums.metric_count - count.volume, of_one.volume));
                let former = former.count.value(rule.metric);
                let further = former.and_then(|former| same_value(rule.metric, *count, of_one, former));
                edges.extend(further.into_iter().flat_map(|further| [further, further.saturating_add(1)]));
            }
        }
        edges.retain(|edge| (1..=FURTHER_ORDERS_MAX).contains(edge));
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

/// How many orders bring so much, each of which brings `of_one`.
fn missing(much: i64, of_one: i64) -> i64 {
    much.div_euclid(of_one) + i64::from(much.rem_euclid(of_one) > 0)
}

/// After how many further orders a metric's value is a former one; a number beside it where it never is exactly.
fn same_value(metric: Metric, count: MetricCount, of_one: MetricCount, former: Ratio) -> Option<i64> {
    let scale = i128::from(metric.definition().denominator_scale);
    let (numerator, denominator) = (i128::from(former.numerator), i128::from(former.denominator));
    // (count + k x of_one) as a quotient is the former value.
    let lacking = numerator * i128::from(count.volume) * scale - i128::from(count.numerator) * denominator;
    let of_each = i128::from(of_one.numerator) * denominator - numerator * i128::from(of_one.volume) * scale;
    i64::try_from(lacking.checked_div_euclid(of_each)?).ok()
}

/// What one further order adds to a metric whose window has its day. A metric in which it would be at fault, for all that is
/// known of it, does not count it.
fn of_further_order(rule_set: &RuleSet, rule: &MetricRule) -> MetricCount {
    let definition = rule.metric.definition();
    let numerator = definition.numerator(rule_set.bad_stars_max).of_further_order();
    let volume = definition.denominator.iter().map(|measure| measure.of_further_order()).sum();
    let is_without_fault = numerator > 0 || definition.wrong == Wrong::Numerator;
    let is_counted = is_without_fault && rule.window.window.has(rule_set.near.window.newest());
    if is_counted { MetricCount { numerator, volume } } else { MetricCount::default() }
}

#[cfg(test)]
#[path = "what_if_tests.rs"]
mod tests;
