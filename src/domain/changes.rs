//! Why a score moved: the change between two published cards, taken apart.
//!
//! Per metric: *own* (the own counts among the old peers), *peers* (the old and the new peers around the new counts)
//! and *weights* (what is assessed, and all that a new rule set changes). Own and peers are told under the old rules.
//! Parts are shares of the score in millionths; they add up exactly to the change of the score before its last rounding,
//! since each is the difference of two running totals.

use super::decimal::{Decimal, PLACES_MAX};
use super::metric::{Metric, MetricCount};
use super::rules::{Assessment, MetricRule, Minimums, RuleSet};
use super::score::{Peers, Scored, dimension_scores, mean_of_dimensions, points_of, score_instead};
use super::subject_counts::SubjectCounts;
use super::weights::weights;

/// What moved one metric's share of the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricChange {
    pub own: Decimal,
    pub peers: Decimal,
    pub weights: Decimal,
}

/// The change of a score before its last rounding, and its parts per metric.
#[derive(Clone, Debug)]
pub struct Changes {
    pub from: Decimal,
    pub to: Decimal,
    /// What other adjustments, or other points for them, moved.
    pub adjustments: Decimal,
    /// Every metric of either rule set, in the order of the new one.
    pub metrics: Vec<(Metric, MetricChange)>,
}

impl Changes {
    /// This change and the one that came after it.
    pub(crate) fn then(self, later: Changes) -> Changes {
        let mut metrics = later.metrics;
        for (metric, earlier) in self.metrics {
            match metrics.iter_mut().find(|(other, _)| *other == metric) {
                Some((_, change)) => {
                    change.own = change.own.plus(earlier.own);
                    change.peers = change.peers.plus(earlier.peers);
                    change.weights = change.weights.plus(earlier.weights);
                }
                None => metrics.push((metric, earlier)),
            }
        }
        Changes { from: self.from, to: later.to, adjustments: self.adjustments.plus(later.adjustments), metrics }
    }

    /// The change with what adjustments add to both sides of it.
    fn adjusted(self, old: &Scored, new: &Scored) -> Changes {
        let (before, after) = (old.adjusted_by(), new.adjusted_by());
        Changes {
            from: self.from.plus(before),
            to: self.to.plus(after),
            adjustments: after.minus(before),
            metrics: self.metrics,
        }
    }
}

/// What both scores are made from before adjustments. `None` unless both have a score of the same kind: what a rule set gives for
/// too little volume is no sum of metrics.
fn unadjusted(old: &Scored, new: &Scored) -> Option<(Decimal, Decimal)> {
    let pair = old.unadjusted().zip(new.unadjusted());
    pair.filter(|_| old.card.status == new.card.status)
}

/// What another rule set makes of the same facts: `old` and `new` are cards of one run. `None` unless both have a score.
pub(crate) fn changes_of_rules(old: &Scored, new: &Scored) -> Option<Changes> {
    let (from, to) = unadjusted(old, new)?;
    let mut metrics = all_metrics(old, new);
    share_weights(&mut metrics, old, new, &old.card.points(), from, to);
    Some(Changes { from, to, adjustments: Decimal::ZERO, metrics }.adjusted(old, new))
}

/// `old_peers` are those around the subject in the old run. Where the cards were made under different rule sets, what a
/// metric's own counts and peers are under the old rules is known only as far as both measure it alike; all else counts as
/// the change of rules. `None` unless both cards have a score.
pub(crate) fn changes(old: &Scored, new: &Scored, old_peers: &Peers) -> Option<Changes> {
    let (from, to) = unadjusted(old, new)?;
    let steps = Steps::gather(old, new, old_peers);
    let mut metrics: Vec<(Metric, MetricChange)> = all_metrics(old, new);
    let mut points = old.card.points();
    let old_category = old.card.category_id.as_ref();
    let total = |points: &[Option<Decimal>]| {
        let dimensions = dimension_scores(&old.rule_set, old_category, points);
        mean_of_dimensions(&old.rule_set, old_category, &dimensions, PLACES_MAX).unwrap_or(from)
    };
    // First the points move, under the old weights …
    let mut reached = from;
    let mut advance = |points: &[Option<Decimal>]| {
        let before = std::mem::replace(&mut reached, total(points));
        reached.minus(before)
    };
    for (metric, change) in &mut metrics {
        let Some(step) = steps.0.iter().find(|step| step.metric == *metric) else { continue };
        points[step.old_index] = Some(step.among_old_peers);
        change.own = advance(&points);
        points[step.old_index] = Some(step.among_new_peers);
        change.peers = advance(&points);
    }
    // … then the weights; what is left to the new total by rounding goes to the last metric that a weight moved.
    share_weights(&mut metrics, old, new, &points, reached, to);
    Some(Changes { from, to, adjustments: Decimal::ZERO, metrics }.adjusted(old, new))
}

