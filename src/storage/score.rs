//! Rows of `score` and `score_detail`: what runs computed.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row};

use super::rule_set::UsedRuleSet;
use super::{StoreError, card};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::{Card, Status};
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::tier::{DimensionPenalties, Tier, tier, tier_of};

pub(super) const HUNDREDTH: i64 = 10_000;

/// The rows of some subjects' cards, ready to be written.
#[derive(Debug)]
pub(crate) struct CardRows {
    ids: Vec<Id>,
    category_ids: Vec<Option<Id>>,
    /// By rule set.
    short: Vec<ShortRows>,
    /// The full cards, packed.
    packed: Vec<Vec<u8>>,
}

/// The columns of short cards under one rule set.
#[derive(Debug, Default)]
struct ShortRows {
    signed_orders: Vec<i64>,
    hundredths: Vec<Option<i32>>,
    levels: Vec<Option<i16>>,
    growth: Vec<Option<bool>>,
    dimension_penalties: Vec<Option<i64>>,
}

impl CardRows {
    pub(crate) fn new(rule_sets: usize) -> CardRows {
        let short = (0..rule_sets).map(|_| ShortRows::default()).collect();
        CardRows { ids: Vec::new(), category_ids: Vec::new(), short, packed: Vec::new() }
    }

    /// Adds a subject with its cards, which stand in the order of the rule sets.
    pub(crate) fn push(
        &mut self,
        rule_sets: &[Arc<RuleSet>],
        subject_id: &Id,
        category_id: Option<&Id>,
        cards: &[Card],
    ) {
        self.ids.push(subject_id.clone());
        self.category_ids.push(category_id.cloned());
        self.packed.push(card::encode(rule_sets, cards));
        for ((rule_set, card), rows) in rule_sets.iter().zip(cards).zip(&mut self.short) {
            rows.push(rule_set, card);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

impl ShortRows {
    fn push(&mut self, rule_set: &RuleSet, card: &Card) {
        let DimensionPenalties(penalties) = DimensionPenalties::of(rule_set, &card.dimensions);
        self.signed_orders.push(card.signed_orders);
        self.hundredths.push(card.score.map(|score| (score.millionths() / HUNDREDTH) as i32));
        self.levels.push(tier_of(rule_set, card).map(|tier| tier.level as i16));
        self.growth.push((card.status == Status::Growth).then_some(true));
        self.dimension_penalties.push(Some(penalties).filter(|rows| *rows != 0));
    }
}

/// Writes the results of subjects of one kind under the numbers of their rule sets. They are invisible until the run is
/// published.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    run_id: i64,
    kind: SubjectKind,
    versions: &[i16],
    rows: &CardRows,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = rows.ids.iter().map(Id::as_str).collect();
    let category_ids: Vec<Option<&str>> = rows.category_ids.iter().map(|id| id.as_ref().map(Id::as_str)).collect();
    for (version, short) in versions.iter().zip(&rows.short) {
        sqlx::query(
            "insert into score (run_id, rule_set, subject_id, category_id, signed_orders, score_hundredths, tier_level, growth,
                                dimension_penalties)
             select $1, $2, * from unnest($3::text[], $4::text[], $5::bigint[], $6::integer[], $7::smallint[], $8::boolean[],
                                          $9::bigint[])",
        )
        .bind(run_id)
        .bind(version)
        .bind(&ids)
        .bind(&category_ids)
        .bind(&short.signed_orders)
        .bind(&short.hundredths)
        .bind(&short.levels)
        .bind(&short.growth)
        .bind(&short.dimension_penalties)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "insert into score_detail (run_id, subject_kind, subject_id, cards)
         select $1, $2, * from unnest($3::text[], $4::bytea[])",
    )
    .bind(run_id)
    .bind(kind.code())
    .bind(&ids)
    .bind(&rows.packed)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes away what an earlier attempt at a run left behind.
pub(crate) async fn delete(connection: &mut PgConnection, run_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from score where run_id = $1").bind(run_id).execute(&mut *connection).await?;
    sqlx::query("delete from score_detail where run_id = $1").bind(run_id).execute(connection).await?;
    Ok(())
}

/// The cards of a subject in a run, in the order of `rule_sets`: the run's own, of the subject's kind. `None` if the
/// run did not know the subject.
pub(crate) async fn cards(
    connection: &mut PgConnection,
    run_id: i64,
    subject: &Subject,
    rule_sets: &[UsedRuleSet],
) -> Result<Option<Vec<Card>>, StoreError> {
    let Some(UsedRuleSet { version, .. }) = rule_sets.first() else {
        return Ok(None);
    };
    let row = sqlx::query(
        "select detail.cards, score.category_id
         from score_detail as detail
         join score on score.run_id = detail.run_id and score.subject_id = detail.subject_id and score.rule_set = $4
         where detail.run_id = $1 and detail.subject_kind = $2 and detail.subject_id = $3",
    )
    .bind(run_id)
    .bind(subject.kind.code())
    .bind(subject.id.as_str())
    .bind(version)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let packed: Vec<u8> = row.try_get(0)?;
    let category_id: Option<&str> = row.try_get(1)?;
    let sets: Vec<&RuleSet> = rule_sets.iter().map(|used| used.rule_set.as_ref()).collect();
    card::decode(&sets, &packed, category_id.map(Id::stored)).map(Some)
}

/// A subject's short card in a run.
#[derive(Clone, Debug, FromRow)]
pub struct ShortCard {
    pub run_id: i64,
    pub subject_id: String,
    pub category_id: Option<String>,
    pub signed_orders: i64,
    /// `None` without enough volume.
    pub score_hundredths: Option<i32>,
    pub tier_level: Option<i16>,
    /// Whether the score is what the rule set gives for too little volume.
    pub growth: Option<bool>,
    /// The rows of the rule set's penalties that apply through a dimension.
    pub dimension_penalties: Option<i64>,
}

impl ShortCard {
    pub fn score(&self) -> Option<Decimal> {
        self.score_hundredths.map(of_hundredths)
    }

    pub fn status(&self) -> Status {
        status_of(self.score_hundredths, self.growth)
    }

    /// Under the rule set that made the card; `None` without a score.
    pub(crate) fn tier<'a>(&self, rule_set: &'a RuleSet) -> Option<Tier<'a>> {
        Some(tier(rule_set, self.score()?, DimensionPenalties(self.dimension_penalties.unwrap_or_default())))
    }
}

