//! Short cards of many subjects: pages in an order, their histories, and how many stand where.

use sqlx::{AssertSqlSafe, FromRow, PgConnection, Row};

use super::StoreError;
use super::score::{HUNDREDTH, ShortCard, of_hundredths, status_of};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::score::Status;
use crate::domain::subject::SubjectKind;
use crate::domain::words::words;

words! {
    /// How a fleet is sorted. Subjects that lack what is sorted by come last; where it is equal the ids decide.
    pub enum FleetOrder {
        Id = "id",
        Score = "score",
        ScoreDescending = "-score",
        /// The greatest fall first.
        Change = "change",
        ChangeDescending = "-change",
        /// By what is missing to the next threshold up, the least first.
        Gap = "gap",
        /// By what is left to the next threshold down, the least first.
        Margin = "margin",
    }
}

words! {
    /// Where a subject's tier went since the published date before.
    pub enum TierMove {
        Up = "up",
        Down = "down",
    }
}

/// The status of `card`, as [`Status`] names it.
const STATUS: &str = "case when card.score_hundredths is null then 'insufficient_volume' when card.growth then 'growth' else 'scored' end";

/// What a list is sorted by without a value: the end of the list.
const LAST: i64 = i64::MAX;

impl FleetOrder {
    /// A value by which the list rises. `$1` are the falling thresholds, in millionths, of which the score is below as many as
    /// its tier says; `card` and `previous` are the scores.
    fn key(self) -> &'static str {
        match self {
            FleetOrder::Id => "0",
            FleetOrder::Score => "card.score_hundredths",
            FleetOrder::ScoreDescending => "-card.score_hundredths",
            FleetOrder::Change => "card.score_hundredths - previous.score_hundredths",
            FleetOrder::ChangeDescending => "previous.score_hundredths - card.score_hundredths",
            FleetOrder::Gap => "($1::bigint[])[card.tier_level] - card.score_hundredths::bigint * 10000",
            FleetOrder::Margin => "card.score_hundredths::bigint * 10000 - ($1::bigint[])[card.tier_level + 1]",
        }
    }

    /// Whether the scores of the date before decide the order.
    fn compares(self) -> bool {
        matches!(self, FleetOrder::Change | FleetOrder::ChangeDescending)
    }
}

/// A run, and the version of a rule set that answers in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunVersion {
    pub run_id: i64,
    pub version: i16,
}

/// Which subjects of a run.
#[derive(Clone, Debug, Default)]
pub struct FleetFilter {
    pub category_id: Option<Id>,
    pub tier_level: Option<i16>,
    pub below: Option<Decimal>,
    pub status: Option<Status>,
    pub ids: Option<Vec<Id>>,
    /// A part of the id or of the name, in any case.
    pub text: Option<String>,
    pub moved: Option<TierMove>,
}

/// Where a list goes on: after a sort key and an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPlace {
    pub key: i64,
    pub id: Id,
}

/// Which page of a fleet to read.
pub(crate) struct FleetPageQuery<'a> {
    pub kind: SubjectKind,
    pub of: RunVersion,
    /// The published date before, if there is one.
    pub previous: Option<RunVersion>,
    pub filter: &'a FleetFilter,
    pub order: FleetOrder,
    /// Distinct and falling, in millionths.
    pub thresholds: &'a [i64],
    pub after: Option<&'a FleetPlace>,
    pub limit: i64,
}

/// A short card in a list, beside what it was on the published date before.
#[derive(Clone, Debug, FromRow)]
pub struct FleetRow {
    #[sqlx(flatten)]
    pub card: ShortCard,
    /// As registered now.
    pub name: Option<String>,
    pub previous_score_hundredths: Option<i32>,
    pub previous_tier_level: Option<i16>,
    /// What the list is sorted by.
    pub sort_key: i64,
}

impl FleetRow {
    /// Where the list goes on after this row.
    pub fn place(&self) -> FleetPlace {
        FleetPlace { key: self.sort_key, id: Id::stored(&self.card.subject_id) }
    }

    /// `None` unless both dates have a score.
    pub fn change(&self) -> Option<Decimal> {
        Some(self.card.score()?.minus(self.previous_score_hundredths.map(of_hundredths)?))
    }
}