/// The points that a metric which both cards assess passes through.
struct Step {
    metric: Metric,
    old_index: usize,
    among_old_peers: Decimal,
    among_new_peers: Decimal,
}

struct Steps(Vec<Step>);

impl Steps {
    fn gather(old: &Scored, new: &Scored, old_peers: &Peers) -> Steps {
        let counts: Vec<MetricCount> = old.rule_set.metrics.iter().map(|rule| new_count(new, rule)).collect();
        let subject = SubjectCounts {
            category_id: old.card.category_id.clone(),
            // Enough volume: the old card is scored.
            signed_orders: old.card.signed_orders,
            volume: old.card.volume,
            adjustments: old.card.adjustments.clone(),
            metrics: counts.clone(),
        };
        let instead = score_instead(&old.rule_set, &subject, old_peers, Some(&old.card));
        let steps = old.rule_set.metrics.iter().enumerate().filter_map(|(old_index, rule)| {
            let new_index = new.rule_set.place(rule.metric)?;
            old.card.metrics[old_index].assessed?;
            let now = new.card.metrics[new_index].assessed?;
            if !is_measured_alike(old, new, rule) {
                return None;
            }
            let value = counts[old_index].value(rule.metric)?;
            let category_id = new.card.category_id.as_ref();
            let by_new_peers = || points_of(&old.rule_set, rule, value, category_id, now.standing);
            let among_old_peers = instead.metrics[old_index].assessed.map(|now| now.points);
            // New rules that do not compare leave no trace of the new peers.
            let is_by_peers = |scored: &Scored, index: usize| {
                let rule = &scored.rule_set.metrics[index];
                let assessment = scored.rule_set.assessment(rule, scored.card.category_id.as_ref());
                matches!(assessment, Assessment::Peers { .. })
            };
            let are_untold = is_by_peers(old, old_index) && !is_by_peers(new, new_index);
            let among_new_peers = among_old_peers.filter(|_| are_untold).unwrap_or_else(by_new_peers);
            let among_old_peers = among_old_peers.unwrap_or(among_new_peers);
            Some(Step { metric: rule.metric, old_index, among_old_peers, among_new_peers })
        });
        Steps(steps.collect())
    }
}

/// Whether a metric of the old rule set is the same measurement under the new one.
fn is_measured_alike(old: &Scored, new: &Scored, rule: &MetricRule) -> bool {
    let measured = |rule_set: &RuleSet, rule: &MetricRule| {
        let Minimums { volume, count, metric_count, peers, score_below: _ } = rule_set.minimums;
        (rule_set.measurement(rule), rule_set.near.window, volume, [count, metric_count, peers])
    };
    let new_rule = new.rule_set.place(rule.metric).map(|index| &new.rule_set.metrics[index]);
    old.rule_set.hash == new.rule_set.hash
        || new_rule.is_some_and(|new_rule| measured(&old.rule_set, rule) == measured(&new.rule_set, new_rule))
}

fn new_count(new: &Scored, rule: &MetricRule) -> MetricCount {
    new.rule_set.place(rule.metric).map_or_else(MetricCount::default, |index| new.card.metrics[index].count)
}

/// Every metric of either rule set, in the order of the new one, without parts.
pub(crate) fn all_metrics(old: &Scored, new: &Scored) -> Vec<(Metric, MetricChange)> {
    let gone = old.rule_set.metrics.iter().filter(|rule| new.rule_set.place(rule.metric).is_none());
    let all = new.rule_set.metrics.iter().chain(gone);
    all.map(|rule| (rule.metric, MetricChange::default())).collect()
}

/// The shares of the score that metrics gain or lose by their weights alone.
fn share_weights(
    metrics: &mut [(Metric, MetricChange)],
    old: &Scored,
    new: &Scored,
    points: &[Option<Decimal>],
    reached: Decimal,
    to: Decimal,
) {
    let (old_weights, new_weights) = (weights(&old.rule_set, &old.card), weights(&new.rule_set, &new.card));
    let share = |weight: Decimal, points: Decimal| i128::from(weight.millionths()) * i128::from(points.millionths());
    let mut left = to.minus(reached);
    let mut last = None;
    for (index, (metric, change)) in metrics.iter_mut().enumerate() {
        let before = old
            .rule_set
            .place(*metric)
            .map_or(0, |place| share(old_weights[place].1, points[place].unwrap_or_default()));
        let after = new.rule_set.place(*metric).map_or(0, |place| {
            let points = new.card.metrics[place].assessed.map_or(Decimal::ZERO, |assessed| assessed.points);
            share(new_weights[place].1, points)
        });
        if after != before {
            change.weights = Decimal::rounded(after - before, 1_000_000_000_000, PLACES_MAX);
            left = left.minus(change.weights);
            last = Some(index);
        }
    }
    let last = last.unwrap_or(0);
    if let Some((_, change)) = metrics.get_mut(last) {
        change.weights = change.weights.plus(left);
    }
}
