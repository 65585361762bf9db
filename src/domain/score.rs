//! From counts to cards: metric values, standings, points, dimension scores and the score (scoring law §7).
//!
//! A run scores in two passes: first the values of all subjects, metric by metric ([`peer_value`], [`MetricPeers`]), then the card
//! of each ([`score_by`]). Nothing here needs a clock or a database; the same input gives the same cards.

use std::sync::Arc;

use super::composed::Composed;
use super::curve::Ratio;
use super::decimal::{Decimal, PLACES_MAX};
use super::id::Id;
use super::metric::{Metric, MetricCount};
use super::peers::{Basis, Former, MetricPeers, Standing};
use super::rules::{Assessment, MetricRule, RuleSet};
use super::subject_counts::SubjectCounts;
use super::words::words;

pub(crate) use super::composed::{dimension_scores, mean_of_dimensions, score_of};

words! {
    pub enum Status {
        Scored = "scored",
        /// With too little volume, and the score that the rule set gives then.
        Growth = "growth",
        InsufficientVolume = "insufficient_volume",
    }
}

/// How an assessed metric came to its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessed {
    /// `None` where the value itself gave the points (basis `reference`).
    pub standing: Option<Standing>,
    pub points: Decimal,
}

impl Assessed {
    pub fn basis(&self) -> Basis {
        self.standing.map_or(Basis::Reference, |standing| standing.basis)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricCard {
    pub count: MetricCount,
    pub assessed: Option<Assessed>,
}

/// One subject's result under one rule set. `dimensions` and `metrics` stand in the rule set's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub category_id: Option<Id>,
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: i64,
    pub status: Status,
    /// How many adjustments of each code count, in the rule set's order.
    pub adjustments: Vec<i64>,
    pub dimensions: Vec<Option<Decimal>>,
    pub metrics: Vec<MetricCard>,
    /// With the rule set's places; `None` without enough volume.
    pub score: Option<Decimal>,
}

impl Card {
    /// The points of every metric, where it is assessed.
    pub fn points(&self) -> Vec<Option<Decimal>> {
        self.metrics.iter().map(|metric| metric.assessed.map(|assessed| assessed.points)).collect()
    }
}

/// The status that volume and score make.
pub(crate) fn status(rule_set: &RuleSet, volume: i64, has_score: bool) -> Status {
    match has_score {
        false => Status::InsufficientVolume,
        true if volume >= rule_set.minimums.count => Status::Scored,
        true => Status::Growth,
    }
}

/// The peers of every metric of a rule set, in its order.
pub(crate) type Peers = Vec<MetricPeers>;

/// A card with the rules that made it.
#[derive(Clone, Debug)]
pub struct Scored {
    pub rule_set: Arc<RuleSet>,
    pub card: Card,
}

impl Scored {
    /// Where a metric stands in the rule set and in the card, if the rule set measures it.
    pub fn metric(&self, metric: Metric) -> Option<(&MetricRule, &MetricCard)> {
        let place = self.rule_set.place(metric)?;
        Some((&self.rule_set.metrics[place], &self.card.metrics[place]))
    }

    /// What the score is made from before adjustments, bounds and rounding, to six places: the mean of the dimension scores, or
    /// what the rule set gives with too little volume.
    pub fn unadjusted(&self) -> Option<Decimal> {
        match self.card.status {
            Status::Scored => {
                mean_of_dimensions(&self.rule_set, self.card.category_id.as_ref(), &self.card.dimensions, PLACES_MAX)
            }
            Status::Growth => self.rule_set.minimums.score_below,
            Status::InsufficientVolume => None,
        }
    }

    /// The score before it is bound to the scale and rounded, to six places.
    pub fn unrounded(&self) -> Option<Decimal> {
        Some(self.unadjusted()?.plus(self.adjusted_by()))
    }

