//! What is coming: the score as if it were published now, and the days after it.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Number, Places, ScoreKey, WireDimension, WireMetric, wire_dimensions, wire_metrics, wire_score};
use super::wire_tier::{WireAdjustmentCount, WireTier, WireVolume, wire_adjustments, wire_tier, wire_volume};
use crate::answers::outlook::{Base, ComingDay, WindowMove};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::metric::MetricCount;
use crate::domain::rules::{MetricRule, RuleSet};
use crate::domain::score::MetricCard;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::param_types::{self, RuleSetId};
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::ReadProblems;
use crate::http::state::AppState;
use crate::http::subject_params::SeenSubject;
use crate::http::terms::{StatusTerm, Term};

/// Days of a forecast when the client does not say, and at most.
const FORECAST_DAYS_DEFAULT: u64 = 14;
const FORECAST_DAYS_MAX: u64 = 120;

parameters! {
    /// Whose score is projected, under which rules.
    pub(crate) struct ProjectedQuery {
        subject: SeenSubject,
        rule_set: RuleSetId,
    }
}

parameters! {
    /// How far a forecast goes.
    pub(crate) struct ForecastQuery {
        subject: SeenSubject,
        rule_set: RuleSetId,
        /// Days to forecast: 1-120, default 14.
        days: param_types::Number<1, FORECAST_DAYS_MAX>,
    }
}

/// The score if the next unpublished date were published now.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectedAnswer {
    /// The newest published score, whose peers are used.
    #[serde(flatten)]
    pub key: ScoreKey,
    /// The date that is projected.
    pub projected_date: NaiveDate,
    /// When the counts were read.
    pub as_of: DateTime<Utc>,
    pub status: StatusTerm,
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: WireVolume,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    pub dimensions: Vec<WireDimension>,
    /// What the platform added or took off on that date, by code.
    pub adjustments: Vec<WireAdjustmentCount>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<WireMetric>,
}

/// The coming days if nothing new happens and the peers stay as they are.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForecastAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub as_of: DateTime<Utc>,
    pub days: Vec<ForecastDay>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ForecastDay {
    pub date: NaiveDate,
    pub status: StatusTerm,
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: WireVolume,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    /// What the platform added or took off on that date, by code.
    pub adjustments: Vec<WireAdjustmentCount>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<ForecastMetric>,
}

/// A metric on a coming day, and what its window gains and loses against the day before.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForecastMetric {
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
pub(crate) struct DayCounts {
    pub day: NaiveDate,
    pub numerator: i64,
    pub denominator: i64,
}

/// What was published last, and whether the rule set is in force on the first coming date.
fn key(base: &Base<'_>, first: NaiveDate) -> ScoreKey {
    let key = ScoreKey::of(&base.subject, base.rule_set, &base.newest, base.category_id.as_ref());
    ScoreKey { in_force: base.rule_set.effective.has(first), ..key }
}

/// The score if the next unpublished date were published now: current counts among the newest run's peers.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/projected",
    tag = "scores",
    params(ProjectedQuery),
    responses((status = 200, description = "The projection.", body = ProjectedAnswer), ReadProblems)
)]
pub(crate) async fn get_projected(
    State(state): State<AppState>,
    asked: Asked,
    Input(ProjectedQuery { subject, rule_set }): Input<ProjectedQuery>,
) -> Result<Response, Problem> {
    let projection = state.source.projection(subject.0, rule_set.0.as_deref()).await?;
    let (base, as_of) = (&projection.base, projection.as_of);
    let ComingDay { date, card, .. } = &projection.day;
    let answer = ProjectedAnswer {
        key: key(base, *date),
        projected_date: *date,
        as_of,
        status: Term(card.status),
        signed_orders: card.signed_orders,
        volume: wire_volume(base.rule_set, card),
        score: wire_score(base.rule_set, card.score),
        dimensions: wire_dimensions(base.rule_set, card),
        adjustments: wire_adjustments(base.rule_set, card),
        tier: wire_tier(base.rule_set, card),
        metrics: wire_metrics(base.rule_set, card, *date),
    };
    Ok(asked.answer_once(&Answer::of(&answer, as_of)?))
}

/// The coming days if nothing new happens: the counts that enter and leave each window, and the resulting score.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/forecast",
    tag = "scores",
    params(ForecastQuery),
    responses((status = 200, description = "The forecast, day by day.", body = ForecastAnswer), ReadProblems)
)]
pub(crate) async fn get_forecast(
    State(state): State<AppState>,
    asked: Asked,
    Input(ForecastQuery { subject, rule_set, days }): Input<ForecastQuery>,
) -> Result<Response, Problem> {
    let forecast =
        state.source.forecast(subject.0, rule_set.0.as_deref(), days.0.unwrap_or(FORECAST_DAYS_DEFAULT)).await?;
    let answer = ForecastAnswer {
        key: key(&forecast.base, forecast.base.newest.date + Days::new(1)),
        as_of: forecast.as_of,
        days: forecast.days.iter().map(|day| forecast_day(forecast.base.rule_set, day)).collect(),
    };
    Ok(asked.answer_once(&Answer::of(&answer, forecast.as_of)?))
}

fn forecast_day(rule_set: &RuleSet, day: &ComingDay) -> ForecastDay {
    let metrics = rule_set.metrics.iter().zip(&day.card.metrics).zip(&day.moves);
    ForecastDay {
        date: day.date,
        status: Term(day.card.status),
        signed_orders: day.card.signed_orders,
        volume: wire_volume(rule_set, &day.card),
        score: wire_score(rule_set, day.card.score),
        adjustments: wire_adjustments(rule_set, &day.card),
        tier: wire_tier(rule_set, &day.card),
        metrics: metrics.map(|((rule, metric), moves)| forecast_metric(rule, metric, moves)).collect(),
    }
}

fn forecast_metric(rule: &MetricRule, card: &MetricCard, moves: &WindowMove) -> ForecastMetric {
    let day_counts = |(day, count): (NaiveDate, MetricCount)| DayCounts {
        day,
        numerator: count.numerator,
        denominator: count.denominator(rule.metric),
    };
    ForecastMetric {
        id: rule.metric.id().to_owned(),
        numerator: card.count.numerator,
        denominator: card.count.denominator(rule.metric),
        value: card.count.value(rule.metric).map(|value| Number(value.rounded(PLACES_MAX))),
        points: card.assessed.map(|assessed| Number(assessed.points)),
        entering: day_counts(moves.entering),
        leaving: day_counts(moves.leaving),
    }
}
