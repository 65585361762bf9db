//! Views of one subject between runs: its counts of this moment among the peers of the newest published run.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use crate::domain::id::Id;
use crate::domain::live::LiveCounts;
use crate::domain::metric::MetricCount;
use crate::domain::peers::MetricPeers;
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::score::{Card, MetricCard, Peers, score_instead};
use crate::domain::subject::Subject;
use crate::domain::window::DaySpan;
use crate::storage::rule_set::Archive;
use crate::storage::run::RunRow;
use crate::storage::{StoreError, live, peer_group, score};

/// A subject's published card with the rules that made it and their number.
#[derive(Clone, Debug)]
pub struct PublishedCard {
    pub rule_set: Arc<RuleSet>,
    pub version: i16,
    pub card: Card,
}

/// The card of a subject in a run under a rule set. The two layers of `None`: the run did not know the subject, or did not
/// use the rule set.
pub async fn published_card(
    connection: &mut PgConnection,
    archive: &Archive,
    row: &RunRow,
    subject: &Subject,
    rule_set_id: &str,
) -> Result<Option<Option<PublishedCard>>, StoreError> {
    let of_run = archive.of_run(connection, row).await?;
    let of_kind: Vec<(i16, Arc<RuleSet>)> = of_run.into_iter().filter(|(_, set)| set.kind == subject.kind).collect();
    let plain: Vec<(i16, &RuleSet)> = of_kind.iter().map(|(version, set)| (*version, set.as_ref())).collect();
    let Some(cards) = score::cards(connection, row.run_id, subject, &plain).await? else {
        return Ok(None);
    };
    let found = cards.into_iter().zip(of_kind).find(|(_, (_, set))| set.id == rule_set_id);
    Ok(Some(found.map(|(card, (version, rule_set))| PublishedCard { rule_set, version, card })))
}

/// The counts of a subject on the days that windows of a rule set reach from some score dates. Run in a transaction of
/// one snapshot.
pub async fn live_counts(
    connection: &mut PgConnection,
    subject: &Subject,
    rule_set: &RuleSet,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<LiveCounts, StoreError> {
    let oldest = rule_set.longest_window();
    let span = DaySpan { from: from - Days::new(oldest.into()), to };
    live::live_counts(connection, subject, span).await
}

/// What coming dates are computed with: the rules in force, the counts of this moment, and the newest run's peers.
pub struct Outlook<'a> {
    pub rule_set: &'a RuleSet,
    pub category_id: Option<Id>,
    pub live: LiveCounts,
    peers: Peers,
    former: Option<Card>,
}

impl<'a> Outlook<'a> {
    /// `newest` is the newest published run, `last` the last score date that is wanted.
    pub async fn read(
        connection: &mut PgConnection,
        archive: &Archive,
        newest: &RunRow,
        subject: &Subject,
        (rule_set, category_id): (&'a RuleSet, Option<Id>),
        last: NaiveDate,
    ) -> Result<Outlook<'a>, StoreError> {
        let published = published_card(connection, archive, newest, subject, &rule_set.id).await?.flatten();
        let live = live_counts(connection, subject, rule_set, newest.date, last).await?;
        let of_run = archive.of_run(connection, newest).await?;
        let used = of_run.into_iter().find(|(_, set)| set.id == rule_set.id);
        let (peers, former) = match used {
            None => (rule_set.metrics.iter().map(|_| MetricPeers::default()).collect(), None),
            Some((version, used)) => {
                let run_id = newest.run_id;
                let around = peer_group::around(connection, run_id, version, &used, category_id.as_ref()).await?;
                align(rule_set, &used, around, published.map(|published| published.card))
            }
        };
        Ok(Outlook { rule_set, category_id, live, peers, former })
    }

    /// The card of a coming date, if nothing else happens.
    pub fn card_on(&self, score_date: NaiveDate) -> Card {
        let counts = self.live.on(self.rule_set, self.category_id.clone(), score_date);
        score_instead(self.rule_set, &counts, &self.peers, self.former.as_ref())
    }
}

/// Brings peers and a card that were made under another version of a rule set into the order of this one. A metric that
/// was measured otherwise has no peers yet.
fn align(
    rule_set: &RuleSet,
    used: &RuleSet,
    mut around: Vec<MetricPeers>,
    card: Option<Card>,
) -> (Peers, Option<Card>) {
    let place = |index: usize| {
        let rule = &rule_set.metrics[index];
        let same_stars = rule_set.bad_stars_max == used.bad_stars_max;
        let same = |other: &MetricRule| other.metric == rule.metric && other.window.window == rule.window.window;
        used.metrics.iter().position(|other| same_stars && same(other))
    };
    let places: Vec<Option<usize>> = (0..rule_set.metrics.len()).map(place).collect();
    let peers = places.iter().map(|place| place.map(|place| std::mem::take(&mut around[place])).unwrap_or_default());
    let peers = peers.collect();
    let unmeasured = MetricCard { count: MetricCount::default(), assessed: None };
    let card = card.map(|card| {
        let metrics = places.iter().map(|place| place.map_or(unmeasured, |place| card.metrics[place])).collect();
        Card { metrics, ..card }
    });
    (peers, card)
}
