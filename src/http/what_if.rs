//! What a score would be with other counts, and what it takes to reach a target.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::auth::Caller;
use super::media;
use super::params::Params;
use super::problem::{FieldError, Kind, Problem, ProblemBody};
use super::reads::{Found, Wanted, find_with};
use super::state::AppState;
use super::wire::{Number, ScoreKey, WireDimension, WireMetric, WireTier, wire_dimensions, wire_metrics, wire_tier};
use crate::domain::decimal::Decimal;
use crate::domain::live;
use crate::domain::measure::Measure;
use crate::domain::metric::{Metric, MetricCount};
use crate::domain::rules::RuleSet;
use crate::domain::score::Card;
use crate::domain::what_if::{Assumption, FURTHER_ORDERS_MAX, Published};
use crate::domain::window::DaySpan;
use crate::scoring::outlook::live_counts;
use crate::storage::{peer_group, snapshot};

/// Counts beyond this are nobody's.
const COUNT_MAX: i64 = 1_000_000_000_000;
/// Days before the date whose signed orders are the subject's recent volume.
const RECENT_DAYS: i64 = 30;

/// Other counts to think through, all at once, and a score to reach with them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatIfBody {
    pub add: Option<AddBody>,
    /// By metric: counts that take the place of the published ones.
    #[serde(default)]
    pub set: BTreeMap<String, CountBody>,
    /// The score to reach by further signed orders without faults, at most two decimals.
    #[schema(value_type = Option<f64>)]
    pub target_score: Option<serde_json::Number>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    /// Further signed orders without faults, signed in the near window and paid in the last days before the date.
    #[schema(minimum = 0)]
    pub signed_orders: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountBody {
    #[schema(minimum = 0)]
    pub numerator: i64,
    #[schema(minimum = 0)]
    pub denominator: i64,
}

/// The score under an assumption, everybody else standing still.
#[derive(Serialize, ToSchema)]
pub struct WhatIfAnswer {
    /// The published score that the assumption goes from.
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: String,
    pub signed_orders: i64,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    pub dimensions: Vec<WireDimension>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<WireMetric>,
    /// The score that is published.
    #[schema(required, value_type = Option<f64>)]
    pub published_score: Option<Number<2>>,
    /// Null where no target was named.
    #[schema(required)]
    pub target: Option<TargetAnswer>,
}

/// What it takes to reach a target. The score above is the one with these orders, where any number of them does.
#[derive(Serialize, ToSchema)]
pub struct TargetAnswer {
    #[schema(value_type = f64)]
    pub score: Number<2>,
    pub reachable: bool,
    /// The least number of further signed orders without faults; null if none does.
    #[schema(required)]
    pub signed_orders: Option<i64>,
    /// Signed orders a day, over the 30 days before the date.
    #[schema(value_type = f64)]
    pub recent_orders_a_day: Number<2>,
    /// The first date by which the recent volume brings as many; null if none does, or if there is no recent volume.
    #[schema(required)]
    pub earliest_date: Option<NaiveDate>,
}

