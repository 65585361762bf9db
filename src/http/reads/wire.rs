//! Wire structs of published scores.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::published::Published;
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
pub(crate) use crate::domain::numbers::{Number, Places, Shortest};
use crate::domain::quantiles::Quantiles;
use crate::domain::rules::{NamedWindow, RuleSet, Title};
use crate::domain::score::Card;
use crate::domain::subject::{Subject, SubjectKind};
use crate::domain::weights::{dimension_share, weights};
use crate::http::page::subject_ids;
use crate::http::terms::{BasisTerm, BetterTerm, KindTerm, Term, UnitTerm};
use crate::storage::run::RunRow;

/// Which score a response is about.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ScoreKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<String>,
    pub rule_set: String,
    /// The version of the rule set: SHA-256 of its text. `GET /v1/rule-sets/{id}?version=` shows it.
    pub rule_set_version: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    /// Whether the rule set is in force on the date, of coming dates on the first of them; else its score is a preview.
    pub in_force: bool,
    /// The category at the time of the run; null for none.
    #[schema(required)]
    pub category_id: Option<String>,
}

impl From<&Published> for ScoreKey {
    fn from(published: &Published) -> ScoreKey {
        let Published { subject, run, scored, .. } = published;
        ScoreKey::of(subject, &scored.rule_set, run, scored.card.category_id.as_ref())
    }
}

impl ScoreKey {
    pub(crate) fn of(subject: &Subject, rule_set: &RuleSet, row: &RunRow, category_id: Option<&Id>) -> ScoreKey {
        let (shop_id, creator_id) = subject_ids(subject);
        ScoreKey {
            shop_id,
            creator_id,
            rule_set: rule_set.id.clone(),
            rule_set_version: rule_set.hash.clone(),
            date: row.date,
            revision: row.revision.unwrap_or_default(),
            run_id: row.run_id.to_string(),
            published_at: row.published_at.unwrap_or_default(),
            in_force: rule_set.effective.has(row.date),
            category_id: category_id.map(Id::to_string),
        }
    }
}

/// Percentiles, counted from the lowest value: the smallest value that at least that share of the members does not
/// exceed. Null without members, and for keys that are bound to shops where there are fewer members than a peer group
/// needs.
#[derive(Serialize, ToSchema)]
#[schema(as = Quantiles)]
pub(crate) struct WireQuantiles {
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

/// Shown with this many decimals.
pub(super) fn wire_quantiles(quantiles: &Quantiles, places: u32) -> WireQuantiles {
    let [p10, p25, p50, p75, p90] = quantiles.values.map(|value| value.map(|value| Places(value, places)));
    WireQuantiles { members: quantiles.members, p10, p25, p50, p75, p90 }
}

/// Which published run a response about many subjects is of.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct FleetKey {
    pub kind: KindTerm,
    pub rule_set: String,
    /// The version of the rule set: SHA-256 of its text.
    pub rule_set_version: String,
    pub date: NaiveDate,
    pub revision: i32,
    pub run_id: String,
    pub published_at: DateTime<Utc>,
    /// Whether the rule set is in force on the date; else its scores are a preview.
    pub in_force: bool,
}

impl FleetKey {
    pub(super) fn of(kind: SubjectKind, rule_set: &RuleSet, run: &RunRow) -> FleetKey {
        FleetKey {
            kind: Term(kind),
            rule_set: rule_set.id.clone(),
            rule_set_version: rule_set.hash.clone(),
            date: run.date,
            revision: run.revision.unwrap_or_default(),
            run_id: run.run_id.to_string(),
            published_at: run.published_at.unwrap_or_default(),
            in_force: rule_set.effective.has(run.date),
        }
    }
}

#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Title)]
pub(crate) struct WireTitle {
    pub en: String,
    pub zh: String,
}

impl From<&Title> for WireTitle {
    fn from(title: &Title) -> WireTitle {
        WireTitle { en: title.en.clone(), zh: title.zh.clone() }
    }
}

/// A score with the rule set's places.
pub(super) fn wire_score(rule_set: &RuleSet, score: Option<Decimal>) -> Option<Places> {
    score.map(|score| Places(score, rule_set.score_places))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Dimension)]
