//! What is coming for one subject: its counts of this moment among the peers of the newest published run.

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::PgConnection;

use super::published::{Missing, ReadError, answering, known};
use super::source::Source;
use crate::domain::id::Id;
use crate::domain::live::LiveCounts;
use crate::domain::metric::MetricCount;
use crate::domain::peers::MetricPeers;
use crate::domain::rules::RuleSet;
use crate::domain::score::{Card, MetricCard, Peers, score_instead};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::window::{DaySpan, Window};
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::RunRow;
use crate::storage::{StoreError, live, peer_group, snapshot};

/// The counts of a subject on the days that windows of a rule set, or the usual ones, reach from some score dates. Run in
/// a transaction of one snapshot.
pub(crate) async fn live_counts(
    connection: &mut PgConnection,
    subject: &Subject,
    rule_set: &RuleSet,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<LiveCounts, StoreError> {
    let oldest = rule_set.longest_window().max(Window::MATURE_90.oldest());
    let span = DaySpan { from: from - Days::new(oldest.into()), to };
    live::live_counts(connection, subject, span).await
}

/// What an outlook goes from: the newest published run, and the subject as it is registered now.
pub struct Base<'a> {
    pub subject: Subject,
    /// As it is in force now.
    pub rule_set: &'a RuleSet,
    pub newest: RunRow,
    pub category_id: Option<Id>,
}

/// The card of a coming date.
pub struct ComingDay {
    pub date: NaiveDate,
    pub card: Card,
    /// What each metric's window gains and loses against the day before, in the rule set's order.
    pub moves: Vec<WindowMove>,
}

/// The day that enters a metric's window and the one that leaves it, with their counts, whichever products qualify.
pub struct WindowMove {
    pub entering: (NaiveDate, MetricCount),
    pub leaving: (NaiveDate, MetricCount),
}

/// The coming days if nothing new happens, as of one moment.
pub struct Forecast<'a> {
    pub base: Base<'a>,
    pub as_of: DateTime<Utc>,
    pub days: Vec<ComingDay>,
}

/// The next date after the newest published one, as if it were published now.
pub struct Projection<'a> {
    pub base: Base<'a>,
    pub as_of: DateTime<Utc>,
    pub day: ComingDay,
}

impl Source {
    /// `rule_set` is the id of one in force; default: the newest run's, as far as it is in force.
    pub async fn projection(&self, subject: Subject, rule_set: Option<&str>) -> Result<Projection<'_>, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let base = self.base(&mut reading, subject, rule_set).await?;
        let date = base.newest.date + Days::new(1);
        let outlook = Outlook::read(self, &mut reading, &base, date).await?;
        reading.rollback().await?;
        let day = outlook.day(date);
        Ok(Projection { base, as_of: self.context.now(), day })
    }

    /// The next days after the newest published date, as many as `days`. `rule_set` as for a projection.
    pub async fn forecast(
        &self,
        subject: Subject,
        rule_set: Option<&str>,
        days: u64,
    ) -> Result<Forecast<'_>, ReadError> {
        let mut connection = self.connection().await?;
        let mut reading = snapshot::begin(&mut connection).await?;
        let base = self.base(&mut reading, subject, rule_set).await?;
        let outlook = Outlook::read(self, &mut reading, &base, base.newest.date + Days::new(days)).await?;
        reading.rollback().await?;
        let dates = (1..=days).map(|ahead| base.newest.date + Days::new(ahead));
        let days = dates.map(|date| outlook.day(date)).collect();
        Ok(Forecast { base, as_of: self.context.now(), days })
    }

    async fn base(
        &self,
        connection: &mut PgConnection,
        subject: Subject,
        rule_set: Option<&str>,
    ) -> Result<Base<'_>, ReadError> {
        // First of all: the publication is noted before the snapshot is taken.
        let newest = self.run(connection, None, None).await;
        let row = known(connection, &subject).await?;
        let newest = newest?;
        let rule_set = self.in_force(connection, &newest, subject.kind, rule_set).await?;
        Ok(Base { subject, rule_set, newest, category_id: row.category_id.as_deref().map(Id::stored) })
    }

    /// The rule set in force under which the coming dates of a kind are told.
    async fn in_force(
        &self,
        connection: &mut PgConnection,
        newest: &RunRow,
        kind: SubjectKind,
        rule_set: Option<&str>,
    ) -> Result<&RuleSet, ReadError> {
        let rules = &self.context.rules;
        let Some(id) = rule_set else {
            let of_run = self.context.archive.of_run(connection, newest).await?;
            let (last, coming) = (newest.date, newest.date + Days::new(1));
            let of_coming = rules.default_for(kind, coming);
            let default = answering(&of_run, last, kind, None).and_then(|used| rules.get(&used.rule_set.id));
            let default = of_coming.or(default);
            return Ok(default.ok_or(Missing::Default(kind, coming))?);
        };
        let known: Vec<&str> = rules.of_kind(kind).map(|rule_set| rule_set.id.as_str()).collect();
        let found = rules.of_kind(kind).find(|rule_set| rule_set.id == id);
        let wanted = || format!("rule_set must be one that is in force: {}", known.join(", "));
        Ok(found.ok_or_else(|| ReadError::Parameter("rule_set", wanted().into()))?)
    }
}