/// Thinks other counts through: the score and tier that they would make, everybody else standing still.
#[utoipa::path(
    post,
    path = "/v1/{kind}/{id}/score/what-if",
    tag = "scores",
    params(super::docs::SubjectPath, super::docs::ScoreQuery),
    request_body = WhatIfBody,
    responses(
        (status = 200, description = "The score under the assumption.", body = WhatIfAnswer),
        (status = 400, description = "A parameter is wrong or unknown.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`subject-not-found` or `score-not-published`.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The body is not valid.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn post_what_if(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    mut params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<WhatIfAnswer>, Problem> {
    let wanted = Wanted::read(&state, &caller, (&kind, &id), &mut params)?;
    params.finish()?;
    let body: WhatIfBody = media::json(&headers, body).await?;
    let mut connection = state.context.store.read.acquire().await?;
    let mut reading = snapshot::begin(&mut connection).await?;
    let found = find_with(&mut reading, &state, &wanted).await?;
    let (assumption, target) = check(&body, &found.rule_set)?;
    let category_id = found.card.category_id.as_ref();
    let run_id = found.row.run_id;
    let peers = peer_group::around(&mut reading, run_id, found.version, &found.rule_set, category_id).await?;
    let published = Published { rule_set: &found.rule_set, card: &found.card, peers: &peers };
    let (card, target) = match target {
        None => (published.assuming(&assumption), None),
        Some(target) => {
            let reached = published.least_orders(&assumption, target);
            let orders = reached.as_ref().map(|(orders, _)| *orders);
            let target = target_answer(&mut reading, &found, target, orders).await?;
            (reached.map_or_else(|| published.assuming(&assumption), |(_, card)| card), Some(target))
        }
    };
    reading.rollback().await?;
    Ok(Json(answer(&found, &card, target)))
}

fn answer(found: &Found, card: &Card, target: Option<TargetAnswer>) -> WhatIfAnswer {
    WhatIfAnswer {
        key: found.key(),
        status: card.status().as_str().to_owned(),
        signed_orders: card.signed_orders,
        score: card.score.map(Number),
        dimensions: wire_dimensions(&found.rule_set, card),
        tier: wire_tier(&found.rule_set, card.score),
        metrics: wire_metrics(&found.rule_set, card, found.row.date),
        published_score: found.card.score.map(Number),
        target,
    }
}

fn check(body: &WhatIfBody, rule_set: &RuleSet) -> Result<(Assumption, Option<Decimal>), Problem> {
    let mut faults = Vec::new();
    let mut assumption = Assumption::default();
    if body.add.is_none() && body.set.is_empty() && body.target_score.is_none() {
        faults.push(FieldError::new("", "missing_field", "name at least one of add, set and target_score"));
    }
    if let Some(add) = &body.add {
        assumption.further_signed_orders = add.signed_orders;
        if !(0..=FURTHER_ORDERS_MAX).contains(&add.signed_orders) {
            let detail = "signed_orders is a whole number from 0 to 1000000000";
            faults.push(FieldError::new("/add/signed_orders", "invalid_value", detail));
        }
    }
    for (id, count) in &body.set {
        let pointer = format!("/set/{id}");
        match Metric::parse(id).filter(|metric| rule_set.place(*metric).is_some()) {
            Some(metric) => match counts(metric, count) {
                Ok(count) => assumption.set.push((metric, count)),
                Err(detail) => faults.push(FieldError::new(pointer, "invalid_value", detail)),
            },
            None => {
                let detail = format!("{} has no such metric; see GET /v1/rule-sets/{}", rule_set.id, rule_set.id);
                faults.push(FieldError::new(pointer, "unknown_metric", detail));
            }
        }
    }
    let target = body.target_score.as_ref().and_then(|number| target(number, rule_set, &mut faults));
    match faults.is_empty() {
        true => Ok((assumption, target)),
        false => {
            let details: Vec<&str> = faults.iter().map(|fault| fault.detail.as_str()).collect();
            Err(Problem::new(Kind::InvalidBody, details.join("; ")).with_errors(faults))
        }
    }
}

fn counts(metric: Metric, count: &CountBody) -> Result<MetricCount, String> {
    let scale = metric.definition().denominator_scale;
    let sound = |number: i64| (0..=COUNT_MAX).contains(&number);
    if !sound(count.numerator) || !sound(count.denominator) {
        return Err("numerator and denominator are whole numbers from 0 to 1000000000000".to_owned());
    }
    if count.denominator % scale != 0 {
        return Err(format!("the denominator of {} is a multiple of {scale}", metric.id()));
    }
    Ok(MetricCount { numerator: count.numerator, volume: count.denominator / scale })
}

fn target(number: &serde_json::Number, rule_set: &RuleSet, faults: &mut Vec<FieldError>) -> Option<Decimal> {
    let (least, most) = rule_set.scale;
    let decimal: Option<Decimal> = number.to_string().parse().ok();
    let hundredths = |decimal: &Decimal| decimal.millionths() % 10_000 == 0;
    let target = decimal.filter(|target| (least..=most).contains(target)).filter(hundredths);
    if target.is_none() {
        let detail = format!("target_score is a number from {least} to {most} of at most two decimals");
        faults.push(FieldError::new("/target_score", "invalid_value", detail));
    }
    target
}

async fn target_answer(
    connection: &mut PgConnection,
    found: &Found,
    target: Decimal,
    orders: Option<i64>,
) -> Result<TargetAnswer, Problem> {
    let date = found.row.date;
    let yesterday = date - Days::new(1);
    let span = DaySpan { from: date - Days::new(RECENT_DAYS.unsigned_abs()), to: yesterday };
    let live = live_counts(connection, &found.subject, &found.rule_set, date, yesterday).await?;
    let recent = live::sum(&live.daily, span).get(Measure::SignedOrders);
    let days = orders.and_then(|orders| match (orders, recent) {
        (0, _) => Some(0),
        (_, ..=0) => None,
        // Rounded up: the last day must be over.
        (orders, recent) => {
            Some((orders * RECENT_DAYS).div_euclid(recent) + i64::from(orders * RECENT_DAYS % recent != 0))
        }
    });
    let earliest = days.and_then(|days| date.checked_add_days(Days::new(u64::try_from(days).ok()?)));
    Ok(TargetAnswer {
        score: Number(target),
        reachable: orders.is_some(),
        signed_orders: orders,
        recent_orders_a_day: Number(Decimal::rounded(recent.into(), RECENT_DAYS.into(), 2)),
        earliest_date: earliest,
    })
}