pub(crate) struct WireDimension {
    pub id: String,
    /// Fraction of 1, by the rules alone.
    #[schema(value_type = f64)]
    pub weight: Number<PLACES_MAX>,
    /// Null where none of its metrics is assessed.
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Number<4>>,
}

pub(super) fn wire_dimensions(rule_set: &RuleSet, card: &Card) -> Vec<WireDimension> {
    let dimension = |(index, score): (usize, &Option<Decimal>)| WireDimension {
        id: rule_set.dimensions[index].id.clone(),
        weight: Number(dimension_share(rule_set, index, card.category_id.as_ref())),
        score: score.map(Number),
    };
    card.dimensions.iter().enumerate().map(dimension).collect()
}

#[derive(Serialize, ToSchema)]
#[schema(as = Window)]
pub(crate) struct WireWindow {
    pub name: String,
    /// First day, included.
    pub from: NaiveDate,
    /// Last day, included.
    pub to: NaiveDate,
}

impl WireWindow {
    /// The days of a window for a score date.
    pub(crate) fn of(window: &NamedWindow, date: NaiveDate) -> WireWindow {
        let span = window.window.days(date);
        WireWindow { name: window.name.clone(), from: span.from, to: span.to }
    }
}

/// One metric, with everything needed to recompute its points by hand.
#[derive(Serialize, ToSchema)]
#[schema(as = Metric)]
pub(crate) struct WireMetric {
    pub id: String,
    pub title: WireTitle,
    pub dimension: String,
    pub numerator: i64,
    pub denominator: i64,
    /// numerator / denominator, rounded half up; null without a denominator.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Number<PLACES_MAX>>,
    pub unit: UnitTerm,
    /// Which values are better.
    pub better: BetterTerm,
    pub window: WireWindow,
    pub assessed: bool,
    /// What the points are based on; null where not assessed.
    #[schema(required)]
    pub basis: Option<BasisTerm>,
    /// Members of the peer group, including the subject; null where the points come from the value itself.
    #[schema(required)]
    pub peers: Option<i64>,
    #[schema(required)]
    pub better_peers: Option<i64>,
    #[schema(required, value_type = Option<f64>)]
    pub standing: Option<Number<PLACES_MAX>>,
    #[schema(required, value_type = Option<f64>)]
    pub points: Option<Number<4>>,
    /// Share of the whole score by the rules alone, a fraction of 1.
    #[schema(value_type = f64)]
    pub weight: Number<PLACES_MAX>,
    /// Share of the whole score in this card, where the weight of what is not assessed is shared among the rest.
    #[schema(value_type = f64)]
    pub effective_weight: Number<PLACES_MAX>,
}

pub(super) fn wire_metrics(rule_set: &RuleSet, card: &Card, date: NaiveDate) -> Vec<WireMetric> {
    let weights = weights(rule_set, card);
    let metric = |(index, rule): (usize, &crate::domain::rules::MetricRule)| {
        let definition = rule.metric.definition();
        let metric = &card.metrics[index];
        let standing = metric.assessed.and_then(|assessed| assessed.standing);
        WireMetric {
            id: definition.id.to_owned(),
            title: WireTitle { en: definition.en.to_owned(), zh: definition.zh.to_owned() },
            dimension: rule_set.dimensions[rule.dimension].id.clone(),
            numerator: metric.count.numerator,
            denominator: metric.count.denominator(rule.metric),
            value: metric.count.value(rule.metric).map(|value| Number(value.rounded(PLACES_MAX))),
            unit: Term(definition.unit),
            better: Term(definition.better),
            window: WireWindow::of(&rule.window, date),
            assessed: metric.assessed.is_some(),
            basis: metric.assessed.map(|assessed| Term(assessed.basis())),
            peers: standing.map(|standing| standing.peers),
            better_peers: standing.map(|standing| standing.better_peers),
            standing: standing.map(|standing| Number(standing.ratio().rounded(PLACES_MAX))),
            points: metric.assessed.map(|assessed| Number(assessed.points)),
            weight: Number(weights[index].0),
            effective_weight: Number(weights[index].1),
        }
    };
    rule_set.metrics.iter().enumerate().map(metric).collect()
}
