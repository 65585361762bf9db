//! A whole fleet in figures: how many have a score, in which tier, how the scores are spread, and who changed tier.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::published::ReadError;
use super::source::Source;
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::quantiles::Quantiles;
use crate::domain::rules::RuleSet;
use crate::domain::score::Status;
use crate::domain::subject::SubjectKind;
use crate::storage::fleet::{self, CardCount, RunVersion};
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::RunRow;

/// How many bars of the histogram reach from 0 to the highest score: thresholds stand between bars.
const BARS: i64 = 100;

/// Whose figures are wanted.
#[derive(Clone, Debug)]
pub struct WantedSummary {
    pub date: Option<NaiveDate>,
    pub revision: Option<i32>,
    pub kind: SubjectKind,
    /// Default: the run's.
    pub rule_set: Option<String>,
    pub category_id: Option<Id>,
    /// Only these subjects.
    pub ids: Option<Vec<Id>>,
}

/// A fleet in figures.
pub struct Summary {
    pub run: RunRow,
    pub rule_set: Arc<RuleSet>,
    /// The published date that moves are told from.
    pub previous_date: Option<NaiveDate>,
    pub scored: i64,
    pub growth: i64,
    pub insufficient_volume: i64,
    pub score: Quantiles,
    /// Subjects by tier, from tier 0 up to the rule set's last.
    pub tiers: Vec<i64>,
    /// From the lowest score up; empty bars between are listed.
    pub histogram: Vec<HistogramBar>,
    pub moves: Vec<Move>,
    /// By id; `None` for those without a category.
    pub categories: Vec<(Option<Id>, CategoryCounts)>,
}

/// How many subjects have a score from `from` on and below `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramBar {
    pub from: Decimal,
    pub to: Decimal,
    pub subjects: i64,
}

/// How many subjects went from one tier to another. `None`: without a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    pub from: Option<i16>,
    pub to: Option<i16>,
    pub subjects: i64,
}

/// The subjects of one category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CategoryCounts {
    pub subjects: i64,
    pub scored: i64,
}

impl Source {
    pub async fn summary(&self, wanted: &WantedSummary) -> Result<Summary, ReadError> {
        let mut connection = self.connection().await?;
        let of = (wanted.kind, wanted.rule_set.as_deref());
        let run = self.answering_run(&mut connection, of, wanted.date, wanted.revision).await?;
        let UsedRuleSet { version, rule_set } =
            self.used_rule_set(&mut connection, &run, wanted.kind, wanted.rule_set.as_deref()).await?;
        let before = self.run_before(&mut connection, &run).await?;
        let previous = match &before {
            None => None,
            Some(before) => self.version_in(&mut connection, before, of).await?,
        };
        let this = RunVersion { run_id: run.run_id, version };
        let which = (wanted.category_id.as_ref(), wanted.ids.as_deref());
        let counts = fleet::counts(&mut connection, this, previous, which).await?;
        let previous_date = before.filter(|_| previous.is_some()).map(|before| before.date);
        Ok(summarize(run, rule_set, previous_date, &counts))
    }
}

fn summarize(run: RunRow, rule_set: Arc<RuleSet>, previous_date: Option<NaiveDate>, counts: &[CardCount]) -> Summary {
    let count = |status: Status| counts.iter().filter(|one| one.status == status).map(|one| one.subjects).sum();
    let mut tiers = vec![0; rule_set.thresholds().len() + 1];
    for one in counts {
        let tier = one.tier_level.and_then(|level| tiers.get_mut(usize::try_from(level).ok()?));
        if let Some(tier) = tier {
            *tier += one.subjects;
        }
    }
    let mut moves: BTreeMap<(Option<i16>, Option<i16>), i64> = BTreeMap::new();
    let mut categories: BTreeMap<Option<Id>, CategoryCounts> = BTreeMap::new();
    for one in counts {
        let ends = (one.previous_tier_level, one.tier_level);
        if previous_date.is_some() && ends.0 != ends.1 {
            *moves.entry(ends).or_default() += one.subjects;
        }
        let category = categories.entry(one.category_id.clone()).or_default();
        category.subjects += one.subjects;
        category.scored += if one.status == Status::Scored { one.subjects } else { 0 };
    }
    let scores = by_score(counts);
    let bar = bar_of(&rule_set);
    Summary {
        run,
        rule_set,
        previous_date,
        scored: count(Status::Scored),
        growth: count(Status::Growth),
        insufficient_volume: count(Status::InsufficientVolume),
        score: Quantiles::counted(&scores),
        tiers,
        histogram: histogram(&scores, bar),
        moves: moves.into_iter().map(|((from, to), subjects)| Move { from, to, subjects }).collect(),
        categories: categories.into_iter().collect(),
    }
}

/// How many of those who are scored by metrics have each score, from the lowest up.
fn by_score(counts: &[CardCount]) -> Vec<(Decimal, i64)> {
    let mut scores: BTreeMap<i64, i64> = BTreeMap::new();
    for one in counts.iter().filter(|one| one.status == Status::Scored) {
        if let Some(score) = one.score {
            *scores.entry(score.millionths()).or_default() += one.subjects;
        }
    }
    scores.into_iter().map(|(millionths, subjects)| (Decimal::from_millionths(millionths), subjects)).collect()
}

/// How wide a bar of the histogram is under a rule set: 0.05 where scores go up to 5.
fn bar_of(rule_set: &RuleSet) -> Decimal {
    let (_, most) = rule_set.scale;
    Decimal::from_millionths((most.millionths() / BARS).max(1))
}

/// Bars from the lowest score to the highest, each from its lower end on and up to the next one's.
fn histogram(rising: &[(Decimal, i64)], bar: Decimal) -> Vec<HistogramBar> {
    let place = |score: &Decimal| score.millionths().div_euclid(bar.millionths());
    let (Some((lowest, _)), Some((highest, _))) = (rising.first(), rising.last()) else { return Vec::new() };
    let first = place(lowest);
    let empty = |place: i64| {
        let from = Decimal::from_millionths(place * bar.millionths());
        HistogramBar { from, to: from.plus(bar), subjects: 0 }
    };
    let mut bars: Vec<HistogramBar> = (first..=place(highest)).map(empty).collect();
    for (score, subjects) in rising {
        bars[(place(score) - first) as usize].subjects += subjects;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::{Decimal, HistogramBar, histogram};

    #[test]
    fn a_score_is_in_the_bar_that_begins_at_it() {
        let score = |hundredths: i64| Decimal::from_millionths(hundredths * 10_000);
        let scores = [(score(459), 2), (score(460), 3), (score(464), 1), (score(475), 4)];
        let bar = |(from, to, subjects)| HistogramBar { from: score(from), to: score(to), subjects };
        let wanted = [(455, 460, 2), (460, 465, 4), (465, 470, 0), (470, 475, 0), (475, 480, 4)].map(bar);
        assert_eq!(histogram(&scores, score(5)), wanted);
        assert_eq!(histogram(&scores, score(100)), [(400, 500, 10)].map(bar));
        assert_eq!(histogram(&[], score(5)), []);
    }
}
