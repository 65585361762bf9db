//! All cards of a revision, page by page, in constant memory.

use std::sync::Arc;

use chrono::NaiveDate;

use super::published::ReadError;
use super::source::Source;
use crate::domain::export::ExportKey;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::subject::SubjectKind;
use crate::storage::full_card::{self, CardsOf};
use crate::storage::rule_set::UsedRuleSet;

/// Cards that are read at a time.
const PAGE: usize = 1_000;

/// Which cards are wanted.
#[derive(Clone, Debug)]
pub struct WantedExport {
    pub date: Option<NaiveDate>,
    pub revision: Option<i32>,
    pub kind: SubjectKind,
    /// Default: the run's.
    pub rule_set: Option<String>,
    /// Only these subjects.
    pub ids: Option<Vec<Id>>,
}

/// An export under way: cards by id, those after the last one next.
pub struct Export {
    source: Source,
    pub key: ExportKey,
    pub rule_set: Arc<RuleSet>,
    run_id: i64,
    version: i16,
    /// All of the run's kind, in their order.
    rule_sets: Vec<UsedRuleSet>,
    ids: Option<Vec<Id>>,
    after: String,
    is_done: bool,
}

impl Source {
    /// Begins an export of a published run.
    pub async fn export(&self, wanted: WantedExport) -> Result<Export, ReadError> {
        let mut connection = self.connection().await?;
        let of = (wanted.kind, wanted.rule_set.as_deref());
        let run = self.answering_run(&mut connection, of, wanted.date, wanted.revision).await?;
        let used = self.used_rule_set(&mut connection, &run, wanted.kind, wanted.rule_set.as_deref()).await?;
        let of_run = self.context.archive.all_of_run(&mut connection, &run).await?;
        let key = ExportKey { date: run.date, revision: run.revision.unwrap_or_default(), kind: wanted.kind };
        Ok(Export {
            source: self.clone(),
            key,
            rule_set: used.rule_set,
            run_id: run.run_id,
            version: used.version,
            rule_sets: of_run.into_iter().filter(|used| used.rule_set.kind == wanted.kind).collect(),
            ids: wanted.ids,
            after: String::new(),
            is_done: false,
        })
    }
}

impl Export {
    /// The next cards, by id; empty at the end.
    pub async fn next(&mut self) -> Result<Vec<(Id, Card)>, ReadError> {
        if self.is_done {
            return Ok(Vec::new());
        }
        let mut connection = self.source.connection().await?;
        let of =
            CardsOf { run_id: self.run_id, kind: self.key.kind, rule_sets: &self.rule_sets, version: self.version };
        let page = full_card::cards_after(&mut connection, of, &self.after, self.ids.as_deref(), PAGE as i64).await?;
        self.is_done = page.len() < PAGE;
        if let Some((last, _)) = page.last() {
            self.after = last.to_string();
        }
        Ok(page)
    }
}
