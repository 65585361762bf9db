//! Full cards of many subjects of a run.

use sqlx::PgConnection;

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

/// The next cards after an id, by id: of all subjects, or of some.
pub(crate) async fn cards_after(
    connection: &mut PgConnection,
    of: CardsOf<'_>,
    after: &str,
    ids: Option<&[Id]>,
    limit: i64,
) -> Result<Vec<(Id, Card)>, StoreError> {
    let rows: Vec<(String, Vec<u8>, Option<String>)> = sqlx::query_as(
        "select detail.subject_id, detail.cards, score.category_id
         from score_detail as detail
         join score on score.run_id = detail.run_id and score.subject_id = detail.subject_id and score.rule_set = $3
         where detail.run_id = $1 and detail.subject_kind = $2 and detail.subject_id > $4 collate \"C\"
           and ($5::text[] is null or detail.subject_id = any($5 collate \"C\"))
         order by detail.subject_id limit $6",
    )
    .bind(of.run_id)
    .bind(of.kind.code())
    .bind(of.version)
    .bind(after)
    .bind(ids.map(|ids| ids.iter().map(Id::as_str).collect::<Vec<_>>()))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    decoded(rows, of)
}

/// Of rows with a subject's id, its packed cards and its category: the id, and the card under the rule set.
fn decoded(rows: Vec<(String, Vec<u8>, Option<String>)>, of: CardsOf<'_>) -> Result<Vec<(Id, Card)>, StoreError> {
    let Some(place) = of.rule_sets.iter().position(|used| used.version == of.version) else { return Ok(Vec::new()) };
    let sets: Vec<&RuleSet> = of.rule_sets.iter().map(|used| used.rule_set.as_ref()).collect();
    let decoded = rows.into_iter().map(|(id, packed, category_id)| {
        let mut cards = card::decode(&sets, &packed, category_id.as_deref().map(Id::stored))?;
        Ok((Id::stored(&id), cards.swap_remove(place)))
    });
    decoded.collect()
}

/// The cards of some subjects.
pub(crate) async fn cards_under(
    connection: &mut PgConnection,
    of: CardsOf<'_>,
    ids: &[&str],
) -> Result<Vec<(Id, Card)>, StoreError> {
    let rows = sqlx::query_as(
        "select detail.subject_id, detail.cards, score.category_id
         from score_detail as detail
         join score on score.run_id = detail.run_id and score.subject_id = detail.subject_id and score.rule_set = $4
         where detail.run_id = $1 and detail.subject_kind = $2 and detail.subject_id = any($3 collate \"C\")",
    )
    .bind(of.run_id)
    .bind(of.kind.code())
    .bind(ids)
    .bind(of.version)
    .fetch_all(connection)
    .await?;
    decoded(rows, of)
}
