//! Many subjects at once: pages of short cards, all of one revision.

use std::sync::Arc;

use chrono::NaiveDate;

use super::published::ReadError;
use super::source::Source;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::subject::SubjectKind;
use crate::storage::rule_set::UsedRuleSet;
use crate::storage::run::RunRow;
use crate::storage::score::{self, FleetFilter, FleetOrder, ShortCard};

/// Where a page begins: in which run, and after which subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetCursor {
    pub run_id: i64,
    pub score_hundredths: Option<i32>,
    pub id: Id,
}

/// A page of a fleet.
pub struct FleetPage {
    pub run: RunRow,
    pub rule_set: Arc<RuleSet>,
    pub cards: Vec<ShortCard>,
    pub next: Option<FleetCursor>,
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
    pub after: Option<FleetCursor>,
    pub limit: usize,
}

impl Source {
    /// Pages go on in the revision that they began with.
    pub async fn fleet(&self, wanted: &WantedFleet) -> Result<FleetPage, ReadError> {
        let mut connection = self.connection().await?;
        let run = match &wanted.after {
            None => {
                let of = (wanted.kind, wanted.rule_set.as_deref());
                self.answering_run(&mut connection, of, wanted.date, wanted.revision).await?
            }
            Some(cursor) => self.begun_run(&mut connection, cursor.run_id).await?,
        };
        let used = self.used_rule_set(&mut connection, &run, wanted.kind, wanted.rule_set.as_deref()).await?;
        let UsedRuleSet { version, rule_set } = used;
        let after = wanted.after.as_ref().map(|cursor| (cursor.score_hundredths, &cursor.id));
        let limit = wanted.limit + 1;
        let mut cards =
            score::fleet(&mut connection, (run.run_id, version), &wanted.filter, (wanted.order, after, limit as i64))
                .await?;
        let has_more = cards.len() > wanted.limit;
        cards.truncate(wanted.limit);
        let next = cards.last().filter(|_| has_more).map(|last| FleetCursor {
            run_id: run.run_id,
            score_hundredths: last.score_hundredths,
            id: Id::stored(&last.subject_id),
        });
        Ok(FleetPage { run, rule_set, cards, next })
    }
}
