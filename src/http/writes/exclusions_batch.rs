//! Many exclusions at once.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::exclusion_bodies::ExclusionBody;
use crate::http::auth::Caller;
use crate::http::json_body::{BATCH_BYTES_MAX, Entries, JsonBody, RequestBody};
use crate::http::params::{Input, Nothing};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{InvalidEntry, TooLarge};
use crate::http::state::AppState;
use crate::http::terms::{ExclusionOutcome, ExclusionOutcomeTerm, Term};
use crate::ingest::ledger::{self, Excluded};
use crate::storage::exclusion::NewExclusion;

/// Exclusions of one request.
const ENTRIES_MAX: usize = 5_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExclusionsBody {
    #[schema(max_items = 5_000, value_type = Vec<ExclusionBody>)]
    pub exclusions: Entries<ExclusionBody, ENTRIES_MAX>,
}

impl RequestBody for ExclusionsBody {
    const BYTES_MAX: usize = BATCH_BYTES_MAX;
}

/// What became of one exclusion.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExclusionResult {
    /// The place in the request, from 0.
    pub index: usize,
    pub outcome: ExclusionOutcomeTerm,
    /// The exclusion that was made, or the active one of the same target.
    pub exclusion_id: String,
    /// Whether an event of the target is stored. Where it is not, check the ids.
    pub matched: bool,
}

/// What became of a batch of exclusions.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExclusionsAnswer {
    pub created: usize,
    pub already_excluded: usize,
    /// Those of whose target no event is stored.
    pub unmatched: usize,
    /// One for each exclusion of the request, in its order.
    pub results: Vec<ExclusionResult>,
}

/// Excludes up to 5,000 orders, reviews, after-sale cases, complaints or sessions.
///
/// All are checked first: with one that is not valid nothing is written. A target that is excluded already is left as it is, so
/// the same request can be sent again.
#[utoipa::path(
    post,
    path = "/v1/exclusions:batch",
    tag = "exclusions",
    request_body = ExclusionsBody,
    responses(
        (status = 200, description = "All targets are excluded.", body = ExclusionsAnswer),
        TooLarge,
        InvalidEntry
    )
)]
pub(crate) async fn post_exclusions(
    State(state): State<AppState>,
    caller: Caller,
    _: Input<Nothing>,
    JsonBody(body, _room): JsonBody<ExclusionsBody>,
) -> Result<Json<ExclusionsAnswer>, Problem> {
    let entries = body.exclusions.0;
    if entries.len() > ENTRIES_MAX {
        let detail = format!("a request has at most {ENTRIES_MAX} exclusions; nothing was written");
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    let mut faults = Vec::new();
    let check = |(index, entry): (usize, ExclusionBody)| entry.check(&format!("/exclusions/{index}"), &mut faults);
    let new: Vec<NewExclusion> = entries.into_iter().enumerate().filter_map(check).collect();
    if !faults.is_empty() {
        return Err(Problem::invalid_body(faults));
    }
    let excluded = ledger::exclude(&new, caller.actor(), &state.context).await?;
    Ok(Json(answer(&excluded)))
}

fn answer(excluded: &[Excluded]) -> ExclusionsAnswer {
    let result = |(index, excluded): (usize, &Excluded)| {
        let outcome = match excluded {
            Excluded::Done(_) => ExclusionOutcome::Created,
            Excluded::Already(_) => ExclusionOutcome::AlreadyExcluded,
        };
        let row = excluded.row();
        ExclusionResult {
            index,
            outcome: Term(outcome),
            exclusion_id: row.exclusion_id.to_string(),
            matched: row.is_matched,
        }
    };
    let results: Vec<ExclusionResult> = excluded.iter().enumerate().map(result).collect();
    let created = excluded.iter().filter(|one| matches!(one, Excluded::Done(_))).count();
    ExclusionsAnswer {
        created,
        already_excluded: results.len() - created,
        unmatched: results.iter().filter(|one| !one.matched).count(),
        results,
    }
}