/// What coming dates are computed with: the rules in force, the counts of this moment, and the newest run's peers.
struct Outlook<'a> {
    rule_set: &'a RuleSet,
    category_id: Option<Id>,
    live: LiveCounts,
    peers: Peers,
    former: Option<Card>,
}

impl<'a> Outlook<'a> {
    /// Reads it in a transaction of one snapshot. `last` is the last score date that is wanted.
    async fn read(
        source: &Source,
        connection: &mut PgConnection,
        base: &Base<'a>,
        last: NaiveDate,
    ) -> Result<Outlook<'a>, ReadError> {
        let Base { subject, rule_set, newest, category_id } = base;
        let former = match source.find_in(connection, newest.clone(), subject, Some(&rule_set.id)).await {
            Ok(published) => Some(published.scored.card),
            // A subject or rule set that was not in the run is compared as a newcomer.
            Err(ReadError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        let live = live_counts(connection, subject, rule_set, newest.date, last).await?;
        let (peers, former) = match source.used_rule_set(connection, newest, subject.kind, Some(&rule_set.id)).await {
            Ok(UsedRuleSet { version, rule_set: used }) => {
                let category_id = category_id.as_ref();
                let around = peer_group::around(connection, newest.run_id, version, &used, category_id).await?;
                align(rule_set, &used, around, former)
            }
            Err(ReadError::Missing(_)) => (rule_set.metrics.iter().map(|_| MetricPeers::default()).collect(), None),
            Err(error) => return Err(error),
        };
        Ok(Outlook { rule_set, category_id: category_id.clone(), live, peers, former })
    }

    /// A coming date, if nothing else happens.
    fn day(&self, date: NaiveDate) -> ComingDay {
        let counts = self.live.on(self.rule_set, self.category_id.clone(), date);
        let card = score_instead(self.rule_set, &counts, &self.peers, self.former.as_ref());
        let moves = self.rule_set.metrics.iter().map(|rule| {
            let span = rule.window.window.days(date);
            let of_day = |day| (day, self.live.of_day(self.rule_set, rule, day));
            WindowMove { entering: of_day(span.to), leaving: of_day(span.from - Days::new(1)) }
        });
        ComingDay { date, card, moves: moves.collect() }
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
        used.metrics.iter().position(|other| used.measurement(other) == rule_set.measurement(rule))
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

#[cfg(test)]
mod tests {
    use super::align;
    use crate::domain::curve::{Better, Ratio};
    use crate::domain::metric::{Metric, MetricCount};
    use crate::domain::peers::MetricPeers;
    use crate::domain::rules::file;
    use crate::domain::score::{Card, MetricCard, Status};

    #[test]
    fn only_a_metric_that_is_measured_otherwise_now_loses_its_peers() {
        let source = include_str!("../../rules/shop-v2.toml");
        let used = file::parse(source).expect("sound rules");
        let now = file::parse(&source.replace("bad_stars_max = 2", "bad_stars_max = 3")).expect("sound rules");
        let peers_of = |place: i64| {
            let value = Ratio { numerator: place, denominator: 100 };
            MetricPeers::gather([(value, None)].into_iter(), Better::Lower)
        };
        let card_of = |place: i64| MetricCard { count: MetricCount { numerator: place, volume: 100 }, assessed: None };
        let places = 0..used.metrics.len() as i64;
        let card = Card {
            category_id: None,
            signed_orders: 100,
            volume: 100,
            status: Status::InsufficientVolume,
            adjustments: Vec::new(),
            dimensions: Vec::new(),
            metrics: places.clone().map(card_of).collect(),
            score: None,
        };
        let (peers, card) = align(&now, &used, places.clone().map(peers_of).collect(), Some(card));
        let card = card.expect("a card");
        let mut lost = Vec::new();
        for ((rule, peers), (metric, place)) in now.metrics.iter().zip(&peers).zip(card.metrics.iter().zip(places)) {
            if peers.market.members() == 0 {
                assert_eq!(metric.count, MetricCount::default());
                lost.push(rule.metric);
            } else {
                assert_eq!(peers.market.values(), peers_of(place).market.values(), "{}", rule.metric.id());
                assert_eq!(metric.count, card_of(place).count, "{}", rule.metric.id());
            }
        }
        assert_eq!(lost, [Metric::NegativeFeedbackRate, Metric::ServiceBadReviewRate]);
    }
}
