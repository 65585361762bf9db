//! What holds a score back, and what would help: drawn from the published card, its records and its products.
//!
//! Advice is about goods, logistics and answers alone. It never speaks for sham orders, bait, gifts, or pressing buyers
//! over reviews, return reasons or complaints.

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
use super::params::Params;
use super::problem::Problem;
use super::products::{Sort, WireProduct, worst};
use super::reads::{Found, Wanted, find_with};
use super::records::{WireRecord, page_of, wire_record};
use super::state::AppState;
use super::wire::{Number, ScoreKey, WireMetric, WireTitle, wire_metrics};
use crate::domain::advice::{Cost, costs};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::live::LiveCounts;
use crate::domain::metric::Wrong;
use crate::domain::rules::MetricRule;
use crate::scoring::outlook::live_counts;
use crate::scoring::records::Side;
use crate::storage::snapshot;

/// Records, products and days that are named for each metric; the lists themselves have them all.
const RECORDS_SHOWN: usize = 5;
const PRODUCTS_SHOWN: usize = 5;
const DAYS_SHOWN: usize = 5;

/// What holds the score back, the costliest first.
#[derive(Serialize, ToSchema)]
pub struct AdviceAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: String,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<2>>,
    /// The moment whose products and coming days are taken; records are those of the revision.
    pub as_of: DateTime<Utc>,
    /// Metrics that cost anything. Empty without a score.
    pub metrics: Vec<MetricAdvice>,
}

#[derive(Serialize, ToSchema)]
pub struct MetricAdvice {
    pub metric: WireMetric,
    /// Score that the metric costs: what its points lack to the best, times its effective weight.
    #[schema(value_type = f64)]
    pub costs: Number<PLACES_MAX>,
    /// The score if this metric had the best points and nothing else changed.
    #[schema(value_type = f64)]
    pub score_at_best: Number<2>,
    /// The penalties that this score would lift.
    pub penalties_lifted: Vec<LiftedPenalty>,
    /// What to do about it.
    pub advice: WireTitle,
    /// The newest records of faults behind the metric; empty where it is no share of faults.
    pub records: Vec<WireRecord>,
    /// Where all records are.
    pub records_path: String,
    /// The products that most faults come from; empty where products have no part in it.
    pub products: Vec<WireProduct>,
    /// The worst days in the window, and when they leave it.
    pub worst_days: Vec<WorstDay>,
}

#[derive(Serialize, ToSchema)]
pub struct LiftedPenalty {
    pub code: String,
    pub title: WireTitle,
}

/// A day with its counts; from `leaves_on` on, scores no longer count it.
#[derive(Serialize, ToSchema)]
pub struct WorstDay {
    pub day: NaiveDate,
    pub numerator: i64,
    pub denominator: i64,
    pub leaves_on: NaiveDate,
    pub days_left: i64,
}

/// What holds the score back: metrics by what they cost, with the records and products behind each, when the worst days
/// leave the window, and which penalties the gain would lift.
#[utoipa::path(
    get,
    path = "/v1/{kind}/{id}/score/advice",
    tag = "scores",
    params(super::docs::SubjectPath, super::docs::ScoreQuery),
    responses((status = 200, description = "The advice, the costliest metric first.", body = AdviceAnswer), ReadProblems)
)]
pub async fn get_advice(
    State(state): State<AppState>,
    Path((kind, id)): Path<(String, String)>,
    caller: Caller,
    asked: Asked,
    mut params: Params,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&state, &caller, (&kind, &id), &mut params)?;
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let mut reading = snapshot::begin(&mut connection).await?;
    let found = find_with(&mut reading, &state, &wanted).await?;
    let (date, yesterday) = (found.row.date, found.row.date - Days::new(1));
    let live = live_counts(&mut reading, &found.subject, &found.rule_set, date, yesterday).await?;
    let mut metrics = Vec::new();
    for cost in costs(&found.rule_set, &found.card) {
        metrics.push(advise(&mut reading, &state, (&found, &live), &kind, cost).await?);
    }
    reading.rollback().await?;
    let as_of = state.context.now();
    let answer = AdviceAnswer {
        key: found.key(),
        status: found.card.status().as_str().to_owned(),
        score: found.card.score.map(Number),
        as_of,
        metrics,
    };
    Ok(asked.answer_once(&Answer::of(&answer, as_of)?))
}

async fn advise(
    connection: &mut PgConnection,
    state: &AppState,
    (found, live): (&Found, &LiveCounts),
    kind: &str,
    cost: Cost<'_>,
) -> Result<MetricAdvice, Problem> {
    let rule = &found.rule_set.metrics[cost.index];
    let definition = rule.metric.definition();
    let records = match definition.wrong {
        Wrong::Numerator => {
            page_of(connection, state, found, (rule.metric, Side::Numerator), None, RECORDS_SHOWN).await?.0
        }
        Wrong::Lacking { .. } => Vec::new(),
    };
    let products = match Sort::of(definition.product_rate) {
        Some(sort) => worst(found, live, sort, PRODUCTS_SHOWN),
        None => Vec::new(),
    };
    let calendar = state.context.calendar();
    let side = if definition.wrong == Wrong::Numerator { Side::Numerator } else { Side::Denominator };
    let metric = wire_metrics(&found.rule_set, &found.card, found.row.date).swap_remove(cost.index);
    Ok(MetricAdvice {
        costs: Number(cost.costs),
        score_at_best: Number(cost.score_at_best),
        penalties_lifted: cost
            .lifted
            .iter()
            .map(|penalty| LiftedPenalty { code: penalty.code.clone(), title: (&penalty.title).into() })
            .collect(),
        advice: WireTitle { en: definition.advice_en.to_owned(), zh: definition.advice_zh.to_owned() },
        records: records.into_iter().map(|record| wire_record(record, |at| calendar.day(at))).collect(),
        records_path: format!(
            "/v1/{kind}/{}/metrics/{}/records?side={side}&rule_set={}&date={}&revision={}",
            found.subject.id,
            metric.id,
            found.rule_set.id,
            found.row.date,
            found.row.revision.unwrap_or_default()
        ),
        products,
        worst_days: worst_days(found, live, rule),
        metric,
    })
}

/// The days of the window on which most went wrong, the worst first.
fn worst_days(found: &Found, live: &LiveCounts, rule: &MetricRule) -> Vec<WorstDay> {
    let date = found.row.date;
    let span = rule.window.window.days(date);
    let reach = Days::new(u64::from(rule.window.window.oldest()) + 1);
    let mut days: Vec<(i64, WorstDay)> = live
        .daily
        .range(span.from..=span.to)
        .map(|(day, _)| {
            let count = live.of_day(&found.rule_set, rule, *day);
            let denominator = count.denominator(rule.metric);
            let leaves_on = *day + reach;
            let days_left = (leaves_on - date).num_days();
            let worst = WorstDay { day: *day, numerator: count.numerator, denominator, leaves_on, days_left };
            (rule.metric.definition().wrong_amount(count), worst)
        })
        .filter(|(faults, _)| *faults > 0)
        .collect();
    days.sort_by_key(|(faults, worst)| (std::cmp::Reverse(*faults), worst.day));
    days.into_iter().take(DAYS_SHOWN).map(|(_, worst)| worst).collect()
}
