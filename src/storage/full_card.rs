//! Full cards of many subjects of a run.

use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::rule_set::UsedRuleSet;
use super::{StoreError, card};
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::subject::SubjectKind;

/// The cards of a kind in a run under one of its rule sets. `rule_sets` are the run's own, of the kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CardsOf<'a> {
    pub run_id: i64,
    pub kind: SubjectKind,
    pub rule_sets: &'a [UsedRuleSet],
    pub version: i16,
}

/// A subject's id, its packed cards, its category.
type Row = (String, Vec<u8>, Option<String>);

/// Which rows: run, kind and number of the rule set are the first three parameters.
const SELECT: &str = "select detail.subject_id, detail.cards, score.category_id
     from score_detail as detail
     join score on score.run_id = detail.run_id and score.subject_id = detail.subject_id and score.rule_set = $3
     where detail.run_id = $1 and detail.subject_kind = $2";

impl CardsOf<'_> {
    /// The next cards after an id, by id.
    pub(crate) async fn after(
        self,
        connection: &mut PgConnection,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(Id, Card)>, StoreError> {
        let sql = format!("{SELECT} and detail.subject_id > $4 collate \"C\" order by detail.subject_id limit $5");
        self.decode(self.query(sql).bind(after).bind(limit).fetch_all(connection).await?)
    }

    /// The cards of some subjects, by id.
    pub(crate) async fn of_ids(
        self,
        connection: &mut PgConnection,
        ids: &[&str],
    ) -> Result<Vec<(Id, Card)>, StoreError> {
        let sql = format!("{SELECT} and detail.subject_id = any($4 collate \"C\") order by detail.subject_id");
        self.decode(self.query(sql).bind(ids).fetch_all(connection).await?)
    }

    fn query<'q>(self, sql: String) -> QueryAs<'q, Postgres, Row, PgArguments> {
        sqlx::query_as(AssertSqlSafe(sql)).bind(self.run_id).bind(self.kind.code()).bind(self.version)
    }

    fn decode(self, rows: Vec<Row>) -> Result<Vec<(Id, Card)>, StoreError> {
        let place = self.rule_sets.iter().position(|used| used.version == self.version);
        let Some(place) = place else { return Ok(Vec::new()) };
        let sets: Vec<&RuleSet> = self.rule_sets.iter().map(|used| used.rule_set.as_ref()).collect();
        let decoded = rows.into_iter().map(|(id, packed, category_id)| {
            let mut cards = card::decode(&sets, &packed, category_id.as_deref().map(Id::stored))?;
            Ok((Id::stored(&id), cards.swap_remove(place)))
        });
        decoded.collect()
    }
}
