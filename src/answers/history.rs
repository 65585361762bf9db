//! A subject's score over time: short cards of past dates, and since when its penalties are in force.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgConnection;

use super::published::{Missing, Published, ReadError, Wanted, answering, known};
use super::source::Source;
use crate::domain::rules::{PenaltyRule, RuleSet};
use crate::domain::score::Scored;
use crate::domain::subject::Subject;
use crate::domain::tier::tier_of;
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
    pub cards: Vec<PastCard>,
}

/// A short card with the rules of its date.
pub struct PastCard {
    pub run: RunRow,
    pub rule_set: Arc<RuleSet>,
    pub card: ShortCard,
}

/// The card of a date, with the rules that it was made under; none before the subject was known.
struct EarlierScore {
    date: NaiveDate,
    card: Option<(Arc<RuleSet>, ShortCard)>,
}

impl EarlierScore {
    /// Whether the card brought a penalty, by the thresholds of its own date.
    fn brought(&self, code: &str) -> bool {
        let tier = self.card.as_ref().and_then(|(rule_set, card)| card.tier(rule_set));
        tier.is_some_and(|tier| tier.penalties.iter().any(|penalty| penalty.code == code))
    }
}

/// Whether a history may span these dates.
pub(crate) fn is_history_span(from: NaiveDate, to: NaiveDate) -> bool {
    from <= to && (to - from).num_days() <= HISTORY_DAYS_MAX
}

impl Source {
    pub async fn penalties(&self, wanted: &Wanted) -> Result<Penalties, ReadError> {
        let mut connection = self.connection().await?;
        let published = self.find(&mut connection, wanted).await?;
        let Scored { rule_set, card } = &published.scored;
        let in_force = tier_of(rule_set, card).map(|tier| tier.penalties).unwrap_or_default();
        let earlier = if in_force.is_empty() {
            Vec::new()
        } else {
            self.earlier_scores(&mut connection, &published, wanted).await?
        };
        let since = |penalty: &PenaltyRule| {
            let unbroken = earlier.iter().take_while(|earlier| earlier.brought(&penalty.code)).last();
            unbroken.map_or(published.run.date, |earlier| earlier.date)
        };
        let since = in_force.into_iter().map(|penalty| (penalty.clone(), since(penalty))).collect();
        Ok(Penalties { since, published })
    }

    /// The published dates before a card's, newest first, from the newest revision of each.
    async fn earlier_scores(
        &self,
        connection: &mut PgConnection,
        published: &Published,
        wanted: &Wanted,
    ) -> Result<Vec<EarlierScore>, ReadError> {
        let date = published.run.date;
        let runs = run::published_between(connection, None, date).await?;
        let dates: Vec<NaiveDate> = runs.iter().map(|run| run.date).filter(|earlier| *earlier < date).collect();
        let past = self.past_cards(connection, runs, &wanted.subject, wanted.rule_set.as_deref()).await?;
        let mut past: HashMap<NaiveDate, PastCard> = past.into_iter().map(|past| (past.run.date, past)).collect();
        let earlier = dates
            .into_iter()
            .rev()
            .map(|date| EarlierScore { date, card: past.remove(&date).map(|past| (past.rule_set, past.card)) });
        Ok(earlier.collect())
    }

    /// The short cards of a subject in runs, each under the version of the rule set that the run used; default: each under
    /// its run's default.
    async fn past_cards(
        &self,
        connection: &mut PgConnection,
        runs: Vec<RunRow>,
        subject: &Subject,
        rule_set: Option<&str>,
    ) -> Result<Vec<PastCard>, ReadError> {
        let mut answering_runs = Vec::new();
        for run in runs {
            let of_run = self.context.archive.of_run(connection, &run).await?;
            if let Some(used) = answering(&of_run, run.date, subject.kind, rule_set) {
                answering_runs.push((run, used.clone()));
            }
        }
        let places: Vec<(i64, i16)> = answering_runs.iter().map(|(run, used)| (run.run_id, used.version)).collect();
        let cards = score::short_cards(connection, &places, &subject.id).await?;
        let mut cards: HashMap<i64, ShortCard> = cards.into_iter().map(|card| (card.run_id, card)).collect();
        let past = answering_runs.into_iter().filter_map(|(run, used)| {
            let card = cards.remove(&run.run_id)?;
            Some(PastCard { run, rule_set: used.rule_set, card })
        });
        Ok(past.collect())
    }

    /// Default: the days up to the newest published date.
    pub async fn history(
        &self,
        subject: &Subject,
        rule_set: Option<&str>,
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
            return Err(ReadError::Parameter("from", detail.into()));
        }
        let runs = run::published_between(&mut connection, Some(from), to).await?;
        let published_at = runs.iter().filter_map(|run| run.published_at).max();
        let cards = self.past_cards(&mut connection, runs, subject, rule_set).await?;
        if let Some(id) = rule_set.filter(|_| cards.is_empty()) {
            self.check_rule_set(&mut connection, subject.kind, id).await?;
        }
        Ok(History { from, to, published_at, cards })
    }
}
