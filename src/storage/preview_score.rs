//! Rows of `preview_score`: the subjects of previews under both rule sets.

use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use super::score::{HUNDREDTH, of_hundredths};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::preview::{Mover, PreviewScore};
use crate::domain::score::Status;
use crate::domain::words::words;

/// Removes what an earlier attempt wrote.
pub(crate) async fn clear(connection: &mut PgConnection, preview_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from preview_score where preview_id = $1").bind(preview_id).execute(connection).await?;
    Ok(())
}

/// Writes some subjects.
pub(crate) async fn write(
    connection: &mut PgConnection,
    preview_id: i64,
    scores: &[PreviewScore],
) -> Result<(), StoreError> {
    let hundredths = |score: Option<Decimal>| score.map(|score| (score.millionths() / HUNDREDTH) as i32);
    sqlx::query(
        "insert into preview_score (preview_id, subject_id, category_id, against_status, against_hundredths, against_tier,
                                    draft_status, draft_hundredths, draft_tier, movers)
         select $1, subject_id, category_id, against_status, against_hundredths, against_tier, draft_status, draft_hundredths,
                draft_tier, movers::jsonb
         from unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::smallint[], $7::text[], $8::integer[],
                     $9::smallint[], $10::text[])
             as score (subject_id, category_id, against_status, against_hundredths, against_tier, draft_status,
                       draft_hundredths, draft_tier, movers)",
    )
    .bind(preview_id)
    .bind(scores.iter().map(|one| one.subject_id.as_str()).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| one.category_id.as_ref().map(Id::as_str)).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| one.against.status.as_str()).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| hundredths(one.against.score)).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| one.against.tier_level).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| one.draft.status.as_str()).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| hundredths(one.draft.score)).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| one.draft.tier_level).collect::<Vec<_>>())
    .bind(scores.iter().map(|one| serde_json::to_string(&one.movers).unwrap_or_default()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

words! {
    /// How the subjects of a preview are sorted. Those without a change come last; where it is equal the ids decide.
    pub(crate) enum PreviewOrder {
        Id = "id",
        /// The greatest fall first.
        Change = "change",
        ChangeDescending = "-change",
    }
}

/// What a list is sorted by without a change: the end of the list.
const LAST: i64 = i64::MAX;

impl PreviewOrder {
    fn key(self) -> &'static str {
        match self {
            PreviewOrder::Id => "0",
            PreviewOrder::Change => "change_hundredths",
            PreviewOrder::ChangeDescending => "-change_hundredths",
        }
    }
}

/// A tier, or the lack of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedTier {
    Level(i16),
    None,
}

impl WantedTier {
    /// As SQL compares it: no tier is -1.
    fn number(self) -> i16 {
        match self {
            WantedTier::Level(level) => level,
            WantedTier::None => -1,
        }
    }
}

/// Which subjects of a preview.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreviewFilter {
    pub tier_from: Option<WantedTier>,
    pub tier_to: Option<WantedTier>,
    pub category_id: Option<Id>,
}

#[derive(Clone, Debug, FromRow)]
pub(crate) struct PreviewScoreRow {
    pub subject_id: String,
    pub category_id: Option<String>,
    #[sqlx(try_from = "String")]
    pub against_status: Status,
    pub against_hundredths: Option<i32>,
    pub against_tier: Option<i16>,
    #[sqlx(try_from = "String")]
    pub draft_status: Status,
    pub draft_hundredths: Option<i32>,
    pub draft_tier: Option<i16>,
    pub change_hundredths: Option<i32>,
    pub movers: Json<Vec<Mover>>,
    pub sort_key: i64,
}

impl PreviewScoreRow {
    pub(crate) fn against_score(&self) -> Option<Decimal> {
        self.against_hundredths.map(of_hundredths)
    }

    pub(crate) fn draft_score(&self) -> Option<Decimal> {
        self.draft_hundredths.map(of_hundredths)
    }

    pub(crate) fn change(&self) -> Option<Decimal> {
        self.change_hundredths.map(of_hundredths)
    }
}

/// A page of the subjects of a preview, after a sort key and an id.
pub(crate) async fn page(
    connection: &mut PgConnection,
    preview_id: i64,
    filter: &PreviewFilter,
    order: PreviewOrder,
    after: Option<(i64, &str)>,
    limit: i64,
) -> Result<Vec<PreviewScoreRow>, StoreError> {
    let key = format!("coalesce(({})::bigint, {LAST})", order.key());
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select *, {key} as sort_key from preview_score
         where preview_id = $1
           and ($2::smallint is null or coalesce(against_tier, -1) = $2)
           and ($3::smallint is null or coalesce(draft_tier, -1) = $3)
           and ($4::text is null or category_id = $4 collate \"C\")
           and ($5::bigint is null or ({key}, subject_id) > ($5, $6 collate \"C\"))
         order by {key}, subject_id limit $7"
    )))
    .bind(preview_id)
    .bind(filter.tier_from.map(WantedTier::number))
    .bind(filter.tier_to.map(WantedTier::number))
    .bind(filter.category_id.as_ref().map(Id::as_str))
    .bind(after.map(|(key, _)| key))
    .bind(after.map(|(_, id)| id))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