pub(super) fn status_of(score_hundredths: Option<i32>, growth: Option<bool>) -> Status {
    match (score_hundredths, growth) {
        (None, _) => Status::InsufficientVolume,
        (Some(_), Some(true)) => Status::Growth,
        (Some(_), _) => Status::Scored,
    }
}

pub(crate) fn of_hundredths(hundredths: i32) -> Decimal {
    Decimal::from_millionths(i64::from(hundredths) * HUNDREDTH)
}

/// The columns of a short card.
pub(super) const SHORT_CARD: &str =
    "run_id, subject_id, category_id, signed_orders, score_hundredths, tier_level, growth, dimension_penalties";

/// The short cards of a subject in runs, each under one version of a rule set.
pub(crate) async fn short_cards(
    connection: &mut PgConnection,
    runs: &[(i64, i16)],
    subject_id: &Id,
) -> Result<Vec<ShortCard>, StoreError> {
    let (run_ids, versions): (Vec<i64>, Vec<i16>) = runs.iter().copied().unzip();
    let cards = sqlx::query_as(AssertSqlSafe(format!(
        "select {SHORT_CARD} from score
         where (run_id, rule_set) in (select * from unnest($1::bigint[], $2::smallint[]))
           and subject_id = $3 collate \"C\""
    )))
    .bind(run_ids)
    .bind(versions)
    .bind(subject_id.as_str())
    .fetch_all(connection)
    .await?;
    Ok(cards)
}

/// The scores of a category's members in a run, from the lowest up, without those who have too little volume.
pub(crate) async fn of_category(
    connection: &mut PgConnection,
    run_id: i64,
    version: i16,
    category_id: &Id,
) -> Result<Vec<Decimal>, StoreError> {
    let rows: Vec<i32> = sqlx::query_scalar(
        "select score_hundredths from score
         where run_id = $1 and rule_set = $2 and category_id = $3 collate \"C\" and score_hundredths is not null and growth is null
         order by score_hundredths",
    )
    .bind(run_id)
    .bind(version)
    .bind(category_id.as_str())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(of_hundredths).collect())
}
