//! Draft rule sets replayed over the fleet: the subjects under both rule sets.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter as Described;

use super::previews::{Rules, find};
use super::wire::{Number, Places};
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
use crate::domain::preview::Mover;
use crate::domain::rules::RuleSet;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::cursor::CursorKey;
use crate::http::page::{Page, subject_ids};
use crate::http::param_types::{Cursor, Limit, OneOf, TextSegment, whole_number};
use crate::http::params::{Input, Parameter, Params, in_query, parameters, string};
use crate::http::problem::Problem;
use crate::http::problem_responses::{PreviewNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::terms::{StatusTerm, Term};
use crate::storage::preview::PreviewState;
use crate::storage::preview_score::{self, PreviewFilter, PreviewOrder, PreviewScoreRow, WantedTier};

/// A tier, or `none`.
pub(crate) struct TierWord(Option<WantedTier>);

impl Parameter for TierWord {
    fn read(params: &mut Params<'_>, name: &str) -> Option<TierWord> {
        let read = |text: &str| match text {
            "none" => Some(WantedTier::None),
            text => whole_number(text).map(WantedTier::Level),
        };
        params.parsed(name, read, "a tier, or none for those without a score".to_owned()).map(TierWord)
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string().pattern(Some("^(none|0|[1-9][0-9]*)$")))
    }
}

parameters! {
    /// Which subjects of a preview are listed.
    pub(crate) struct PreviewScoresQuery {
        /// The preview.
        preview_id: TextSegment,
        /// Only those in this tier under the rule set that the draft is held against; `none`: without a score.
        tier_from: TierWord,
        /// Only those in this tier under the draft; `none`: without a score.
        tier_to: TierWord,
        category_id: Option<Id>,
        /// `id` (default), `change` (the greatest fall first) or `-change`. Subjects without a change come last.
        sort: OneOf<PreviewOrder>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<PreviewPlace>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// Where a list goes on: after a sort key and an id.
pub(crate) struct PreviewPlace {
    key: i64,
    id: Id,
}

impl CursorKey for PreviewPlace {
    fn write(&self) -> String {
        format!("{},{}", self.key, self.id)
    }

    fn read(text: &str) -> Option<PreviewPlace> {
        let (key, id) = text.split_once(',')?;
        Some(PreviewPlace { key: key.parse().ok()?, id: Id::parse(id).ok()? })
    }
}

/// A subject under both rule sets.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewScore)]
pub(crate) struct WirePreviewScore {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub against: WireCardSide,
    pub draft: WireCardSide,
    /// From one score to the other; null unless both rule sets give one.
    #[schema(required, value_type = Option<f64>)]
    pub change: Option<Places>,
    /// The metrics that made most of the change, the greatest part first; none where one side is not scored by metrics.
    pub movers: Vec<WireMover>,
}

/// A subject under one rule set.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewCard)]
pub(crate) struct WireCardSide {
    pub status: StatusTerm,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    #[schema(required)]
    pub tier_level: Option<i16>,
}

/// A metric's part of a change.
#[derive(Serialize, ToSchema)]
#[schema(as = Mover)]
pub(crate) struct WireMover {
    pub metric: String,
    #[schema(value_type = f64)]
    pub change: Number<PLACES_MAX>,
}

fn wire_score(kind: SubjectKind, rules: &Rules, row: PreviewScoreRow) -> WirePreviewScore {
    let (shop_id, creator_id) = subject_ids(&Subject { kind, id: Id::stored(&row.subject_id) });
    let (old, new, change) = (row.against_score(), row.draft_score(), row.change());
    let shown = |score: Option<Decimal>, rule_set: &RuleSet| score.map(|score| Places(score, rule_set.score_places));
    let mover = |Mover { metric, change }| WireMover { metric, change: Number(Decimal::from_millionths(change)) };
    WirePreviewScore {
        shop_id,
        creator_id,
        category_id: row.category_id,
        against: WireCardSide {
            status: Term(row.against_status),
            score: shown(old, &rules.against),
            tier_level: row.against_tier,
        },
        draft: WireCardSide {
            status: Term(row.draft_status),
            score: shown(new, &rules.draft),
            tier_level: row.draft_tier,
        },
        change: change.map(|change| Places(change, rules.places())),
        movers: row.movers.0.into_iter().map(mover).collect(),
    }
}

/// The subjects of a preview that is done, with both scores.
#[utoipa::path(
    get,
    path = "/v1/previews/{preview_id}/scores",
    tag = "previews",
    params(PreviewScoresQuery),
    responses(
        (status = 200, description = "A page; empty until the preview is done.", body = Page<WirePreviewScore>),
        WrongParameter,
        PreviewNotFound
    )
)]
pub(crate) async fn list_preview_scores(
    State(state): State<AppState>,
    Input(query): Input<PreviewScoresQuery>,
) -> Result<Json<Page<WirePreviewScore>>, Problem> {
    let row = find(&state, &query.preview_id).await?;
    if row.state != PreviewState::Done {
        return Ok(Json(Page { items: Vec::new(), next_cursor: None }));
    }
    let rules = Rules::of(&row)?;
    let filter =
        PreviewFilter { tier_from: query.tier_from.0, tier_to: query.tier_to.0, category_id: query.category_id };
    let order = query.sort.0.unwrap_or(PreviewOrder::Id);
    let (limit, Cursor { after, signer }) = (query.limit.0, query.cursor);
    let after = after.as_ref().map(|place| (place.key, place.id.as_str()));
    let mut connection = state.source.connection().await?;
    let mut rows =
        preview_score::page(&mut connection, row.preview_id, &filter, order, after, limit as i64 + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let place = |row: &PreviewScoreRow| PreviewPlace { key: row.sort_key, id: Id::stored(&row.subject_id) };
    let next_cursor = rows.last().filter(|_| has_more).map(|last| signer.close(&place(last)));
    let items = rows.into_iter().map(|row| wire_score(rules.draft.kind, &rules, row)).collect();
    Ok(Json(Page { items, next_cursor }))
}
