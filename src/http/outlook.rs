//! What is coming: the score as if it were published now, and the days after it.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Caller;
use super::docs::ReadProblems;
use super::params::{self, Params};
use super::problem::Problem;
use super::reads::{known, published_run, wanted_rule_set};
use super::state::AppState;
use super::wire::{Number, ScoreKey, WireDimension, WireMetric, WireTier, wire_dimensions, wire_metrics, wire_tier};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::id::Id;
use crate::domain::metric::MetricCount;
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::score::Card;
use crate::domain::subject::Subject;
use crate::scoring::outlook::Outlook;
use crate::storage::run::RunRow;
use crate::storage::snapshot;

/// Days of a forecast when the client does not say, and at most.
const FORECAST_DAYS_DEFAULT: u64 = 14;
const FORECAST_DAYS_MAX: u64 = 120;

/// The score as if the next unpublished date were published now.
#[derive(Serialize, ToSchema)]
pub struct ProjectedAnswer {
    /// The newest published score, whose peers are taken.
    #[serde(flatten)]
    pub key: ScoreKey,
    /// The date that is projected.
    pub projected_date: NaiveDate,
    /// The moment whose counts are taken.
    pub as_of: DateTime<Utc>,
    pub status: String,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    pub dimensions: Vec<WireDimension>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<WireMetric>,
}

/// The coming days if nothing new happens and the peers stand still.
#[derive(Serialize, ToSchema)]
pub struct ForecastAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub as_of: DateTime<Utc>,
    pub days: Vec<ForecastDay>,
}

#[derive(Serialize, ToSchema)]
pub struct ForecastDay {
    pub date: NaiveDate,
    pub status: String,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<ForecastMetric>,
}

/// A metric on a coming day, and what its window gains and loses against the day before.
#[derive(Serialize, ToSchema)]
pub struct ForecastMetric {
    pub id: String,
    pub numerator: i64,
    pub denominator: i64,
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub points: Option<Number<4>>,
    pub entering: DayCounts,
    pub leaving: DayCounts,
}

/// The counts of one business day. Of the product base score, whichever products qualify.
#[derive(Serialize, ToSchema)]
pub struct DayCounts {
    pub day: NaiveDate,
    pub numerator: i64,
    pub denominator: i64,
}

fn day_counts(day: NaiveDate, rule: &MetricRule, count: MetricCount) -> DayCounts {
    DayCounts { day, numerator: count.numerator, denominator: count.denominator(rule.metric) }
}

/// What a projection goes from: the newest published run, and the subject as it is registered now.
struct Base<'a> {
    subject: Subject,
    rule_set: &'a RuleSet,
    newest: RunRow,
    category_id: Option<Id>,
}

impl Base<'_> {
    fn key(&self) -> ScoreKey {
        ScoreKey::of(&self.subject, self.rule_set, &self.newest, self.category_id.as_ref())
    }
}

async fn base<'a>(
    connection: &mut PgConnection,
    state: &'a AppState,
    subject: Subject,
    rule_set: &str,
) -> Result<Base<'a>, Problem> {
    // First of all: the mark of the publication is read before the snapshot is taken.
    let newest = published_run(connection, state, None, None).await;
    let row = known(connection, &subject).await?;
    let newest = newest?;
    let rule_set =
        state.context.rules.get(rule_set).ok_or_else(|| Problem::of_status(axum::http::StatusCode::NOT_FOUND))?;
    Ok(Base { subject, rule_set, newest, category_id: row.category_id.as_deref().map(Id::stored) })
}

async fn outlook<'a>(
    connection: &mut PgConnection,
    state: &'a AppState,
    base: &Base<'a>,
    last: NaiveDate,
) -> Result<Outlook<'a>, Problem> {
    let rules = (base.rule_set, base.category_id.clone());
    Ok(Outlook::read(connection, &state.context.archive, &base.newest, &base.subject, rules, last).await?)
}

