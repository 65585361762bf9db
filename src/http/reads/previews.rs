//! Draft rule sets replayed over the fleet: what came of it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{WireQuantiles, wire_quantiles};
use crate::domain::preview::{PreviewSummary, Spread, TierShare, TierStep};
use crate::domain::rules::{RuleSet, file};
use crate::http::param_types::{TextSegment, whole_number};
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::PreviewNotFound;
use crate::http::state::AppState;
use crate::http::terms::{KindTerm, PreviewStateTerm, Term};
use crate::storage::StoreError;
use crate::storage::preview::{self, PreviewRow};

/// A draft rule set on its way over the fleet.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub(crate) struct WirePreview {
    pub preview_id: String,
    pub state: PreviewStateTerm,
    pub kind: KindTerm,
    pub date: NaiveDate,
    /// The draft, by its id and the version of its text.
    pub rule_set: String,
    pub rule_set_version: String,
    /// What it is held against.
    pub against: String,
    pub against_version: String,
    pub requested_at: DateTime<Utc>,
    /// The key with which it was asked for; null where no keys are asked for.
    #[schema(required)]
    pub key_id: Option<String>,
    #[schema(required)]
    pub started_at: Option<DateTime<Utc>>,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
    pub subjects_total: i64,
    pub subjects_done: i64,
    /// Why it failed.
    #[schema(required)]
    pub error: Option<String>,
    /// Null until it is done.
    #[schema(required)]
    pub summary: Option<WireSummary>,
}

/// A fleet under both rule sets.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewSummary)]
pub(crate) struct WireSummary {
    pub against: WireFleetSide,
    pub draft: WireFleetSide,
    /// How many go from which tier to which, those that stay too.
    pub moves: Vec<WireTierStep>,
    /// Of the change of scores, from one rule set to the other.
    pub change: WireQuantiles,
}

/// A fleet under one rule set.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewSide)]
pub(crate) struct WireFleetSide {
    pub tiers: Vec<WireTierShare>,
    pub score: WireQuantiles,
}

/// Subjects of one status and tier.
#[derive(Serialize, ToSchema)]
#[schema(as = TierShare)]
pub(crate) struct WireTierShare {
    pub status: String,
    /// Null without a score.
    #[schema(required)]
    pub tier_level: Option<i16>,
    pub subjects: i64,
}

/// Subjects that go from one tier to another; null: without a score.
#[derive(Serialize, ToSchema)]
#[schema(as = TierStep)]
pub(crate) struct WireTierStep {
    #[schema(required)]
    pub from: Option<i16>,
    #[schema(required)]
    pub to: Option<i16>,
    pub subjects: i64,
}

/// Both rule sets of a preview.
pub(super) struct Rules {
    pub against: RuleSet,
    pub draft: RuleSet,
}

impl Rules {
    pub(super) fn of(row: &PreviewRow) -> Result<Rules, Problem> {
        let read = |text: &str| {
            let unreadable = |_| StoreError::Corrupt(format!("the rule sets of preview {}", row.preview_id));
            file::parse_stored(text).map_err(unreadable)
        };
        Ok(Rules { against: read(&row.against)?, draft: read(&row.draft)? })
    }

    /// Places of a change: as many as either score has.
    pub(super) fn places(&self) -> u32 {
        self.against.score_places.max(self.draft.score_places)
    }
}

impl WirePreview {
    pub(crate) fn of(row: PreviewRow) -> Result<WirePreview, Problem> {
        let rules = Rules::of(&row)?;
        let summary = row.summary.map(|summary| wire_summary(&rules, summary.0));
        let Rules { against, draft } = rules;
        Ok(WirePreview {
            preview_id: row.preview_id.to_string(),
            state: Term(row.state),
            kind: Term(draft.kind),
            date: row.date,
            rule_set: draft.id,
            rule_set_version: draft.hash,
            against: against.id,
            against_version: against.hash,
            requested_at: row.requested_at,
            key_id: row.key_id.map(|id| id.to_string()),
            started_at: row.started_at,
            finished_at: row.finished_at,
            subjects_total: row.subjects_total,
            subjects_done: row.subjects_done,
            error: row.error,
            summary,
        })
    }
}

fn wire_summary(rules: &Rules, summary: PreviewSummary) -> WireSummary {
    let side = |tiers: Vec<TierShare>, score: &Spread, rule_set: &RuleSet| WireFleetSide {
        tiers: tiers
            .into_iter()
            .map(|TierShare { status, tier_level, subjects }| WireTierShare { status, tier_level, subjects })
            .collect(),
        score: wire_quantiles(&score.quantiles(), rule_set.score_places),
    };
    let step = |TierStep { from, to, subjects }| WireTierStep { from, to, subjects };
    WireSummary {
        change: wire_quantiles(&summary.change.quantiles(), rules.places()),
        against: side(summary.against, &summary.against_score, &rules.against),
        draft: side(summary.draft, &summary.draft_score, &rules.draft),
        moves: summary.moves.into_iter().map(step).collect(),
    }
}

parameters! {
    /// Which preview is meant.
    pub(crate) struct PreviewPath {
        preview_id: TextSegment,
    }
}

/// The preview of an id.
pub(super) async fn find(state: &AppState, preview_id: &TextSegment) -> Result<PreviewRow, Problem> {
    let not_found = || Problem::no_such(Kind::PreviewNotFound, "preview", &preview_id.0);
    let number = whole_number(&preview_id.0).ok_or_else(not_found)?;
    let mut connection = state.source.connection().await?;
    preview::get(&mut connection, number).await?.ok_or_else(not_found)
}

/// A preview: how far it is, and when it is done what the draft would do to the fleet. The newest 20 are kept, for 7 days.
#[utoipa::path(
    get,
    path = "/v1/previews/{preview_id}",
    tag = "previews",
    params(PreviewPath),
    responses((status = 200, description = "The preview as it stands.", body = WirePreview), PreviewNotFound)
)]
pub(crate) async fn get_preview(
    State(state): State<AppState>,
    Input(PreviewPath { preview_id }): Input<PreviewPath>,
) -> Result<Json<WirePreview>, Problem> {
    Ok(Json(WirePreview::of(find(&state, &preview_id).await?)?))
}
