//! A subject's score over time: short cards of past dates, and since when its penalties are in force.

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgConnection;

use super::published::{Missing, Published, ReadError, Wanted, known};
use super::source::Source;
use crate::domain::decimal::Decimal;
use crate::domain::rules::PenaltyRule;
use crate::domain::subject::Subject;
use crate::domain::tier::tier;
use crate::storage::run::{self, RunRow};
use crate::storage::score::{self, ShortCard};

/// Dates that one answer may span.
pub(crate) const HISTORY_DAYS_MAX: i64 = 400;
/// Days of a history by default.
const HISTORY_DAYS_DEFAULT: u64 = 30;

/// A published card with the penalties that its score brings, each with the first of the published dates, without a
/// break, on which it was in force.
pub struct Penalties {
    pub published: Published,
    pub since: Vec<(PenaltyRule, NaiveDate)>,
}

/// The short cards of the published dates of a span, by date.
pub struct History {
    pub from: NaiveDate,
    pub to: NaiveDate,
    /// When the newest run between these dates was published.
    pub published_at: Option<DateTime<Utc>>,
    pub cards: Vec<(RunRow, ShortCard)>,
}

/// Whether a history may span these dates.
pub(crate) fn is_history_span(from: NaiveDate, to: NaiveDate) -> bool {
    from <= to && (to - from).num_days() <= HISTORY_DAYS_MAX
}

impl Source {
    pub async fn penalties(&self, wanted: &Wanted) -> Result<Penalties, ReadError> {
        let mut connection = self.connection().await?;
        let published = self.find(&mut connection, wanted).await?;
        let score = published.scored.card.score;
        let in_force = score.map(|score| tier(&published.scored.rule_set, score).penalties).unwrap_or_default();
        let earlier =
            if in_force.is_empty() { Vec::new() } else { self.earlier_scores(&mut connection, &published).await? };
        let since = |penalty: &PenaltyRule| {
            let is_below = |score: &Option<Decimal>| score.is_some_and(|score| score < penalty.below);
            let unbroken = earlier.iter().take_while(|(_, score)| is_below(score)).last();
            unbroken.map_or(published.run.date, |(date, _)| *date)
        };
        let since = in_force.into_iter().map(|penalty| (penalty.clone(), since(penalty))).collect();
        Ok(Penalties { since, published })
    }

    /// The scores of the published dates before a card's, newest first, from the newest revision of each.
    async fn earlier_scores(
        &self,
        connection: &mut PgConnection,
        published: &Published,
    ) -> Result<Vec<(NaiveDate, Option<Decimal>)>, ReadError> {
        let date = published.run.date;
        let runs = run::published_between(connection, None, date).await?;
        let rule_set = &published.scored.rule_set.id;
        let cards = self.short_cards(connection, &runs, &published.subject, rule_set).await?;
        let before = runs.iter().rev().filter(|run| run.date < date);
        let scores = before.map(|run| {
            let card = cards.iter().find(|card| card.run_id == run.run_id);
            (run.date, card.and_then(ShortCard::score))
        });
        Ok(scores.collect())
    }

    /// The short cards of a subject in runs under a rule set, whichever version of it each run used.
    async fn short_cards(
        &self,
        connection: &mut PgConnection,
        runs: &[RunRow],
        subject: &Subject,
        rule_set: &str,
    ) -> Result<Vec<ShortCard>, ReadError> {
        let mut versions = Vec::new();
        for run in runs {
            for used in self.context.archive.of_run(connection, run).await? {
                if used.rule_set.id == rule_set && !versions.contains(&used.version) {
                    versions.push(used.version);
                }
            }
        }
        let run_ids: Vec<i64> = runs.iter().map(|run| run.run_id).collect();
        Ok(score::short_cards(connection, &run_ids, &versions, &subject.id).await?)
    }

    /// Default: the days up to the newest published date.
    pub async fn history(
        &self,
        subject: &Subject,
        rule_set: &str,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
    ) -> Result<History, ReadError> {
        let mut connection = self.connection().await?;
        known(&mut connection, subject).await?;
        let newest = run::published_dates(&mut connection).await?.map(|(_, newest)| newest);
        let to = to.or(newest).or(from).ok_or(Missing::AnyRun)?;
        let from = from.unwrap_or(to - Days::new(HISTORY_DAYS_DEFAULT - 1));
        if !is_history_span(from, to) {
            let detail = "from must be on or at most 400 days before the newest published date; or give to";
            return Err(ReadError::Parameter("from", detail));
        }
        let runs = run::published_between(&mut connection, Some(from), to).await?;
        let published_at = runs.iter().filter_map(|run| run.published_at).max();
        let mut cards = self.short_cards(&mut connection, &runs, subject, rule_set).await?;
        let with_card = runs.into_iter().filter_map(|run| {
            let place = cards.iter().position(|card| card.run_id == run.run_id)?;
            Some((run, cards.swap_remove(place)))
        });
        Ok(History { from, to, published_at, cards: with_card.collect() })
    }
}
