//! The codec of `score_detail.cards`: the cards of one subject under all rule sets of its kind, packed.
//!
//! Counts that several rule sets share (same metric, window and bound of bad stars) are written
//! once, with the first rule set that has them.

use std::sync::Arc;

use super::StoreError;
use super::packing::{Packed, put};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::peers::{Basis, Standing};
use crate::domain::rules::RuleSet;
use crate::domain::score::{Assessed, Card, MetricCard, status};
use crate::domain::window::Window;

/// Decimals are kept in ten-thousandths: points and dimension scores have four places, the score two.
const DECIMAL_UNIT: i64 = 100;

/// What tells two counts apart.
type CountKey = (Metric, Window, Measure);

fn count_key(rule_set: &RuleSet, index: usize) -> CountKey {
    rule_set.measurement(&rule_set.metrics[index])
}

/// Packs the cards of one subject; `cards` stand in the order of `rule_sets`.
pub(crate) fn encode(rule_sets: &[Arc<RuleSet>], cards: &[Card]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(256);
    let mut written: Vec<CountKey> = Vec::new();
    for (rule_set, card) in rule_sets.iter().zip(cards) {
        put(&mut packed, card.signed_orders);
        if has_volume(rule_set) {
            put(&mut packed, card.volume);
        }
        card.adjustments.iter().for_each(|count| put(&mut packed, *count));
        put_decimal(&mut packed, card.score);
        for dimension in &card.dimensions {
            put_decimal(&mut packed, *dimension);
        }
        for (index, metric) in card.metrics.iter().enumerate() {
            let key = count_key(rule_set, index);
            if !written.contains(&key) {
                put(&mut packed, metric.count.numerator);
                put(&mut packed, metric.count.volume);
                written.push(key);
            }
            put_assessed(&mut packed, metric.assessed);
        }
    }
    packed
}

/// Whether a card has a volume beside its signed orders.
fn has_volume(rule_set: &RuleSet) -> bool {
    rule_set.minimums.volume != Measure::SignedOrders
}

/// 0 is none, so values are shifted by one.
fn put_decimal(packed: &mut Vec<u8>, decimal: Option<Decimal>) {
    put(packed, decimal.map_or(0, |decimal| decimal.millionths() / DECIMAL_UNIT + 1));
}

fn put_assessed(packed: &mut Vec<u8>, assessed: Option<Assessed>) {
    let Some(assessed) = assessed else {
        return packed.push(0);
    };
    packed.push(match assessed.basis() {
        Basis::Category => 1,
        Basis::Market => 2,
        Basis::Reference => 3,
    });
    if let Some(standing) = assessed.standing {
        put(packed, standing.peers);
        put(packed, standing.better_peers);
    }
    put_decimal(packed, Some(assessed.points));
}

/// Unpacks the cards of one subject, in the order of `rule_sets`, which are the ones of the run that packed them.
pub(crate) fn decode(rule_sets: &[&RuleSet], packed: &[u8], category_id: Option<Id>) -> Result<Vec<Card>, StoreError> {
    let mut reader = Packed { rest: packed };
    let cards = rule_sets.iter().try_fold((Vec::new(), Vec::new()), |(mut cards, mut seen), rule_set| {
        cards.push(reader.card(rule_set, &mut seen, category_id.clone())?);
        Some((cards, seen))
    });
    match cards {
        Some((cards, _)) if reader.rest.is_empty() => Ok(cards),
        _ => Err(StoreError::Corrupt("packed cards do not match their rule sets".to_owned())),
    }
}

impl Packed<'_> {
    fn decimal(&mut self) -> Option<Option<Decimal>> {
        let number = self.number()?;
        Some((number > 0).then(|| Decimal::from_millionths((number - 1) * DECIMAL_UNIT)))
    }

    fn card(
        &mut self,
        rule_set: &RuleSet,
        seen: &mut Vec<(CountKey, MetricCount)>,
        category_id: Option<Id>,
    ) -> Option<Card> {
        let signed_orders = self.number()?;
        let volume = if has_volume(rule_set) { self.number()? } else { signed_orders };
        let adjustments = rule_set.adjustments.iter().map(|_| self.number()).collect::<Option<Vec<_>>>()?;
        let score = self.decimal()?;
        let dimensions = rule_set.dimensions.iter().map(|_| self.decimal()).collect::<Option<Vec<_>>>()?;
        let mut metrics = Vec::with_capacity(rule_set.metrics.len());
        for index in 0..rule_set.metrics.len() {
            let key = count_key(rule_set, index);
            let known = seen.iter().find(|(other, _)| *other == key).map(|(_, count)| *count);
            let count = match known {
                Some(count) => count,
                None => {
                    let count = MetricCount { numerator: self.number()?, volume: self.number()? };
                    seen.push((key, count));
                    count
                }
            };
            metrics.push(MetricCard { count, assessed: self.assessed()? });
        }
        let status = status(rule_set, volume, score.is_some());
        Some(Card { category_id, signed_orders, volume, status, adjustments, dimensions, metrics, score })
    }

    fn assessed(&mut self) -> Option<Option<Assessed>> {
        let basis = match self.byte()? {
            0 => return Some(None),
            1 => Basis::Category,
            2 => Basis::Market,
            3 => Basis::Reference,
            _ => return None,
        };
        let standing = match basis {
            Basis::Reference => None,
            _ => Some(Standing { basis, peers: self.number()?, better_peers: self.number()? }),
        };
        Some(Some(Assessed { standing, points: self.decimal()?? }))
    }
}
