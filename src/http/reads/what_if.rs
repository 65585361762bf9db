//! What a score would be with other counts, and what it takes to reach a target.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::score::CardQuery;
use super::wire::{Number, Places, ScoreKey, WireDimension, WireMetric, wire_dimensions, wire_metrics, wire_score};
use super::wire_tier::{WireAdjustmentCount, WireTier, WireVolume, wire_adjustments, wire_tier, wire_volume};
use crate::answers::what_if::{Target, WhatIf, WhatIfError};
use crate::domain::decimal::Decimal;
use crate::domain::fault::{Code, Fault, pointer_to};
use crate::domain::fields::STARS_MAX;
use crate::domain::metric::{Metric, MetricCount, Unit};
use crate::domain::rules::RuleSet;
use crate::domain::what_if::{Assumption, FURTHER_ORDERS_MAX};
use crate::http::auth::Caller;
use crate::http::json_body::{JsonBody, RequestBody, objects_by_name, optional_object};
use crate::http::params::Input;
use crate::http::problem::Problem;
use crate::http::problem_responses::WhatIfProblems;
use crate::http::state::AppState;
use crate::http::terms::{StatusTerm, Term};

/// No real count is larger.
const COUNT_MAX: i64 = 1_000_000_000_000;

/// Different counts to assume, all at once, and a target score to reach with them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatIfBody {
    #[serde(default, deserialize_with = "optional_object")]
    pub add: Option<AddBody>,
    /// By metric: counts that take the place of the published ones.
    #[serde(default, deserialize_with = "objects_by_name")]
    pub set: BTreeMap<String, CountBody>,
    /// The score to reach by additional signed orders without faults, at most two decimals.
    #[schema(value_type = Option<f64>)]
    pub target_score: Option<Box<RawValue>>,
}

impl RequestBody for WhatIfBody {}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddBody {
    /// Additional signed orders without faults, paid and signed on the newest day of the near window. A metric counts them
    /// where its own window has that day.
    #[schema(minimum = 0)]
    pub signed_orders: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountBody {
    #[schema(minimum = 0)]
    pub numerator: i64,
    #[schema(minimum = 0)]
    pub denominator: i64,
}

/// The score under an assumption, holding all other subjects constant.
#[derive(Serialize, ToSchema)]
pub(crate) struct WhatIfAnswer {
    /// The published score that the assumption starts from.
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: StatusTerm,
    pub signed_orders: i64,
    /// What is held against the rule set's minimum.
    pub volume: WireVolume,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    pub dimensions: Vec<WireDimension>,
    /// What the platform added or took off, by code.
    pub adjustments: Vec<WireAdjustmentCount>,
    #[schema(required)]
    pub tier: Option<WireTier>,
    pub metrics: Vec<WireMetric>,
    /// The published score.
    #[schema(required, value_type = Option<f64>)]
    pub published_score: Option<Places>,
    /// Null where no target was named.
    #[schema(required)]
    pub target: Option<TargetAnswer>,
}

/// What it takes to reach a target. If it can be reached, the score above is the one with these orders.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetAnswer {
    #[schema(value_type = f64)]
    pub score: Places,
    pub reachable: bool,
    /// The least number of additional signed orders without faults that reach the target; null if no number does.
    #[schema(required)]
    pub signed_orders: Option<i64>,
    /// Signed orders a day, over the 30 days before the date.
    #[schema(value_type = f64)]
    pub recent_orders_a_day: Number<2>,
    /// The first date on which the recent pace of orders brings that many; null if it never does, or if there is no
    /// recent volume.
    #[schema(required)]
    pub earliest_date: Option<NaiveDate>,
}

/// Simulates a score with different counts, holding all other subjects constant.
#[utoipa::path(
    post,
    path = "/v1/{kind}/{id}/score/what-if",
    tag = "scores",
    params(CardQuery),
    request_body = WhatIfBody,
    responses((status = 200, description = "The score under the assumption.", body = WhatIfAnswer), WhatIfProblems)
)]
pub(crate) async fn post_what_if(
    State(state): State<AppState>,
    caller: Caller,
    Input(query): Input<CardQuery>,
    JsonBody(body, _room): JsonBody<WhatIfBody>,
) -> Result<Json<WhatIfAnswer>, Problem> {
    let _turn = state.limits.begin_read()?;
    let is_bound = caller.is_bound();
    match state.source.what_if(&query.wanted(), is_bound, |rule_set| check(&body, rule_set)).await {
        Ok(what_if) => Ok(Json(answer(&what_if, is_bound))),
        Err(WhatIfError::Refused(faults)) => Err(Problem::invalid_body(faults)),
        Err(WhatIfError::Read(error)) => Err(error.into()),
    }
}

