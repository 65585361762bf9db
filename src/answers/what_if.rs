//! What a score would be with other counts, and what it takes to reach a target.

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::outlook::live_counts;
use super::published::{Published, ReadError, Wanted};
use super::source::Source;
use crate::domain::decimal::Decimal;
use crate::domain::live;
use crate::domain::measure::Measure;
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::what_if::{AmongPeers, Assumption};
use crate::domain::window::DaySpan;
use crate::storage::{StoreError, peer_group, snapshot};

/// Days before the date whose signed orders are the subject's recent volume.
const RECENT_DAYS: i64 = 30;

/// The card under an assumption, everybody else standing still.
pub struct WhatIf {
    /// What the assumption goes from.
    pub published: Published,
    pub card: Card,
    pub target: Option<Target>,
}

/// What it takes to reach a score.
pub struct Target {
    pub score: Decimal,
    /// The least number of further signed orders without faults; `None` if no number does.
    pub signed_orders: Option<i64>,
    /// Signed orders a day, over the 30 days before the date.
    pub recent_orders_a_day: Decimal,
    /// The first date by which the recent volume brings as many; `None` if none does.
    pub earliest_date: Option<NaiveDate>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum WhatIfError<F> {
    Read(ReadError),
    /// The assumption does not go with the rule set.
    Refused(F),
}

impl<F, E: Into<ReadError>> From<E> for WhatIfError<F> {
    fn from(error: E) -> WhatIfError<F> {
        WhatIfError::Read(error.into())
    }
}

impl Source {
    /// `in_tenths`: whether the caller learns its standing with assumed counts in tenths only. `assumption` makes the
    /// assumption, and the score to reach if one is wanted, for the rule set that is found.
    pub async fn what_if<F>(
        &self,
        wanted: &Wanted,
        in_tenths: bool,
        assumption: impl FnOnce(&RuleSet) -> Result<(Assumption, Option<Decimal>), F>,
    ) -> Result<WhatIf, WhatIfError<F>> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let published = self.find(&mut reading, wanted).await?;
        let Published { run, version, scored, .. } = &published;
        let (assumption, target) = assumption(&scored.rule_set).map_err(WhatIfError::Refused)?;
        let category_id = scored.card.category_id.as_ref();
        let peers = peer_group::around(&mut reading, run.run_id, *version, &scored.rule_set, category_id).await?;
        let among = AmongPeers { scored, peers: &peers, in_tenths };
        let (card, target) = match target {
            None => (among.assuming(&assumption), None),
            Some(score) => {
                let reached = among.least_orders(&assumption, score);
                let orders = reached.as_ref().map(|(orders, _)| *orders);
                let target = reach(&mut reading, &published, score, orders).await?;
                (reached.map_or_else(|| among.assuming(&assumption), |(_, card)| card), Some(target))
            }
        };
        reading.rollback().await?;
        Ok(WhatIf { card, target, published })
    }
}

async fn reach(
    connection: &mut PgConnection,
    published: &Published,
    score: Decimal,
    signed_orders: Option<i64>,
) -> Result<Target, StoreError> {
    let date = published.run.date;
    let yesterday = date - Days::new(1);
    let span = DaySpan { from: date - Days::new(RECENT_DAYS.unsigned_abs()), to: yesterday };
    let counts = live_counts(connection, &published.subject, &published.scored.rule_set, date, yesterday).await?;
    let recent = live::sum(&counts.daily, span).get(Measure::SignedOrders);
    Ok(Target {
        score,
        signed_orders,
        recent_orders_a_day: Decimal::rounded(recent.into(), RECENT_DAYS.into(), 2),
        earliest_date: signed_orders.and_then(|orders| earliest_date(date, orders, recent)),
    })
}

/// The first date whose run could know that many additional orders, at the pace of `recent` orders in the last 30 days.
fn earliest_date(date: NaiveDate, orders: i64, recent: i64) -> Option<NaiveDate> {
    let days = match (orders, recent) {
        (0, _) => 0,
        (_, ..=0) => return None,
        // Rounded up: the last day must be over.
        (orders, recent) => (orders * RECENT_DAYS).div_euclid(recent) + i64::from(orders * RECENT_DAYS % recent != 0),
    };
    date.checked_add_days(Days::new(u64::try_from(days).ok()?))
}

#[cfg(test)]
mod tests {
    use super::earliest_date;

    #[test]
    fn the_last_day_of_an_order_must_be_over_and_without_orders_there_is_no_date() {
        let date = "2026-11-20".parse().expect("a date");
        let on = |orders, recent| earliest_date(date, orders, recent).map(|date| date.to_string());
        assert_eq!(on(0, 0).as_deref(), Some("2026-11-20"));
        assert_eq!(on(2, 30).as_deref(), Some("2026-11-22"));
        assert_eq!(on(1, 60).as_deref(), Some("2026-11-21"));
        assert_eq!(on(1, 0), None);
        assert_eq!(on(1_000_000_000, 1), None, "beyond the calendar");
    }
}
