//! Many subjects at once: the fleet's short cards.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::page::close_cursor;
use super::params::Params;
use super::problem::Problem;
use super::reads::{begun_run, not_published, published_run, wanted_rule_set};
use super::state::AppState;
use super::wire::{Number, subject_ids};
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::Status;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::run::RunRow;
use crate::storage::score::{self, FleetFilter, FleetOrder, FleetRow};

/// Subjects that one query may name.
const IDS_MAX: usize = 1_000;

/// Short cards of many subjects, all of one revision.
#[derive(Serialize, ToSchema)]
pub struct FleetAnswer {
    pub kind: String,
    pub rule_set: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub items: Vec<FleetCard>,
    #[schema(required)]
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct FleetCard {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    #[schema(required)]
    pub category_id: Option<String>,
    pub status: String,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    #[schema(required)]
    pub tier_level: Option<i16>,
}

/// Reads the kind that a query is about.
pub(super) fn kind(params: &mut Params) -> SubjectKind {
    params.kind("kind").unwrap_or(SubjectKind::Shop)
}

/// Many subjects' short cards, for dashboards. Pages go on in the revision that they began with.
#[utoipa::path(
    get,
    path = "/v1/scores",
    tag = "scores",
    params(
        ("kind" = Option<String>, Query, description = "`shops` (default) or `creators`."),
        super::docs::ScoreQuery,
        ("category_id" = Option<String>, Query),
        ("tier_level" = Option<i16>, Query, description = "Only those of this level.", minimum = 0),
        ("below" = Option<f64>, Query, description = "Only scores below this."),
        ("status" = Option<String>, Query, description = "`scored` or `insufficient_volume`."),
        ("ids" = Option<String>, Query, description = "Only these, separated by commas; at most 1000."),
        ("sort" = Option<String>, Query, description = "`id` (default), `score` (lowest first) or `-score`; without a score last."),
        super::docs::PageQuery,
    ),
    responses((status = 200, description = "A page.", body = FleetAnswer), ReadProblems)
)]
pub async fn list_scores(
    State(state): State<AppState>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let kind = kind(&mut params);
    let (date, revision) = (params.date("date"), params.revision());
    let rule_set = wanted_rule_set(&state, kind, &mut params);
    let cursor = params.cursor(Cursor::read);
    let limit = params.limit();
    let filter = FleetFilter {
        category_id: params.id("category_id"),
        tier_level: params.number("tier_level", 0, 100).map(|level| level as i16),
        below: params.decimal("below"),
        scored: params.word("status").map(|status: Status| status == Status::Scored),
        ids: seen_ids(&caller, kind, params.ids("ids", IDS_MAX)),
        order: params.word("sort").unwrap_or(FleetOrder::Id),
        after: None,
        limit: limit + 1,
    };
    if cursor.as_ref().is_some_and(|cursor| cursor.order != filter.order) {
        params.refuse("cursor", "cursor goes with the sort of the page before");
    }
    params.finish()?;
    let page = || page(&state, kind, (date, revision), &rule_set, filter, cursor);
    // What a caller that is bound to shops sees is nobody else's.
    match caller.shops() {
        Some(_) => Ok(asked.answer_once(&page().await?)),
        None => asked.answer(&state, page).await,
    }
}

/// The ids that are both asked for and the caller's to see; `None` for all.
fn seen_ids(caller: &Caller, kind: SubjectKind, asked: Option<Vec<Id>>) -> Option<Vec<Id>> {
    let Some(bound) = caller.shops() else { return asked };
    match (kind, asked) {
        (SubjectKind::Creator, _) => Some(Vec::new()),
        (SubjectKind::Shop, None) => Some(bound.iter().cloned().collect()),
        (SubjectKind::Shop, Some(ids)) => Some(ids.into_iter().filter(|id| bound.contains(id)).collect()),
    }
}

/// Where a page begins: in which run, sorted how, and behind whom.
struct Cursor {
    order: FleetOrder,
    run_id: i64,
    score_hundredths: Option<i32>,
    id: Id,
}

impl Cursor {
    fn write(order: FleetOrder, run_id: i64, row: &FleetRow) -> String {
        let hundredths = row.score_hundredths.map(|hundredths| hundredths.to_string()).unwrap_or_default();
        close_cursor(&format!("{order},{run_id},{hundredths},{}", row.subject_id))
    }

    fn read(text: &str) -> Option<Cursor> {
        let parts: Vec<&str> = text.split(',').collect();
        let [order, run_id, hundredths, id] = parts[..] else { return None };
        let score_hundredths = if hundredths.is_empty() { None } else { Some(hundredths.parse().ok()?) };
        Some(Cursor {
            order: FleetOrder::parse(order)?,
            run_id: run_id.parse().ok()?,
            score_hundredths,
            id: Id::parse(id).ok()?,
        })
    }
}

async fn page(
    state: &AppState,
    kind: SubjectKind,
    (date, revision): (Option<NaiveDate>, Option<i32>),
    rule_set: &str,
    mut filter: FleetFilter,
    cursor: Option<Cursor>,
) -> Result<Answer, Problem> {
    let mut connection = state.context.store.read.acquire().await?;
    let row = match &cursor {
        None => published_run(&mut connection, state, date, revision).await?,
        Some(cursor) => begun_run(&mut connection, cursor.run_id, date, revision).await?,
    };
    filter.after = cursor.map(|cursor| (cursor.score_hundredths, cursor.id));
    let version = version_of(state, &mut connection, &row, rule_set).await?.0;
    let limit = filter.limit as usize - 1;
    let mut rows = score::fleet(&mut connection, row.run_id, version, &filter).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|last| Cursor::write(filter.order, row.run_id, last));
    let modified = row.published_at.unwrap_or_default();
    let answer = FleetAnswer {
        kind: kind.as_str().to_owned(),
        rule_set: rule_set.to_owned(),
        date: row.date,
        revision: row.revision.unwrap_or_default(),
        run_id: row.run_id.to_string(),
        published_at: modified,
        items: rows.into_iter().map(|row| fleet_card(kind, row)).collect(),
        next_cursor,
    };
    Answer::of(&answer, modified)
}

/// The version of a rule set that a run used.
pub(super) async fn version_of(
    state: &AppState,
    connection: &mut sqlx::PgConnection,
    row: &RunRow,
    rule_set: &str,
) -> Result<(i16, std::sync::Arc<RuleSet>), Problem> {
    let of_run = state.context.archive.of_run(connection, row).await?;
    let used = of_run.into_iter().find(|(_, set)| set.id == rule_set);
    used.ok_or_else(|| not_published("this rule set was not in force when this run was computed"))
}

fn fleet_card(kind: SubjectKind, row: FleetRow) -> FleetCard {
    let (shop_id, creator_id) = subject_ids(&Subject { kind, id: Id::stored(&row.subject_id) });
    let status = if row.score_hundredths.is_some() { Status::Scored } else { Status::InsufficientVolume };
    FleetCard {
        shop_id,
        creator_id,
        category_id: row.category_id,
        status: status.as_str().to_owned(),
        signed_orders: row.signed_orders,
        score: row.score_hundredths.map(|hundredths| Number(score::of_hundredths(hundredths))),
        tier_level: row.tier_level,
    }
}
