//! All cards of a revision, page by page, in constant memory.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::NaiveDate;

use super::published::ReadError;
use super::source::Source;
use crate::domain::export::ExportKey;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::subject::SubjectKind;
use crate::storage::full_card::CardsOf;
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
    rest: Rest,
}

/// What is left of an export.
enum Rest {
    /// All after an id.
    After(String),
    /// These, by id.
    Of(VecDeque<Id>),
    Nothing,
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
        let rest = match wanted.ids {
            None => Rest::After(String::new()),
            Some(mut ids) => {
                ids.sort();
                Rest::Of(ids.into())
            }
        };
        Ok(Export {
            source: self.clone(),
            key,
            rule_set: used.rule_set,
            run_id: run.run_id,
            version: used.version,
            rule_sets: of_run.into_iter().filter(|used| used.rule_set.kind == wanted.kind).collect(),
            rest,
        })
    }
}

impl Export {
    /// The next cards, by id; empty at the end.
    pub async fn next(&mut self) -> Result<Vec<(Id, Card)>, ReadError> {
        if matches!(self.rest, Rest::Nothing) {
            return Ok(Vec::new());
        }
        let mut connection = self.source.connection().await?;
        let Export { run_id, key, ref rule_sets, version, .. } = *self;
        let of = CardsOf { run_id, kind: key.kind, rule_sets, version };
        match &mut self.rest {
            Rest::Nothing => Ok(Vec::new()),
            Rest::After(after) => {
                let page = of.after(&mut connection, after, PAGE as i64).await?;
                self.rest = match page.last() {
                    Some((last, _)) if page.len() == PAGE => Rest::After(last.to_string()),
                    _ => Rest::Nothing,
                };
                Ok(page)
            }
            // Of some there may be no cards, which is not the end.
            Rest::Of(ids) => loop {
                let next: Vec<Id> = ids.drain(..ids.len().min(PAGE)).collect();
                let page = of.of_ids(&mut connection, &next.iter().map(Id::as_str).collect::<Vec<_>>()).await?;
                if !page.is_empty() || ids.is_empty() {
                    return Ok(page);
                }
            },
        }
    }
}
