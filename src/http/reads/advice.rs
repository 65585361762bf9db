//! What holds a score back, and what would help.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::products::WireProduct;
use super::records::{WireRecord, wire_record};
use super::score::CardQuery;
use super::wire::{Number, Places, ScoreKey, WireMetric, WireTitle, wire_metrics, wire_score};
use crate::answers::advice as answers;
use crate::answers::advice::Advice;
use crate::answers::published::Published;
use crate::domain::decimal::PLACES_MAX;
use crate::domain::metric::Metric;
use crate::domain::rules::PenaltyRule;
use crate::domain::subject::SubjectKind;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::params::Input;
use crate::http::problem::Problem;
use crate::http::problem_responses::ReadProblems;
use crate::http::state::AppState;
use crate::http::terms::{StatusTerm, Term};

/// What holds the score back, costliest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdviceAnswer {
    #[serde(flatten)]
    pub key: ScoreKey,
    pub status: StatusTerm,
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Places>,
    /// When the products and worst days were read; records are those of the revision.
    pub as_of: DateTime<Utc>,
    /// The metrics that cost points, the costliest first; empty without a score.
    pub metrics: Vec<MetricAdvice>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MetricAdvice {
    pub metric: WireMetric,
    /// Score that the metric costs: the gap from its points to the best points, times its effective weight.
    #[schema(value_type = f64)]
    pub costs: Number<PLACES_MAX>,
    /// The score if this metric had the best points and nothing else changed.
    #[schema(value_type = f64)]
    pub score_at_best: Places,
    /// The penalties that this score would lift.
    pub penalties_lifted: Vec<LiftedPenalty>,
    /// What to do about it.
    pub advice: WireTitle,
    /// The newest records of faults behind the metric; empty where its numerator does not count faults.
    pub records: Vec<WireRecord>,
    /// Path of all records.
    pub records_path: String,
    /// The products that cause most faults; empty where the metric is not broken down by product.
    pub products: Vec<WireProduct>,
    /// The worst days in the window, and when they leave the window.
    pub worst_days: Vec<WorstDay>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LiftedPenalty {
    pub code: String,
    pub title: WireTitle,
}

/// A day with its counts. From `leaves_on` on, no score counts it.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorstDay {
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
    params(CardQuery),
    responses((status = 200, description = "The advice, the costliest metric first.", body = AdviceAnswer), ReadProblems)
)]
pub(crate) async fn get_advice(
    State(state): State<AppState>,
    asked: Asked,
    Input(query): Input<CardQuery>,
) -> Result<Response, Problem> {
    let Advice { published, as_of, metrics } = state.source.advice(&query.wanted()).await?;
    let card = &published.scored.card;
    let mut all: Vec<Option<WireMetric>> =
        wire_metrics(&published.scored.rule_set, card, published.run.date).into_iter().map(Some).collect();
    let answer = AdviceAnswer {
        key: ScoreKey::from(&published),
        status: Term(card.status),
        score: wire_score(&published.scored.rule_set, card.score),
        as_of,
        metrics: metrics.into_iter().filter_map(|one| advice(&published, &mut all, one)).collect(),
    };
    Ok(asked.answer_once(&Answer::of(&answer, as_of)?))
}

/// `metrics` are those of the card, each of which is named once.
fn advice(
    published: &Published,
    metrics: &mut [Option<WireMetric>],
    advice: answers::MetricAdvice,
) -> Option<MetricAdvice> {
    let metric = published.scored.rule_set.metrics[advice.place].metric;
    let definition = metric.definition();
    let lifted = |penalty: &PenaltyRule| LiftedPenalty { code: penalty.code.clone(), title: (&penalty.title).into() };
    Some(MetricAdvice {
        metric: metrics.get_mut(advice.place)?.take()?,
        costs: Number(advice.costs),
        score_at_best: Places(advice.score_at_best, published.scored.rule_set.score_places),
        penalties_lifted: advice.lifted.iter().map(lifted).collect(),
        advice: WireTitle { en: definition.advice_en.to_owned(), zh: definition.advice_zh.to_owned() },
        records: advice.records.into_iter().map(wire_record).collect(),
        records_path: records_path(published, metric, &advice.side.to_string()),
        products: advice.products.into_iter().map(WireProduct::from).collect(),
        worst_days: advice.worst_days.into_iter().map(|worst| worst_day(metric, worst)).collect(),
    })
}

/// An id as part of a URL; ids have no spaces, which this would write in a way that is good in queries alone.
fn encoded(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

fn records_path(published: &Published, metric: Metric, side: &str) -> String {
    let Published { subject, run, scored, .. } = published;
    let kind = match subject.kind {
        SubjectKind::Shop => "shops",
        SubjectKind::Creator => "creators",
    };
    format!(
        "/v1/{kind}/{}/metrics/{}/records?side={side}&rule_set={}&date={}&revision={}",
        encoded(subject.id.as_str()),
        metric.id(),
        encoded(&scored.rule_set.id),
        run.date,
        run.revision.unwrap_or_default()
    )
}

fn worst_day(metric: Metric, worst: answers::WorstDay) -> WorstDay {
    let answers::WorstDay { day, count, leaves_on, days_left } = worst;
    let (numerator, denominator) = (count.numerator, count.denominator(metric));
    WorstDay { day, numerator, denominator, leaves_on, days_left }
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn an_id_in_a_path_keeps_to_its_segment() {
        assert_eq!(encoded("a/b?c%d&e#f=g"), "a%2Fb%3Fc%25d%26e%23f%3Dg");
        assert_eq!(encoded("shop-7_x.y"), "shop-7_x.y");
    }
}
