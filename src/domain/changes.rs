//! Why a score moved: the change between two published cards, taken apart.
//!
//! Per metric: *own* (the own counts among the old peers), *peers* (the old and the new peers around the new counts)
//! and
//! *weights* (what is assessed, and the rule set). Parts are shares of the score in millionths; they add up exactly to
//! the change of the score before its last rounding, since each is the difference of two running totals.

use super::decimal::{Decimal, PLACES_MAX};
use super::metric::{Metric, MetricCount};
use super::rules::MetricRule;
use super::score::{Peers, Scored, SubjectCounts, dimension_scores, mean_of_dimensions, points_of, score_instead};
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
    /// Every metric of either rule set, in the order of the new one.
    pub metrics: Vec<(Metric, MetricChange)>,
}

/// `old_peers` are those around the subject in the old run. `None` unless both cards have a score.
pub(crate) fn changes(old: &Scored, new: &Scored, old_peers: &Peers) -> Option<Changes> {
    let (from, to) = (old.unrounded()?, new.unrounded()?);
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
    Some(Changes { from, to, metrics })
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
            // Enough volume on both sides: both cards have a score.
            signed_orders: old.card.signed_orders.max(new.card.signed_orders),
            metrics: counts.clone(),
        };
        let instead = score_instead(&old.rule_set, &subject, old_peers, Some(&old.card));
        let steps = old.rule_set.metrics.iter().enumerate().filter_map(|(old_index, rule)| {
            let new_index = new.rule_set.place(rule.metric)?;
            old.card.metrics[old_index].assessed?;
            let now = new.card.metrics[new_index].assessed?;
            let value = counts[old_index].value(rule.metric)?;
            let category_id = new.card.category_id.as_ref();
            let among_new_peers = points_of(&old.rule_set, rule, value, category_id, now.standing);
            let among_old_peers = instead.metrics[old_index].assessed.map_or(among_new_peers, |now| now.points);
            Some(Step { metric: rule.metric, old_index, among_old_peers, among_new_peers })
        });
        Steps(steps.collect())
    }
}

fn new_count(new: &Scored, rule: &MetricRule) -> MetricCount {
    new.rule_set.place(rule.metric).map_or_else(MetricCount::default, |index| new.card.metrics[index].count)
}

fn all_metrics(old: &Scored, new: &Scored) -> Vec<(Metric, MetricChange)> {
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