/// Text for LIKE that stands for itself.
fn literally(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A page of short cards of a run.
pub(crate) async fn page(
    connection: &mut PgConnection,
    query: &FleetPageQuery<'_>,
) -> Result<Vec<FleetRow>, StoreError> {
    let key = format!("coalesce(({})::bigint, {LAST})", query.order.key());
    let order = if query.order == FleetOrder::Id { String::new() } else { format!("{key},") };
    let moved = match query.filter.moved {
        None => "",
        Some(TierMove::Up) => "and card.tier_level < previous.tier_level",
        Some(TierMove::Down) => "and card.tier_level > previous.tier_level",
    };
    let previous = "left join score as previous
           on previous.run_id = $4 and previous.rule_set = $5 and previous.subject_id = card.subject_id";
    let subject = "left join subject on subject.subject_kind = $6 and subject.subject_id = card.subject_id";
    // What does not decide which rows make the page is looked up for these alone.
    let by_previous = if query.order.compares() || query.filter.moved.is_some() { previous } else { "" };
    let (by_name, named) = match query.filter.text {
        None => ("", "$12::text is null"),
        Some(_) => (subject, "card.subject_id ilike $12 or subject.name ilike $12"),
    };
    let sql = format!(
        "select card.*, subject.name, previous.score_hundredths as previous_score_hundredths,
                previous.tier_level as previous_tier_level
         from (
         select card.*, {key} as sort_key
         from score as card {by_previous} {by_name}
         where card.run_id = $2 and card.rule_set = $3 and $1::bigint[] is not null
           and ($7::text is null or card.category_id = $7 collate \"C\")
           and ($8::smallint is null or card.tier_level = $8)
           and ($9::bigint is null or card.score_hundredths::bigint * {HUNDREDTH} < $9)
           and ($10::text is null or {STATUS} = $10)
           and ($11::text[] is null or card.subject_id = any($11))
           and ({named})
           and ($13::bigint is null or ({key}, card.subject_id) > ($13, $14 collate \"C\"))
           {moved}
         order by {order} card.subject_id limit $15
         ) as card {previous} {subject}
         order by card.sort_key, card.subject_id"
    );
    let filter = query.filter;
    let rows = sqlx::query_as(AssertSqlSafe(sql))
        .bind(query.thresholds)
        .bind(query.of.run_id)
        .bind(query.of.version)
        .bind(query.previous.map(|previous| previous.run_id))
        .bind(query.previous.map(|previous| previous.version))
        .bind(query.kind.code())
        .bind(filter.category_id.as_ref().map(Id::as_str))
        .bind(filter.tier_level)
        .bind(filter.below.map(Decimal::millionths))
        .bind(filter.status.map(Status::as_str))
        .bind(filter.ids.as_ref().map(|ids| ids.iter().map(Id::as_str).collect::<Vec<_>>()))
        .bind(filter.text.as_deref().map(|text| format!("%{}%", literally(text))))
        .bind(query.after.map(|place| place.key))
        .bind(query.after.map(|place| place.id.as_str()))
        .bind(query.limit)
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// The scores of some subjects in several runs: (run, subject, score in hundredths). Those without a score are left out.
pub(crate) async fn scores_in(
    connection: &mut PgConnection,
    runs: &[RunVersion],
    ids: &[&str],
) -> Result<Vec<(i64, String, i32)>, StoreError> {
    let scores = sqlx::query_as(
        "select score.run_id, score.subject_id, score.score_hundredths
         from unnest($1::bigint[], $2::smallint[]) as past (run_id, rule_set)
         join score on score.run_id = past.run_id and score.rule_set = past.rule_set
         where score.subject_id = any($3) and score.score_hundredths is not null",
    )
    .bind(runs.iter().map(|run| run.run_id).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.version).collect::<Vec<_>>())
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(scores)
}

/// How many subjects of a category have a status, a score and a tier now, and had a tier before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardCount {
    pub category_id: Option<Id>,
    pub status: Status,
    /// `None` without enough volume.
    pub score: Option<Decimal>,
    pub tier_level: Option<i16>,
    pub previous_tier_level: Option<i16>,
    pub subjects: i64,
}

/// The short cards of a run, or those of some ids, counted by what they have in common.
pub(crate) async fn counts(
    connection: &mut PgConnection,
    of: RunVersion,
    previous: Option<RunVersion>,
    (category_id, ids): (Option<&Id>, Option<&[Id]>),
) -> Result<Vec<CardCount>, StoreError> {
    let rows = sqlx::query(
        "select card.category_id, card.score_hundredths, card.growth, card.tier_level, previous.tier_level, count(*)
         from score as card
         left join score as previous
           on previous.run_id = $3 and previous.rule_set = $4 and previous.subject_id = card.subject_id
         where card.run_id = $1 and card.rule_set = $2
           and ($5::text is null or card.category_id = $5 collate \"C\")
           and ($6::text[] is null or card.subject_id = any($6))
         group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5",
    )
    .bind(of.run_id)
    .bind(of.version)
    .bind(previous.map(|previous| previous.run_id))
    .bind(previous.map(|previous| previous.version))
    .bind(category_id.map(Id::as_str))
    .bind(ids.map(|ids| ids.iter().map(Id::as_str).collect::<Vec<_>>()))
    .fetch_all(connection)
    .await?;
    let count = |row: sqlx::postgres::PgRow| {
        let (hundredths, growth) = (row.try_get::<Option<i32>, _>(1)?, row.try_get::<Option<bool>, _>(2)?);
        Ok(CardCount {
            category_id: row.try_get::<Option<&str>, _>(0)?.map(Id::stored),
            status: status_of(hundredths, growth),
            score: hundredths.map(of_hundredths),
            tier_level: row.try_get(3)?,
            previous_tier_level: row.try_get(4)?,
            subjects: row.try_get(5)?,
        })
    };
    rows.into_iter().map(count).collect()
}