/// The score as if the next unpublished date were published now: the counts of this moment, the newest run's peers.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/projected",
    tag = "scores",
    params(super::docs::SubjectPath, ("rule_set" = Option<String>, Query, description = "Default: the kind's default.")),
    responses((status = 200, description = "The projection.", body = ProjectedAnswer), ReadProblems)
)]
pub async fn get_projected(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let subject = params::subject(&kind, &id)?;
    caller.see(&subject)?;
    let rule_set = wanted_rule_set(&state, subject.kind, &mut params);
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let mut reading = snapshot::begin(&mut connection).await?;
    let base = base(&mut reading, &state, subject, &rule_set).await?;
    let date = base.newest.date + Days::new(1);
    let outlook = outlook(&mut reading, &state, &base, date).await?;
    reading.rollback().await?;
    let card = outlook.card_on(date);
    let as_of = state.context.now();
    let answer = ProjectedAnswer {
        key: base.key(),
        projected_date: date,
        as_of,
        status: card.status().as_str().to_owned(),
        signed_orders: card.signed_orders,
        score: card.score.map(Number),
        dimensions: wire_dimensions(base.rule_set, &card),
        tier: wire_tier(base.rule_set, card.score),
        metrics: wire_metrics(base.rule_set, &card, date),
    };
    Ok(asked.answer_once(&Answer::of(&answer, as_of)?))
}

/// The coming days if nothing new happens: which counts enter and leave which window, and what the score comes to.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/forecast",
    tag = "scores",
    params(
        super::docs::SubjectPath,
        ("rule_set" = Option<String>, Query, description = "Default: the kind's default."),
        ("days" = Option<u64>, Query, description = "1-120, default 14.", minimum = 1, maximum = 120),
    ),
    responses((status = 200, description = "The forecast, day by day.", body = ForecastAnswer), ReadProblems)
)]
pub async fn get_forecast(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let subject = params::subject(&kind, &id)?;
    caller.see(&subject)?;
    let rule_set = wanted_rule_set(&state, subject.kind, &mut params);
    let days = params.number("days", 1, FORECAST_DAYS_MAX).unwrap_or(FORECAST_DAYS_DEFAULT);
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let mut reading = snapshot::begin(&mut connection).await?;
    let base = base(&mut reading, &state, subject, &rule_set).await?;
    let outlook = outlook(&mut reading, &state, &base, base.newest.date + Days::new(days)).await?;
    reading.rollback().await?;
    let as_of = state.context.now();
    let dates = (1..=days).map(|ahead| base.newest.date + Days::new(ahead));
    let answer = ForecastAnswer {
        key: base.key(),
        as_of,
        days: dates.map(|date| forecast_day(&outlook, date, &outlook.card_on(date))).collect(),
    };
    Ok(asked.answer_once(&Answer::of(&answer, as_of)?))
}

fn forecast_day(outlook: &Outlook<'_>, date: NaiveDate, card: &Card) -> ForecastDay {
    let metrics = outlook.rule_set.metrics.iter().zip(&card.metrics).map(|(rule, metric)| {
        let span = rule.window.window.days(date);
        let left = span.from - Days::new(1);
        let of_day = |day| day_counts(day, rule, outlook.live.of_day(outlook.rule_set, rule, day));
        ForecastMetric {
            id: rule.metric.id().to_owned(),
            numerator: metric.count.numerator,
            denominator: metric.count.denominator(rule.metric),
            value: metric.count.value(rule.metric).map(|value| Number(value.rounded(PLACES_MAX))),
            points: metric.assessed.map(|assessed| Number(assessed.points)),
            entering: of_day(span.to),
            leaving: of_day(left),
        }
    });
    ForecastDay {
        date,
        status: card.status().as_str().to_owned(),
        signed_orders: card.signed_orders,
        score: card.score.map(Number),
        tier: wire_tier(outlook.rule_set, card.score),
        metrics: metrics.collect(),
    }
}
