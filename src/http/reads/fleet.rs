//! Many subjects at once: the fleet's short cards.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::Number;
use crate::answers::fleet::{FleetCursor, FleetPage, WantedFleet};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::score::Status;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::auth::Caller;
use crate::http::cursor::{CursorKey, Signer};
use crate::http::page::subject_ids;
use crate::http::param_types::{self, Cursor, Ids, KindQuery, Limit, OneOf, Revision, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{KindTerm, StatusTerm, Term};
use crate::storage::score::{FleetFilter, FleetOrder, ShortCard};

/// The highest tier level that can be asked for.
const TIER_LEVEL_MAX: u64 = 100;

parameters! {
    /// Which short cards are wanted.
    pub(crate) struct FleetQuery {
        /// `shops` (default) or `creators`.
        kind: KindQuery,
        /// Score date; default the newest published one.
        date: Option<NaiveDate>,
        rule_set: RuleSetId,
        /// Default: the newest revision of the date.
        revision: Revision,
        category_id: Option<Id>,
        /// Only subjects in this tier.
        tier_level: param_types::Number<0, TIER_LEVEL_MAX>,
        /// Only scores below this.
        below: Option<Decimal>,
        /// `scored` or `insufficient_volume`.
        status: OneOf<Status>,
        /// Only these ids, separated by commas; at most 1000, as far as the URL and the headers stay below 48 KiB.
        ids: Ids,
        /// `id` (default), `score` (lowest first) or `-score`; subjects without a score come last.
        sort: OneOf<FleetOrder>,
        /// `next_cursor` of the previous page.
        cursor: Cursor<FleetCursor>,
        /// Items of a page, default 100.
        limit: Limit,
    }
}

/// Short cards of many subjects, all of one revision.
#[derive(Serialize, ToSchema)]
pub(crate) struct FleetAnswer {
    pub kind: KindTerm,
    pub rule_set: String,
    /// The version of the rule set: SHA-256 of its text.
    pub rule_set_version: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub items: Vec<FleetCard>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FleetCard {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub status: StatusTerm,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    #[schema(required)]
    pub tier_level: Option<i16>,
}

/// Short cards of many subjects, for dashboards. All pages show the revision of the first page.
#[utoipa::path(
    get,
    path = "/v1/scores",
    tag = "scores",
    params(FleetQuery),
    responses((status = 200, description = "A page.", body = FleetAnswer), NotModified, ReadProblems)
)]
pub(crate) async fn list_scores(
    State(state): State<AppState>,
    caller: Caller,
    asked: Asked,
    Input(query): Input<FleetQuery>,
) -> Result<Response, Problem> {
    let kind = query.kind.0;
    let order = query.sort.0.unwrap_or(FleetOrder::Id);
    let Cursor { after, signer } = query.cursor;
    let filter = FleetFilter {
        category_id: query.category_id,
        tier_level: query.tier_level.0.map(|level| level as i16),
        below: query.below,
        status: query.status.0,
        ids: seen_ids(&caller, kind, query.ids.0),
    };
    let wanted = WantedFleet {
        date: query.date,
        revision: query.revision.0,
        kind,
        rule_set: query.rule_set.0,
        filter,
        order,
        after,
        limit: query.limit.0,
    };
    let make = || async {
        let page = state.source.fleet(&wanted).await?;
        let modified = page.run.published_at.unwrap_or_default();
        Answer::of(&fleet_answer(kind, page, &signer), modified)
    };
    // What a bound caller sees is nobody else's.
    if caller.is_bound() { Ok(asked.answer_once(&make().await?)) } else { asked.answer(&state, make).await }
}

/// The ids that are both asked for and the caller's to see; `None` for all.
fn seen_ids(caller: &Caller, kind: SubjectKind, asked: Option<Vec<Id>>) -> Option<Vec<Id>> {
    let Some(bounds) = caller.bounds() else { return asked };
    let bound = bounds.of(kind);
    match asked {
        None => Some(bound.iter().cloned().collect()),
        Some(ids) => Some(ids.into_iter().filter(|id| bound.contains(id)).collect()),
    }
}

fn fleet_answer(kind: SubjectKind, page: FleetPage, signer: &Signer) -> FleetAnswer {
    let FleetPage { run, rule_set, cards, next } = page;
    FleetAnswer {
        kind: Term(kind),
        rule_set: rule_set.id.clone(),
        rule_set_version: rule_set.hash.clone(),
        date: run.date,
        revision: run.revision.unwrap_or_default(),
        run_id: run.run_id.to_string(),
        published_at: run.published_at.unwrap_or_default(),
        items: cards.into_iter().map(|card| fleet_card(kind, card)).collect(),
        next_cursor: next.as_ref().map(|next| signer.close(next)),
    }
}

fn fleet_card(kind: SubjectKind, card: ShortCard) -> FleetCard {
    let (shop_id, creator_id) = subject_ids(&Subject { kind, id: Id::stored(&card.subject_id) });
    FleetCard {
        shop_id,
        creator_id,
        status: Term(card.status()),
        score: card.score().map(Number),
        category_id: card.category_id,
        signed_orders: card.signed_orders,
        tier_level: card.tier_level,
    }
}

/// The run, the score in hundredths and the id, which has no comma.
impl CursorKey for FleetCursor {
    fn write(&self) -> String {
        let hundredths = self.score_hundredths.map(|hundredths| hundredths.to_string()).unwrap_or_default();
        format!("{},{hundredths},{}", self.run_id, self.id)
    }

    fn read(text: &str) -> Option<FleetCursor> {
        let parts: Vec<&str> = text.split(',').collect();
        let [run_id, hundredths, id] = parts[..] else { return None };
        let score_hundredths = if hundredths.is_empty() { None } else { Some(hundredths.parse().ok()?) };
        Some(FleetCursor { run_id: run_id.parse().ok()?, score_hundredths, id: Id::parse(id).ok()? })
    }
}
