//! What holds a score back, and what would help: drawn from the published card, its records and its products.
//!
//! Advice is about goods, logistics and answers alone. It never speaks for sham orders, bait, gifts, or pressing buyers
//! over reviews, return reasons or complaints.

use std::cmp::Reverse;

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::outlook::live_counts;
use super::products::{ProductCounts, worst};
use super::published::{Published, ReadError, Wanted};
use super::records::{Record, RecordFilter, Side};
use super::source::Source;
use crate::domain::advice::costs;
use crate::domain::decimal::Decimal;
use crate::domain::live::LiveCounts;
use crate::domain::metric::{MetricCount, Wrong};
use crate::domain::rules::{MetricRule, PenaltyRule};
use crate::storage::snapshot;

/// Records, products and days that are named for each metric; the lists themselves have them all.
const RECORDS_SHOWN: usize = 5;
const PRODUCTS_SHOWN: usize = 5;
const DAYS_SHOWN: usize = 5;

/// What holds a score back, the costliest metric first.
pub struct Advice {
    pub published: Published,
    /// The moment whose products and coming days are taken; records are those of the revision.
    pub as_of: DateTime<Utc>,
    pub metrics: Vec<MetricAdvice>,
}

/// What one metric costs, and what is behind it.
pub struct MetricAdvice {
    /// Place of the metric in the rule set.
    pub place: usize,
    /// What its points lack to the most that it can get, times its effective weight.
    pub costs: Decimal,
    pub score_at_best: Decimal,
    /// The penalties in force that this score would lift.
    pub lifted: Vec<PenaltyRule>,
    /// The newest records of faults; none where the metric is no count of faults.
    pub records: Vec<Record>,
    /// The side whose records tell more.
    pub side: Side,
    /// The products that most faults come from; none where products have no part in it.
    pub products: Vec<ProductCounts>,
    pub worst_days: Vec<WorstDay>,
}

/// A day with its counts, which scores no longer count from `leaves_on` on.
pub struct WorstDay {
    pub day: NaiveDate,
    pub count: MetricCount,
    pub leaves_on: NaiveDate,
    pub days_left: i64,
}

impl Source {
    pub async fn advice(&self, wanted: &Wanted) -> Result<Advice, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let published = self.find(&mut reading, wanted).await?;
        let (rule_set, date) = (&published.scored.rule_set, published.run.date);
        let live = live_counts(&mut reading, &published.subject, rule_set, date, date - Days::new(1)).await?;
        let mut metrics = Vec::new();
        for cost in costs(rule_set, &published.scored.card) {
            let rule = &rule_set.metrics[cost.index];
            let definition = rule.metric.definition();
            let side = match definition.wrong {
                Wrong::Numerator => Side::Numerator,
                Wrong::Lacking { .. } => Side::Denominator,
            };
            let records = match side {
                Side::Numerator => {
                    let (of, all) = ((rule.metric, side), RecordFilter::default());
                    self.records_of(&mut reading, &published, of, &all, (None, RECORDS_SHOWN)).await?.records
                }
                Side::Denominator => Vec::new(),
            };
            let products = definition.product_rate.map(|rate| worst(&published, &live, rate, PRODUCTS_SHOWN));
            metrics.push(MetricAdvice {
                place: cost.index,
                costs: cost.costs,
                score_at_best: cost.score_at_best,
                lifted: cost.lifted.into_iter().cloned().collect(),
                records,
                side,
                products: products.unwrap_or_default(),
                worst_days: worst_days(&published, &live, rule),
            });
        }
        reading.rollback().await?;
        Ok(Advice { as_of: self.context.now(), metrics, published })
    }
}

/// The days of the window on which most went wrong, the worst first.
fn worst_days(published: &Published, live: &LiveCounts, rule: &MetricRule) -> Vec<WorstDay> {
    let date = published.run.date;
    let span = rule.window.window.days(date);
    let of_day = |day: NaiveDate| {
        let count = live.of_day(&published.scored.rule_set, rule, day);
        let leaves_on = rule.window.window.score_dates(day).to + Days::new(1);
        let worst = WorstDay { day, count, leaves_on, days_left: (leaves_on - date).num_days() };
        (rule.metric.definition().wrong_amount(count), worst)
    };
    let days = live.daily.range(span.from..=span.to).map(|(day, _)| of_day(*day));
    let mut days: Vec<(i64, WorstDay)> = days.filter(|(wrong, _)| *wrong > 0).collect();
    days.sort_by_key(|(wrong, worst)| (Reverse(*wrong), worst.day));
    days.into_iter().take(DAYS_SHOWN).map(|(_, worst)| worst).collect()
}
