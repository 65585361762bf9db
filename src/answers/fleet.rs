//! Many subjects at once: pages of short cards, all of one revision, beside the published date before.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use sqlx::PgConnection;

use super::published::{ReadError, answering};
use super::source::Source;
use crate::domain::decimal::Decimal;
use crate::domain::rules::RuleSet;
use crate::domain::subject::SubjectKind;
use crate::storage::fleet::{self, FleetFilter, FleetOrder, FleetPageQuery, FleetPlace, FleetRow, RunVersion};
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::{self, RunRow};
use crate::storage::score::of_hundredths;

/// Where a page begins: in which run, beside which run before (0: none), and after which place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetCursor {
    pub run_id: i64,
    pub previous_run_id: i64,
    pub place: FleetPlace,
}

/// A page of a fleet.
pub struct FleetPage {
    pub run: RunRow,
    pub rule_set: Arc<RuleSet>,
    /// The published date that changes are told from.
    pub previous_date: Option<NaiveDate>,
    pub rows: Vec<FleetRow>,
    /// Of each row, where asked for.
    pub histories: Histories,
    pub next: Option<FleetCursor>,
}

/// Scores of published dates, the newest last.
#[derive(Default)]
pub struct Histories {
    pub dates: Vec<NaiveDate>,
    scores: HashMap<String, Vec<Option<Decimal>>>,
}

impl Histories {
    /// The scores of a subject, one for each date.
    pub fn of(&self, subject_id: &str) -> Vec<Option<Decimal>> {
        self.scores.get(subject_id).cloned().unwrap_or_else(|| vec![None; self.dates.len()])
    }
}

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct WantedFleet {
    pub date: Option<NaiveDate>,
    pub revision: Option<i32>,
    pub kind: SubjectKind,
    /// Default: the run's.
    pub rule_set: Option<String>,
    pub filter: FleetFilter,
    pub order: FleetOrder,
    /// Days of history beside each card.
    pub history_days: Option<u64>,
    pub after: Option<FleetCursor>,
    pub limit: usize,
}

impl Source {
    /// Pages go on in the revision that they began with.
    pub async fn fleet(&self, wanted: &WantedFleet) -> Result<FleetPage, ReadError> {
        let mut connection = self.connection().await?;
        let of = (wanted.kind, wanted.rule_set.as_deref());
        let (run, before) = match &wanted.after {
            None => {
                let run = self.answering_run(&mut connection, of, wanted.date, wanted.revision).await?;
                let before = self.run_before(&mut connection, &run).await?;
                (run, before)
            }
            Some(cursor) => {
                let run = self.begun_run(&mut connection, cursor.run_id).await?;
                (run, run::get(&mut connection, cursor.previous_run_id).await?)
            }
        };
        let UsedRuleSet { version, rule_set } =
            self.used_rule_set(&mut connection, &run, wanted.kind, wanted.rule_set.as_deref()).await?;
        let previous = match &before {
            None => None,
            Some(before) => self.version_in(&mut connection, before, of).await?,
        };
        let thresholds: Vec<i64> = rule_set.thresholds().into_iter().map(Decimal::millionths).collect();
        let query = FleetPageQuery {
            kind: wanted.kind,
            of: RunVersion { run_id: run.run_id, version },
            previous,
            filter: &wanted.filter,
            order: wanted.order,
            thresholds: &thresholds,
            after: wanted.after.as_ref().map(|cursor| &cursor.place),
            limit: wanted.limit as i64 + 1,
        };
        let mut rows = fleet::page(&mut connection, &query).await?;
        let has_more = rows.len() > wanted.limit;
        rows.truncate(wanted.limit);
        let next = rows.last().filter(|_| has_more).map(|last| FleetCursor {
            run_id: run.run_id,
            previous_run_id: before.as_ref().map_or(0, |before| before.run_id),
            place: last.place(),
        });
        let histories = match wanted.history_days {
            None => Histories::default(),
            Some(days) => self.histories(&mut connection, &run, of, days, &rows).await?,
        };
        let previous_date = before.filter(|_| previous.is_some()).map(|before| before.date);
        Ok(FleetPage { run, rule_set, previous_date, rows, histories, next })
    }

    /// The newest revision of the published date before a run's.
    pub(super) async fn run_before(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
    ) -> Result<Option<RunRow>, ReadError> {
        let Some(date) = run::published_before(connection, run.date).await? else { return Ok(None) };
        Ok(self.published(connection, Some(date), None).await?)
    }

    /// The version of a rule set (default: the run's) that answers in a run; `None` where the run did not use it.
    pub(crate) async fn version_in(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
        (kind, rule_set): (SubjectKind, Option<&str>),
    ) -> Result<Option<RunVersion>, ReadError> {
        let of_run = self.context.archive.of_run(connection, run).await?;
        let used = answering(&of_run, run.date, kind, rule_set);
        Ok(used.map(|used| RunVersion { run_id: run.run_id, version: used.version }))
    }

    /// The scores of a page's subjects on the published dates of the days up to a run's date.
    async fn histories(
        &self,
        connection: &mut PgConnection,
        run: &RunRow,
        of: (SubjectKind, Option<&str>),
        days: u64,
        rows: &[FleetRow],
    ) -> Result<Histories, ReadError> {
        let from = run.date - Days::new(days.saturating_sub(1));
        let mut runs = run::published_between(connection, Some(from), run.date).await?;
        runs.retain(|past| past.date < run.date);
        runs.push(run.clone());
        let mut versions = Vec::with_capacity(runs.len());
        for past in &runs {
            versions.extend(self.version_in(connection, past, of).await?);
        }
        let places: HashMap<i64, usize> = runs.iter().enumerate().map(|(place, past)| (past.run_id, place)).collect();
        let ids: Vec<&str> = rows.iter().map(|row| row.card.subject_id.as_str()).collect();
        let mut scores: HashMap<String, Vec<Option<Decimal>>> = HashMap::new();
        for (run_id, subject_id, hundredths) in fleet::scores_in(connection, &versions, &ids).await? {
            let Some(place) = places.get(&run_id) else { continue };
            let scores = scores.entry(subject_id).or_insert_with(|| vec![None; runs.len()]);
            scores[*place] = Some(of_hundredths(hundredths));
        }
        Ok(Histories { dates: runs.iter().map(|past| past.date).collect(), scores })
    }
}
