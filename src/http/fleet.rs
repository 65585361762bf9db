//! Many subjects at once: the fleet's short cards, and what a category's members stand among.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::answer::{Answer, Asked};
use super::auth::Caller;
use super::docs::ReadProblems;
use super::page::close_cursor;
use super::params::Params;
use super::problem::Problem;
use super::reads::{not_published, published_run, wanted_rule_set};
use super::wire::{Number, Places, subject_ids};
use crate::domain::curve::Ratio;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::domain::score::{SCORE_PLACES, Status};
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::run::RunRow;
use crate::storage::score::{self, FleetFilter, FleetOrder, FleetRow};
use crate::storage::{peer_group, run};

/// Subjects that one query may name.
const IDS_MAX: usize = 1_000;
/// The quantiles of benchmarks, in hundredths.
const QUANTILES: [usize; 5] = [10, 25, 50, 75, 90];

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
fn kind(params: &mut Params) -> SubjectKind {
    match params.word("kind", &["shops", "creators", "shop", "creator"]).as_deref() {
        Some("creators" | "creator") => SubjectKind::Creator,
        _ => SubjectKind::Shop,
    }
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
        scored: params.word("status", &["scored", "insufficient_volume"]).map(|word| word == "scored"),
        ids: seen_ids(&caller, kind, params.ids("ids", IDS_MAX)),
        order: params.word("sort", &ORDERS.map(|(_, word)| word)).map_or(FleetOrder::Id, |word| order_of(&word)),
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

/// The ways to sort a fleet with their words.
const ORDERS: [(FleetOrder, &str); 3] =
    [(FleetOrder::Id, "id"), (FleetOrder::Score, "score"), (FleetOrder::ScoreDescending, "-score")];

fn order_of(word: &str) -> FleetOrder {
    ORDERS.into_iter().find(|(_, other)| *other == word).map_or(FleetOrder::Id, |(order, _)| order)
}

fn order_word(order: FleetOrder) -> &'static str {
    ORDERS.into_iter().find(|(other, _)| *other == order).map_or("id", |(_, word)| word)
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
        let order = order_word(order);
        let hundredths = row.score_hundredths.map(|hundredths| hundredths.to_string()).unwrap_or_default();
        close_cursor(&format!("{order},{run_id},{hundredths},{}", row.subject_id))
    }

    fn read(text: &str) -> Option<Cursor> {
        let parts: Vec<&str> = text.split(',').collect();
        let [order, run_id, hundredths, id] = parts[..] else { return None };
        let (order, _) = ORDERS.into_iter().find(|(_, word)| *word == order)?;
        let score_hundredths = if hundredths.is_empty() { None } else { Some(hundredths.parse().ok()?) };
        Some(Cursor { order, run_id: run_id.parse().ok()?, score_hundredths, id: Id::parse(id).ok()? })
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
    let mut connection = state.run.store.read.acquire().await?;
    let row = match &cursor {
        None => published_run(&mut connection, state, date, revision).await?,
        Some(cursor) => {
            let row = run::get(&mut connection, cursor.run_id).await?.filter(|row| row.published_at.is_some());
            let row = row.ok_or_else(|| not_published("the cursor's run is gone; begin with the first page"))?;
            let other = date.is_some_and(|date| date != row.date)
                || revision.is_some_and(|revision| row.revision != Some(revision));
            if other {
                let detail = "cursor goes with the date and revision of the page before";
                return Err(Problem::parameter("cursor", "invalid_value", detail));
            }
            row
        }
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
async fn version_of(
    state: &AppState,
    connection: &mut sqlx::PgConnection,
    row: &RunRow,
    rule_set: &str,
) -> Result<(i16, std::sync::Arc<RuleSet>), Problem> {
    let of_run = state.archive.of_run(connection, row).await?;
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

/// What the members of a category have, metric by metric.
#[derive(Serialize, ToSchema)]
pub struct BenchmarksAnswer {
    pub category_id: String,
    pub kind: String,
    pub rule_set: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    pub score: Quantiles,
    pub metrics: Vec<MetricBenchmark>,
}

#[derive(Serialize, ToSchema)]
pub struct MetricBenchmark {
    pub id: String,
    pub unit: String,
    pub better: String,
    #[serde(flatten)]
    pub value: Quantiles,
}

/// Quantiles from the lowest value up: the smallest value that so many hundredths of the members do not exceed. Null
/// without members, and for keys that are bound to shops where the members are fewer than make a peer group.
#[derive(Serialize, ToSchema)]
pub struct Quantiles {
    /// Assessed members.
    pub members: usize,
    #[schema(required, value_type = Option<f64>)]
    pub p10: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p25: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p50: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p75: Option<Places>,
    #[schema(required, value_type = Option<f64>)]
    pub p90: Option<Places>,
}

impl Quantiles {
    /// Of values from the lowest up, shown with so many decimals, or not at all.
    fn of(rising: &[Decimal], places: u32, hidden: bool) -> Quantiles {
        let at = |hundredths: usize| {
            let rank = (rising.len() * hundredths).div_ceil(100).max(1);
            rising.get(rank - 1).filter(|_| !hidden).map(|value| Places(*value, places))
        };
        let [p10, p25, p50, p75, p90] = QUANTILES.map(at);
        Quantiles { members: rising.len(), p10, p25, p50, p75, p90 }
    }
}

/// What the members of a category have, so that a subject sees where it stands.
#[utoipa::path(
    get,
    path = "/v1/categories/{category_id}/benchmarks",
    tag = "scores",
    params(
        ("category_id" = String, Path),
        ("kind" = Option<String>, Query, description = "`shops` (default) or `creators`."),
        super::docs::ScoreQuery,
    ),
    responses((status = 200, description = "Quantiles per metric, and of the score.", body = BenchmarksAnswer), ReadProblems)
)]
pub async fn get_benchmarks(
    State(state): State<AppState>,
    Path(category_id): Path<String>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let kind = kind(&mut params);
    let (date, revision) = (params.date("date"), params.revision());
    let rule_set = wanted_rule_set(&state, kind, &mut params);
    params.finish()?;
    let category_id = Id::parse(&category_id)
        .map_err(|invalid| Problem::parameter("category_id", "invalid_id", invalid.to_string()))?;
    let hides_few = caller.shops().is_some();
    let answer = || benchmarks(&state, kind, (date, revision), &rule_set, category_id, hides_few);
    match hides_few {
        true => Ok(asked.answer_once(&answer().await?)),
        false => asked.answer(&state, answer).await,
    }
}

async fn benchmarks(
    state: &AppState,
    kind: SubjectKind,
    (date, revision): (Option<NaiveDate>, Option<i32>),
    rule_set: &str,
    category_id: Id,
    hides_few: bool,
) -> Result<Answer, Problem> {
    let mut connection = state.run.store.read.acquire().await?;
    let row = published_run(&mut connection, state, date, revision).await?;
    let (version, used) = version_of(state, &mut connection, &row, rule_set).await?;
    let scores = score::of_category(&mut connection, row.run_id, version, &category_id).await?;
    let groups = peer_group::of_category(&mut connection, row.run_id, version, category_id.as_str()).await?;
    // Of few members a quantile tells what one of them has; that is not for the others to see.
    let few = |members: usize| hides_few && (members as i64) < used.minimums.peers;
    let metrics = used.metrics.iter().enumerate().map(|(index, rule)| {
        let group = groups.iter().find(|(metric, _)| *metric == index).map(|(_, group)| group.values());
        let mut values: Vec<Ratio> = group.unwrap_or_default().to_vec();
        values.sort_unstable_by(|left, right| left.compare(*right));
        let rising: Vec<Decimal> = values.iter().map(|value| value.rounded(PLACES_MAX)).collect();
        let definition = rule.metric.definition();
        MetricBenchmark {
            id: definition.id.to_owned(),
            unit: definition.unit.as_str().to_owned(),
            better: definition.better.as_str().to_owned(),
            value: Quantiles::of(&rising, PLACES_MAX, few(rising.len())),
        }
    });
    let modified = row.published_at.unwrap_or_default();
    let answer = BenchmarksAnswer {
        category_id: category_id.to_string(),
        kind: kind.as_str().to_owned(),
        rule_set: rule_set.to_owned(),
        date: row.date,
        revision: row.revision.unwrap_or_default(),
        run_id: row.run_id.to_string(),
        published_at: modified,
        score: Quantiles::of(&scores, SCORE_PLACES, few(scores.len())),
        metrics: metrics.collect(),
    };
    Answer::of(&answer, modified)
}
