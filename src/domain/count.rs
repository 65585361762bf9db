//! Counts: tallies summed per subject and business day, and per product.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::calendar::Calendar;
use super::event::{Aggregate, AggregateKind};
use super::id::Id;
use super::measure::Measure;
use super::product::OffShelf;
use super::subject::{Subject, SubjectKind};
use super::tally::{Folded, Tally};

/// One integer per [`Measure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([i64; Measure::COUNT]);

impl Default for Counts {
    fn default() -> Counts {
        Counts([0; Measure::COUNT])
    }
}

impl Counts {
    pub fn get(&self, measure: Measure) -> i64 {
        self.0[measure as usize]
    }

    pub fn add(&mut self, measure: Measure, amount: i64) {
        self.0[measure as usize] += amount;
    }

    /// These counts without others.
    pub fn minus(mut self, other: &Counts) -> Counts {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count -= other);
        self
    }

    /// These counts and others together.
    pub fn plus(mut self, other: &Counts) -> Counts {
        self.0.iter_mut().zip(other.0).for_each(|(count, other)| *count += other);
        self
    }

    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// A row of daily counts. Keys sort shops before creators, then by id, then by day.
pub type DailyKey = (Subject, NaiveDate);

/// A row of product counts: the subject to whom the orders count (the shop itself or a creator), the product, the day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductKey {
    pub subject: Subject,
    pub shop_id: Id,
    pub product_id: Id,
    pub day: NaiveDate,
}

/// What a group of aggregates adds to (or takes from) the derived tables.
#[derive(Clone, Debug, Default)]
pub struct CountChanges {
    pub daily: BTreeMap<DailyKey, Counts>,
    pub products: BTreeMap<ProductKey, Counts>,
    /// Products whose shelf state was folded again, with all their spans.
    pub shelf: BTreeMap<(Id, Id), Vec<OffShelf>>,
}

impl CountChanges {
    /// Replaces what an aggregate counted for before by what it counts for now.
    pub fn replace(&mut self, aggregate: &Aggregate, before: &Folded, after: &Folded, calendar: &Calendar) {
        if before == after {
            return;
        }
        let same_subjects = before.creator_id == after.creator_id && before.product_id == after.product_id;
        let (gone, new) = if same_subjects {
            differences(&before.tallies, &after.tallies)
        } else {
            (before.tallies.clone(), after.tallies.clone())
        };
        self.apply(aggregate, before, &gone, -1, calendar);
        self.apply(aggregate, after, &new, 1, calendar);
        if aggregate.kind == AggregateKind::Product {
            let product = (aggregate.shop_id.clone(), aggregate.id.clone());
            self.shelf.insert(product, after.off_shelf.clone());
        }
    }

    /// Rows that these changes touch.
    pub fn rows(&self) -> usize {
        self.daily.len() + self.products.len() + self.shelf.len()
    }

    /// Drops rows that add nothing.
    pub fn without_zeros(mut self) -> CountChanges {
        self.daily.retain(|_, counts| !counts.is_zero());
        self.products.retain(|_, counts| !counts.is_zero());
        self
    }

    /// Adds tallies of a folded aggregate to all rows that they count in.
    fn apply(&mut self, aggregate: &Aggregate, folded: &Folded, tallies: &[Tally], sign: i64, calendar: &Calendar) {
        let shop = Subject { kind: SubjectKind::Shop, id: aggregate.shop_id.clone() };
        let creator = folded.creator_id.clone().map(|id| Subject { kind: SubjectKind::Creator, id });
        for tally in tallies {
            let day = calendar.day(tally.at);
            for subject in [Some(&shop), creator.as_ref()].into_iter().flatten() {
                self.daily.entry((subject.clone(), day)).or_default().add(tally.measure, sign * tally.amount);
                let Some(product_id) = folded.product_id.clone() else { continue };
                if Measure::OF_PRODUCT.contains(&tally.measure) {
                    let shop_id = aggregate.shop_id.clone();
                    let key = ProductKey { subject: subject.clone(), shop_id, product_id, day };
                    self.products.entry(key).or_default().add(tally.measure, sign * tally.amount);
                }
            }
        }
    }
}

/// The tallies of `before` that `after` lacks, and those of `after` that `before` lacks; equal ones pair off one by
/// one. Most of what an aggregate counts for stays when another of its events arrives.
fn differences(before: &[Tally], after: &[Tally]) -> (Vec<Tally>, Vec<Tally>) {
    let mut gone = before.to_vec();
    let mut new = Vec::with_capacity(after.len());
    for tally in after {
        match gone.iter().position(|other| other == tally) {
            Some(place) => drop(gone.swap_remove(place)),
            None => new.push(*tally),
        }
    }
    (gone, new)
}