    /// What adjustments come to.
    pub fn adjusted_by(&self) -> Decimal {
        self.rule_set.adjusted_by(&self.card.adjustments)
    }
}

/// Scores all subjects of a rule set's kind. The cards stand in the order of `subjects`; the peers are those that they
/// stand among.
#[cfg(test)]
pub(crate) fn score_all(rule_set: &RuleSet, subjects: &[SubjectCounts]) -> (Vec<Card>, Peers) {
    let value = |rule: &MetricRule, index: usize, subject: &SubjectCounts| {
        peer_value(rule_set, rule, subject.volume, &subject.metrics[index])
    };
    let peers_of = |(index, rule): (usize, &MetricRule)| {
        let values =
            subjects.iter().filter_map(|subject| Some((value(rule, index, subject)?, subject.category_id.as_ref())));
        MetricPeers::gather(values, rule.metric.definition().better)
    };
    let peers: Peers = rule_set.metrics.iter().enumerate().map(peers_of).collect();
    let card = |subject: &SubjectCounts| {
        score_by(rule_set, subject, |index, value| {
            let better = rule_set.metrics[index].metric.definition().better;
            peers[index].standing(value, subject.category_id.as_ref(), better, rule_set.minimums.peers)
        })
    };
    (subjects.iter().map(card).collect(), peers)
}

/// Scores a subject whose standings are known: `standing` tells the one of a metric's value, by the metric's place.
pub(crate) fn score_by(
    rule_set: &RuleSet,
    subject: &SubjectCounts,
    standing: impl Fn(usize, Ratio) -> Option<Standing>,
) -> Card {
    score_one(rule_set, subject, |index, _, value| standing(index, value))
}

/// The value with which a subject is a peer in a metric; `None` with too little volume.
pub(crate) fn peer_value(rule_set: &RuleSet, rule: &MetricRule, volume: i64, count: &MetricCount) -> Option<Ratio> {
    assessable(rule_set, rule, count).filter(|_| volume >= rule_set.minimums.count)
}

/// Scores one subject with counts of its own choice among the peers of a run in which it had `former`; everybody else
/// stands still.
pub(crate) fn score_instead(rule_set: &RuleSet, subject: &SubjectCounts, peers: &Peers, former: Option<&Card>) -> Card {
    score_among(rule_set, subject, peers, former, false)
}

/// The same, with the standing of every value but the subject's own former one in tenths: for those who may not learn what
/// their peers have by asking again and again.
pub(crate) fn score_in_tenths(rule_set: &RuleSet, subject: &SubjectCounts, peers: &Peers, former: &Card) -> Card {
    score_among(rule_set, subject, peers, Some(former), true)
}

fn score_among(
    rule_set: &RuleSet,
    subject: &SubjectCounts,
    peers: &Peers,
    former: Option<&Card>,
    in_tenths: bool,
) -> Card {
    let former_of = |index: usize, rule: &MetricRule| {
        let card = former?;
        let metric = card.metrics.get(index)?;
        metric.assessed?;
        Some(Former { value: metric.count.value(rule.metric)?, category_id: card.category_id.clone() })
    };
    score_one(rule_set, subject, |index, rule, value| {
        let former = former_of(index, rule);
        let (better, minimum) = (rule.metric.definition().better, rule_set.minimums.peers);
        let category_id = subject.category_id.as_ref();
        let standing = peers[index].standing_instead(value, category_id, former.as_ref(), better, minimum)?;
        let is_own = former.is_some_and(|former| former.value.compare(value).is_eq());
        Some(if in_tenths && !is_own { standing.in_tenths() } else { standing })
    })
}

/// Scores one subject. `standing` tells where a value of a metric stands among its peers.
fn score_one(
    rule_set: &RuleSet,
    subject: &SubjectCounts,
    standing: impl Fn(usize, &MetricRule, Ratio) -> Option<Standing>,
) -> Card {
    let category_id = subject.category_id.as_ref();
    let enough = subject.volume >= rule_set.minimums.count;
    let metric_card = |(index, rule): (usize, &MetricRule)| {
        let count = subject.metrics[index];
        let value = peer_value(rule_set, rule, subject.volume, &count);
        let assessed = value.map(|value| assess(rule_set, rule, value, category_id, || standing(index, rule, value)));
        MetricCard { count, assessed }
    };
    let metrics: Vec<MetricCard> = rule_set.metrics.iter().enumerate().map(metric_card).collect();
    let SubjectCounts { category_id, signed_orders, volume, adjustments, .. } = subject.clone();
    let points: Vec<_> = metrics.iter().map(|metric| metric.assessed.map(|assessed| assessed.points)).collect();
    let dimensions = dimension_scores(rule_set, category_id.as_ref(), &points);
    let adjusted_by = rule_set.adjusted_by(&adjustments);
    let score = match rule_set.minimums.score_below.filter(|_| !enough) {
        Some(score) => Some(Composed::of_score(score).finished(rule_set, adjusted_by)),
        None => Composed::of_dimensions(rule_set, category_id.as_ref(), &dimensions)
            .map(|composed| composed.finished(rule_set, adjusted_by)),
    };
    let status = status(rule_set, volume, score.is_some());
    Card { category_id, signed_orders, volume, status, adjustments, dimensions, metrics, score }
}

/// The value of a metric with enough volume of its own.
fn assessable(rule_set: &RuleSet, rule: &MetricRule, count: &MetricCount) -> Option<Ratio> {
    count.value(rule.metric).filter(|_| count.volume >= rule_set.minimums.metric_count)
}

fn assess(
    rule_set: &RuleSet,
    rule: &MetricRule,
    value: Ratio,
    category_id: Option<&Id>,
    standing: impl FnOnce() -> Option<Standing>,
) -> Assessed {
    let by_peers = matches!(rule_set.assessment(rule, category_id), Assessment::Peers { .. });
    let standing = if by_peers { standing() } else { None };
    Assessed { standing, points: points_of(rule_set, rule, value, category_id, standing) }
}

/// The points of a value with its standing; a value without one goes by the reference curve (scoring law §7.3).
pub(crate) fn points_of(
    rule_set: &RuleSet,
    rule: &MetricRule,
    value: Ratio,
    category_id: Option<&Id>,
    standing: Option<Standing>,
) -> Decimal {
    match rule_set.assessment(rule, category_id) {
        Assessment::Peers { standing: curve, reference } => match standing {
            Some(standing) => curve.points(standing.ratio()),
            None => reference.points(value),
        },
        Assessment::Curve(curve) => curve.points(value),
        Assessment::Steps(table) => table.points(value, rule.metric.definition().better),
    }
}
