//! What the members of a category have: quantiles of every metric and of the score.

use std::sync::Arc;

use chrono::NaiveDate;

use super::published::{Published, ReadError};
use super::source::Source;
use crate::domain::curve::Ratio;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
use crate::domain::metric::Metric;
use crate::domain::peers::{Basis, MetricPeers, PeerGroup};
use crate::domain::quantiles::Quantiles;
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::score::{MetricCard, Scored};
use crate::domain::subject::SubjectKind;
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::RunRow;
use crate::storage::{peer_group, score};

/// What the peers have among which a metric stands.
pub struct PeerValues {
    pub metric: Metric,
    pub basis: Basis,
    pub values: Quantiles,
}

/// What a category's members have in a published run.
pub struct Benchmarks {
    pub run: RunRow,
    pub rule_set: Arc<RuleSet>,
    pub score: Quantiles,
    /// In the rule set's order.
    pub metrics: Vec<(Metric, Quantiles)>,
}

/// Whose benchmarks are wanted.
#[derive(Clone, Debug)]
pub struct WantedBenchmarks {
    pub category_id: Id,
    pub date: Option<NaiveDate>,
    pub revision: Option<i32>,
    pub kind: SubjectKind,
    /// Default: the run's.
    pub rule_set: Option<String>,
    /// Whether quantiles of fewer members than make a peer group are left out: of few, a quantile tells what one of
    /// them has.
    pub hides_few: bool,
}

impl Source {
    pub async fn benchmarks(&self, wanted: &WantedBenchmarks) -> Result<Benchmarks, ReadError> {
        let mut connection = self.connection().await?;
        let of = (wanted.kind, wanted.rule_set.as_deref());
        let run = self.answering_run(&mut connection, of, wanted.date, wanted.revision).await?;
        let used = self.used_rule_set(&mut connection, &run, wanted.kind, wanted.rule_set.as_deref()).await?;
        let UsedRuleSet { version, rule_set } = used;
        let scores = score::of_category(&mut connection, run.run_id, version, &wanted.category_id).await?;
        let category_id = wanted.category_id.as_str();
        let groups = peer_group::of_category(&mut connection, run.run_id, version, category_id).await?;
        let is_few = |members: usize| wanted.hides_few && (members as i64) < rule_set.minimums.peers;
        let metrics = rising_values(&rule_set, &groups).into_iter().map(|(metric, rising)| {
            let quantiles = Quantiles::of(&rising, is_few(rising.len()));
            (metric, quantiles)
        });
        let (metrics, score) = (metrics.collect(), Quantiles::of(&scores, is_few(scores.len())));
        Ok(Benchmarks { run, rule_set, score, metrics })
    }
}

impl Source {
    /// What the peers have among which the metrics of a card stand, in the rule set's order. A peer group has as many members as
    /// the rules ask for, so its quantiles may be shown.
    pub async fn peer_values(&self, published: &Published) -> Result<Vec<PeerValues>, ReadError> {
        let Published { run, version, scored: Scored { rule_set, card }, .. } = published;
        let mut connection = self.connection().await?;
        let category_id = card.category_id.as_ref();
        let all = peer_group::around(&mut connection, run.run_id, *version, rule_set, category_id).await?;
        let values = |((peers, card), rule): ((&MetricPeers, &MetricCard), &MetricRule)| {
            let basis = card.assessed?.standing?.basis;
            let group = match basis {
                Basis::Category => peers.categories.get(category_id?)?,
                Basis::Market => &peers.market,
                Basis::Reference => return None,
            };
            Some(PeerValues { metric: rule.metric, basis, values: Quantiles::of(&rising(group), false) })
        };
        Ok(all.iter().zip(&card.metrics).zip(&rule_set.metrics).filter_map(values).collect())
    }
}

/// The values of a group, from the lowest up.
fn rising(group: &PeerGroup) -> Vec<Decimal> {
    let mut values: Vec<Ratio> = group.values().to_vec();
    values.sort_unstable_by(|left, right| left.compare(*right));
    values.iter().map(|value| value.rounded(PLACES_MAX)).collect()
}

/// The values of every metric's members, from the lowest up. `groups` are peer groups by place of the metric.
fn rising_values(rule_set: &RuleSet, groups: &[(usize, PeerGroup)]) -> Vec<(Metric, Vec<Decimal>)> {
    let of_metric = |place: usize, metric: Metric| {
        let group = groups.iter().find(|(other, _)| *other == place);
        (metric, group.map(|(_, group)| rising(group)).unwrap_or_default())
    };
    rule_set.metrics.iter().enumerate().map(|(place, rule)| of_metric(place, rule.metric)).collect()
}
