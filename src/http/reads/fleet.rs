//! Many subjects at once: the fleet's short cards.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{FleetKey, Places};
use crate::answers::fleet::{FleetCursor, FleetPage, Histories, WantedFleet};
use crate::domain::decimal::Decimal;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::Status;
use crate::domain::subject::{Subject, SubjectKind};
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::auth::Caller;
use crate::http::cursor::{CursorKey, Signer};
use crate::http::page::subject_ids;
use crate::http::param_types::{self, Cursor, Ids, KindQuery, Limit, OneOf, Revision, RuleSetId, SearchText};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{NotModified, ReadProblems};
use crate::http::state::AppState;
use crate::http::terms::{StatusTerm, Term};
use crate::storage::fleet::{FleetFilter, FleetOrder, FleetPlace, FleetRow, TierMove};

/// The highest tier level that can be asked for.
const TIER_LEVEL_MAX: u64 = 100;
/// The most days of history beside a card.
const HISTORY_DAYS_MAX: u64 = 90;

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
        /// `scored`, `growth` or `insufficient_volume`.
        status: OneOf<Status>,
        /// Only these ids, separated by commas; at most 1000, as far as the URL and the headers stay below 48 KiB.
        ids: Ids,
        /// Only subjects with this in their id or their name, in upper or lower case.
        q: SearchText,
        /// Only subjects whose tier is better (`up`) or worse (`down`) than on the published date before.
        moved: OneOf<TierMove>,
        /// Adds the scores of so many days up to the date to each card: 1-90.
        history: param_types::Number<1, HISTORY_DAYS_MAX>,
        /// `id` (default), `score` (lowest first), `-score`, `change` (the greatest fall first), `-change`, `gap` (what is
        /// missing to the next threshold, least first) or `margin` (what is left to the threshold below, least first). Subjects
        /// without it come last.
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
    #[serde(flatten)]
    pub key: FleetKey,
    /// The published date that `change` and `previous_tier_level` are told from: the one before, in its newest revision.
    #[schema(required)]
    pub previous_date: Option<NaiveDate>,
    /// The published dates of the `history` of all cards, where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_dates: Option<Vec<NaiveDate>>,
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
    /// As registered; null for none. A new name may show with the next publication only.
    #[schema(required)]
    pub name: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub status: StatusTerm,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    #[schema(required)]
    pub tier_level: Option<i16>,
    /// The score less the one of `previous_date`; null unless both dates have one.
    #[schema(required, value_type = Option<f64>)]
    pub change: Option<Places>,
    #[schema(required)]
    pub previous_tier_level: Option<i16>,
    /// What is missing to the next threshold up; null above all of them.
    #[schema(required, value_type = Option<f64>)]
    pub gap: Option<Places>,
    /// What is left to the next threshold down: below it a further penalty is in force. Null below all of them.
    #[schema(required, value_type = Option<f64>)]
    pub margin: Option<Places>,
    /// The score of each of `history_dates`, null without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Option<f64>>>)]
    pub history: Option<Vec<Option<Places>>>,
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
    let Cursor { after, signer } = query.cursor;
    let filter = FleetFilter {
        category_id: query.category_id,
        tier_level: query.tier_level.0.map(|level| level as i16),
        below: query.below,
        status: query.status.0,
        ids: seen_ids(&caller, kind, query.ids.0),
        text: query.q.0,
        moved: query.moved.0,
    };
    let wanted = WantedFleet {
        date: query.date,
        revision: query.revision.0,
        kind,
        rule_set: query.rule_set.0,
        filter,
        order: query.sort.0.unwrap_or(FleetOrder::Id),
        history_days: query.history.0,
        after,
        limit: query.limit.0,
    };
    let make = || async {
        let page = state.source.fleet(&wanted).await?;
        let modified = page.run.published_at.unwrap_or_default();
        Answer::of(&fleet_answer(&wanted, page, &signer), modified)
    };
    // What a bound caller sees is nobody else's, and names change without a publication.
    if caller.is_bound() || wanted.filter.text.is_some() {
        Ok(asked.answer_once(&make().await?))
    } else {
        asked.answer(&state, make).await
    }
}

/// The ids that are both asked for and the caller's to see; `None` for all.
pub(super) fn seen_ids(caller: &Caller, kind: SubjectKind, asked: Option<Vec<Id>>) -> Option<Vec<Id>> {
    let Some(bounds) = caller.bounds() else { return asked };
    let bound = bounds.of(kind);
    match asked {
        None => Some(bound.iter().cloned().collect()),
        Some(ids) => Some(ids.into_iter().filter(|id| bound.contains(id)).collect()),
    }
}

fn fleet_answer(wanted: &WantedFleet, page: FleetPage, signer: &Signer) -> FleetAnswer {
    let FleetPage { run, rule_set, previous_date, rows, histories, next } = page;
    let history = wanted.history_days.map(|_| &histories);
    FleetAnswer {
        key: FleetKey::of(wanted.kind, &rule_set, &run),
        previous_date,
        history_dates: history.map(|histories| histories.dates.clone()),
        items: rows.into_iter().map(|row| fleet_card(wanted.kind, &rule_set, row, history)).collect(),
        next_cursor: next.as_ref().map(|next| signer.close(next)),
    }
}

fn fleet_card(kind: SubjectKind, rule_set: &RuleSet, row: FleetRow, history: Option<&Histories>) -> FleetCard {
    let places = |score| Places(score, rule_set.score_places);
    let change = row.change().map(places);
    let FleetRow { card, name, previous_tier_level, .. } = row;
    let (shop_id, creator_id) = subject_ids(&Subject { kind, id: Id::stored(&card.subject_id) });
    let tier = card.tier(rule_set);
    FleetCard {
        shop_id,
        creator_id,
        name,
        status: Term(card.status()),
        score: card.score().map(places),
        history: history.map(|all| all.of(&card.subject_id).into_iter().map(|score| score.map(places)).collect()),
        category_id: card.category_id,
        signed_orders: card.signed_orders,
        tier_level: card.tier_level,
        change,
        previous_tier_level,
        gap: tier.as_ref().and_then(|tier| tier.next_up).map(|(_, gap)| places(gap)),
        margin: tier.as_ref().and_then(|tier| tier.next_down).map(|(_, margin)| places(margin)),
    }
}

/// The runs, the sort key and the id, which has no comma.
impl CursorKey for FleetCursor {
    fn write(&self) -> String {
        let FleetPlace { key, id } = &self.place;
        format!("{},{},{key},{id}", self.run_id, self.previous_run_id)
    }

    fn read(text: &str) -> Option<FleetCursor> {
        let parts: Vec<&str> = text.split(',').collect();
        let [run_id, previous_run_id, key, id] = parts[..] else { return None };
        let place = FleetPlace { key: key.parse().ok()?, id: Id::parse(id).ok()? };
        Some(FleetCursor { run_id: run_id.parse().ok()?, previous_run_id: previous_run_id.parse().ok()?, place })
    }
}