/// Bound keys do not learn how many peers are better.
fn answer(WhatIf { published, card, target }: &WhatIf, is_bound: bool) -> WhatIfAnswer {
    let mut metrics = wire_metrics(&published.scored.rule_set, card, published.run.date);
    if is_bound {
        metrics.iter_mut().for_each(|metric| (metric.peers, metric.better_peers) = (None, None));
    }
    let scored = &published.scored;
    let target_answer = |target: &Target| TargetAnswer {
        score: Places(target.score, scored.rule_set.score_places),
        reachable: target.signed_orders.is_some(),
        signed_orders: target.signed_orders,
        recent_orders_a_day: Number(target.recent_orders_a_day),
        earliest_date: target.earliest_date,
    };
    WhatIfAnswer {
        key: ScoreKey::from(published),
        status: Term(card.status),
        signed_orders: card.signed_orders,
        volume: wire_volume(&scored.rule_set, card),
        score: wire_score(&scored.rule_set, card.score),
        dimensions: wire_dimensions(&scored.rule_set, card),
        adjustments: wire_adjustments(&scored.rule_set, card),
        tier: wire_tier(&scored.rule_set, card),
        metrics,
        published_score: wire_score(&scored.rule_set, scored.card.score),
        target: target.as_ref().map(target_answer),
    }
}

fn check(body: &WhatIfBody, rule_set: &RuleSet) -> Result<(Assumption, Option<Decimal>), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut assumption = Assumption::default();
    if body.add.is_none() && body.set.is_empty() && body.target_score.is_none() {
        faults.push(Fault::new("", Code::MissingField, "name at least one of add, set and target_score"));
    }
    if let Some(add) = &body.add {
        assumption.further_signed_orders = add.signed_orders;
        if !(0..=FURTHER_ORDERS_MAX).contains(&add.signed_orders) {
            let detail = "signed_orders must be a whole number from 0 to 1000000000";
            faults.push(Fault::new("/add/signed_orders", Code::InvalidValue, detail));
        }
    }
    for (id, count) in &body.set {
        let pointer = pointer_to("/set", id);
        match Metric::parse(id).filter(|metric| rule_set.place(*metric).is_some()) {
            Some(metric) => match counts(metric, count) {
                Ok(count) => assumption.set.push((metric, count)),
                Err(detail) => faults.push(Fault::new(pointer, Code::InvalidValue, detail)),
            },
            None => {
                let detail = format!("{} has no such metric; see GET /v1/rule-sets/{}", rule_set.id, rule_set.id);
                faults.push(Fault::new(pointer, Code::UnknownMetric, detail));
            }
        }
    }
    let target = body.target_score.as_ref().and_then(|number| target(number, rule_set, &mut faults));
    if faults.is_empty() { Ok((assumption, target)) } else { Err(faults) }
}

fn counts(metric: Metric, count: &CountBody) -> Result<MetricCount, String> {
    let scale = metric.definition().denominator_scale;
    let sound = |number: i64| (0..=COUNT_MAX).contains(&number);
    if !sound(count.numerator) || !sound(count.denominator) {
        return Err("numerator and denominator must be whole numbers from 0 to 1000000000000".to_owned());
    }
    if count.denominator % scale != 0 {
        return Err(format!("the denominator of {} must be a multiple of {scale}", metric.id()));
    }
    let volume = count.denominator / scale;
    let (least, most) = match metric.definition().unit {
        Unit::Ratio => (0, count.denominator),
        Unit::Stars => (volume, volume * i64::from(STARS_MAX)),
        Unit::Seconds => (0, COUNT_MAX),
    };
    if !(least..=most).contains(&count.numerator) {
        return Err(format!("with this denominator the numerator of {} is {least} to {most}", metric.id()));
    }
    Ok(MetricCount { numerator: count.numerator, volume })
}

fn target(number: &RawValue, rule_set: &RuleSet, faults: &mut Vec<Fault>) -> Option<Decimal> {
    let (least, most) = rule_set.scale;
    let decimal: Option<Decimal> = number.get().parse().ok();
    let hundredths = |decimal: &Decimal| decimal.millionths() % 10_000 == 0;
    let target = decimal.filter(|target| (least..=most).contains(target)).filter(hundredths);
    if target.is_none() {
        let detail = format!("target_score must be a number from {least} to {most} with at most two decimals");
        faults.push(Fault::new("/target_score", Code::InvalidValue, detail));
    }
    target
}
