//! Rows of `peer_group`: the values that a run's members of a category have in a metric, best first.

use std::collections::HashMap;

use sqlx::{PgConnection, Row};

use super::StoreError;
use super::packing::{Packed, put};
use crate::domain::curve::Ratio;
use crate::domain::id::Id;
use crate::domain::peers::{MetricPeers, PeerGroup};
use crate::domain::rules::RuleSet;

/// Groups written with one statement.
const WRITE_CHUNK: usize = 1_000;

fn encode(group: &PeerGroup) -> Vec<u8> {
    let mut packed = Vec::with_capacity(group.values().len() * 5);
    for value in group.values() {
        put(&mut packed, value.numerator);
        put(&mut packed, value.denominator);
    }
    packed
}

fn decode(packed: &[u8]) -> Result<PeerGroup, StoreError> {
    let corrupt = || StoreError::Corrupt("a packed peer group".to_owned());
    let mut reader = Packed { rest: packed };
    let mut values = Vec::with_capacity(packed.len() / 4);
    while let Some(numerator) = reader.number() {
        let denominator = reader.number().filter(|denominator| *denominator > 0).ok_or_else(corrupt)?;
        values.push(Ratio { numerator, denominator });
    }
    if reader.rest.is_empty() { Ok(PeerGroup::sorted(values)) } else { Err(corrupt()) }
}

/// The id under which those without a category are kept; no category has it.
const NO_CATEGORY: &str = "";

/// The rows of one metric's peers, packed.
#[derive(Debug)]
pub(crate) struct PeerRows {
    metric: i16,
    /// Category, members, values.
    groups: Vec<(Id, i32, Vec<u8>)>,
}

impl PeerRows {
    /// `metric` is the metric's place in the rule set.
    pub(crate) fn of(metric: usize, peers: &MetricPeers) -> PeerRows {
        let uncategorized = (&Id::stored(NO_CATEGORY), &peers.uncategorized);
        let groups = peers.categories.iter().chain([uncategorized]).filter(|(_, group)| group.members() > 0);
        let row = |(id, group): (&Id, &PeerGroup)| (id.clone(), group.members() as i32, encode(group));
        PeerRows { metric: metric as i16, groups: groups.map(row).collect() }
    }
}

/// Writes the peers of one metric of a run under one rule set.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    run_id: i64,
    version: i16,
    rows: &PeerRows,
) -> Result<(), StoreError> {
    for chunk in rows.groups.chunks(WRITE_CHUNK) {
        sqlx::query(
            "insert into peer_group (run_id, rule_set, metric, category_id, members, members_values)
             select $1, $2, $3, * from unnest($4::text[], $5::integer[], $6::bytea[])",
        )
        .bind(run_id)
        .bind(version)
        .bind(rows.metric)
        .bind(chunk.iter().map(|row| row.0.as_str()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(chunk.iter().map(|row| row.2.as_slice()).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(crate) async fn delete(connection: &mut PgConnection, run_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from peer_group where run_id = $1").bind(run_id).execute(connection).await?;
    Ok(())
}

/// The peers that a subject of a category stands among in a run, metric by metric in the rule set's order. The market
/// is put together only where the category is too small, with or without the subject.
pub(crate) async fn around(
    connection: &mut PgConnection,
    run_id: i64,
    version: i16,
    rule_set: &RuleSet,
    category_id: Option<&Id>,
) -> Result<Vec<MetricPeers>, StoreError> {
    let mut peers: Vec<MetricPeers> = rule_set.metrics.iter().map(|_| MetricPeers::default()).collect();
    if let Some(category_id) = category_id {
        for (metric, group) in of_category(connection, run_id, version, category_id.as_str()).await? {
            if let Some(peers) = peers.get_mut(metric) {
                peers.categories.insert(category_id.clone(), group);
            }
        }
    }
    let large = |peers: &MetricPeers| {
        let group = category_id.and_then(|id| peers.categories.get(id));
        group.is_some_and(|group| group.members() > rule_set.minimums.peers)
    };
    let small: Vec<i16> = (0_i16..).zip(&peers).filter(|(_, peers)| !large(peers)).map(|(metric, _)| metric).collect();
    let rows = sqlx::query(
        "select metric, members_values from peer_group where run_id = $1 and rule_set = $2 and metric = any($3)",
    )
    .bind(run_id)
    .bind(version)
    .bind(&small)
    .fetch_all(connection)
    .await?;
    let mut markets: HashMap<usize, Vec<Ratio>> = HashMap::new();
    for row in rows {
        let metric = row.try_get::<i16, _>(0)? as usize;
        markets.entry(metric).or_default().extend(decode(row.try_get(1)?)?.values());
    }
    for (metric, values) in markets {
        if let (Some(peers), Some(rule)) = (peers.get_mut(metric), rule_set.metrics.get(metric)) {
            peers.market = PeerGroup::new(values, rule.metric.definition().better);
        }
    }
    Ok(peers)
}

/// The groups of one category by place of the metric.
pub(crate) async fn of_category(
    connection: &mut PgConnection,
    run_id: i64,
    version: i16,
    category_id: &str,
) -> Result<Vec<(usize, PeerGroup)>, StoreError> {
    let rows = sqlx::query(
        "select metric, members_values from peer_group
         where run_id = $1 and rule_set = $2 and category_id = $3 order by metric",
    )
    .bind(run_id)
    .bind(version)
    .bind(category_id)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| Ok((row.try_get::<i16, _>(0)? as usize, decode(row.try_get(1)?)?))).collect()
}
