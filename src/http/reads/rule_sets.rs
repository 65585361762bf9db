//! The rule sets in force.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Number, Shortest, WireTitle};
use crate::domain::curve::Curve;
use crate::domain::decimal::PLACES_MAX;
use crate::domain::rules::{Assessment, MetricRule, NamedWindow, RuleSet};
use crate::domain::weights::dimension_share;
use crate::http::param_types::TextSegment;
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::RuleSetNotFound;
use crate::http::state::AppState;

/// All rule sets in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleSetsAnswer {
    pub items: Vec<WireRuleSet>,
}

/// A rule set in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct WireRuleSet {
    pub id: String,
    /// `shop` or `creator`.
    pub kind: String,
    /// Whether this rule set answers queries that name none.
    pub default: bool,
    pub title: WireTitle,
    /// SHA-256 of the text, in hex.
    pub version: String,
    pub scale: WireScale,
    /// Reviews with at most this many stars are bad.
    pub bad_stars_max: u8,
    pub minimums: WireMinimums,
    /// The window whose signed orders are compared with the minimum.
    pub near_window: WireDaysAgo,
    pub dimensions: Vec<WireDimensionRule>,
    pub metrics: Vec<WireMetricRule>,
    pub penalties: Vec<WirePenaltyRule>,
    /// Categories with weights or assessments of their own; the text says which.
    pub categories: Vec<String>,
    /// The text (TOML) that the rule set was read from.
    pub source: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WireScale {
    #[schema(value_type = f64)]
    pub min: Shortest,
    #[schema(value_type = f64)]
    pub max: Shortest,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WireMinimums {
    pub signed_orders: i64,
    pub metric_count: i64,
    pub peers: i64,
}

/// A window by days before the score date, both ends included.
#[derive(Serialize, ToSchema)]
pub(crate) struct WireDaysAgo {
    pub name: String,
    /// Days before the date on which the window begins and ends.
    pub days_ago: [u16; 2],
}

impl From<&NamedWindow> for WireDaysAgo {
    fn from(window: &NamedWindow) -> WireDaysAgo {
        WireDaysAgo { name: window.name.clone(), days_ago: [window.window.oldest(), window.window.newest()] }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WireDimensionRule {
    pub id: String,
    pub title: WireTitle,
    /// Fraction of 1.
    #[schema(value_type = f64)]
    pub weight: Number<PLACES_MAX>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WireMetricRule {
    pub id: String,
    pub title: WireTitle,
    pub dimension: String,
    pub window: WireDaysAgo,
    /// Weight inside the dimension, relative to its other metrics.
    #[schema(value_type = f64)]
    pub weight: Shortest,
    pub unit: String,
    pub better: String,
    /// `peers`, `curve` or `steps`.
    pub assessment: String,
    /// Standing → points, where points come from the standing among peers.
    #[schema(required, value_type = Option<Vec<[f64; 2]>>)]
    pub standing_curve: Option<Vec<[Shortest; 2]>>,
    /// Value → points: the metric's own curve, the reference for too few peers, or the bounds of its steps.
    #[schema(value_type = Vec<[f64; 2]>)]
    pub curve: Vec<[Shortest; 2]>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WirePenaltyRule {
    pub code: String,
    pub title: WireTitle,
    #[schema(value_type = f64)]
    pub below: Shortest,
}

/// Lists the rule sets in force.
#[utoipa::path(
    get,
    path = "/v1/rule-sets",
    tag = "scores",
    responses((status = 200, description = "All rule sets in force.", body = RuleSetsAnswer))
)]
pub(crate) async fn list_rule_sets(State(state): State<AppState>, _: Input<Nothing>) -> Json<RuleSetsAnswer> {
    Json(RuleSetsAnswer { items: state.context.rules.rule_sets.iter().map(|set| wire(&state, set)).collect() })
}

parameters! {
    /// Which rule set is wanted.
    pub(crate) struct RuleSetPath {
        /// Such as `shop-v2`.
        id: TextSegment,
    }
}

/// A rule set in force.
#[utoipa::path(
    get,
    path = "/v1/rule-sets/{id}",
    tag = "scores",
    params(RuleSetPath),
    responses((status = 200, description = "The rule set.", body = WireRuleSet), RuleSetNotFound)
)]
pub(crate) async fn get_rule_set(
    State(state): State<AppState>,
    Input(RuleSetPath { id }): Input<RuleSetPath>,
) -> Result<Json<WireRuleSet>, Problem> {
    let known: Vec<&str> = state.context.rules.rule_sets.iter().map(|set| set.id.as_str()).collect();
    let not_found = || Problem::new(Kind::RuleSetNotFound, format!("the rule sets in force are {}", known.join(", ")));
    let rule_set = state.context.rules.get(&id.0).ok_or_else(not_found)?;
    Ok(Json(wire(&state, rule_set)))
}

fn wire(state: &AppState, rule_set: &RuleSet) -> WireRuleSet {
    let default = state.context.rules.default_for(rule_set.kind).is_some_and(|default| default.id == rule_set.id);
    let mut categories: Vec<String> = rule_set.categories.keys().map(|id| id.to_string()).collect();
    categories.sort();
    let dimension = |(index, dimension): (usize, &crate::domain::rules::DimensionRule)| WireDimensionRule {
        id: dimension.id.clone(),
        title: (&dimension.title).into(),
        weight: Number(dimension_share(rule_set, index, None)),
    };
    WireRuleSet {
        id: rule_set.id.clone(),
        kind: rule_set.kind.to_string(),
        default,
        title: (&rule_set.title).into(),
        version: rule_set.hash.clone(),
        scale: WireScale { min: Shortest(rule_set.scale.0), max: Shortest(rule_set.scale.1) },
        bad_stars_max: rule_set.bad_stars_max,
        minimums: WireMinimums {
            signed_orders: rule_set.minimums.signed_orders,
            metric_count: rule_set.minimums.metric_count,
            peers: rule_set.minimums.peers,
        },
        near_window: (&rule_set.near).into(),
        dimensions: rule_set.dimensions.iter().enumerate().map(dimension).collect(),
        metrics: rule_set.metrics.iter().map(|rule| metric(rule_set, rule)).collect(),
        penalties: rule_set
            .penalties
            .iter()
            .map(|penalty| WirePenaltyRule {
                code: penalty.code.clone(),
                title: (&penalty.title).into(),
                below: Shortest(penalty.below),
            })
            .collect(),
        categories,
        source: rule_set.source.clone(),
    }
}

fn metric(rule_set: &RuleSet, rule: &MetricRule) -> WireMetricRule {
    let definition = rule.metric.definition();
    let knots = |curve: &Curve| curve.knots().iter().map(|(x, y)| [Shortest(*x), Shortest(*y)]).collect();
    let (assessment, standing_curve, curve) = match &rule.assessment {
        Assessment::Peers { standing, reference } => ("peers", Some(knots(standing)), knots(reference)),
        Assessment::Curve(curve) => ("curve", None, knots(curve)),
        Assessment::Steps(table) => {
            ("steps", None, table.steps.iter().map(|(x, y)| [Shortest(*x), Shortest(*y)]).collect())
        }
    };
    WireMetricRule {
        id: definition.id.to_owned(),
        title: WireTitle { en: definition.en.to_owned(), zh: definition.zh.to_owned() },
        dimension: rule_set.dimensions[rule.dimension].id.clone(),
        window: (&rule.window).into(),
        weight: Shortest(rule.weight),
        unit: definition.unit.to_string(),
        better: definition.better.to_string(),
        assessment: assessment.to_owned(),
        standing_curve,
        curve,
    }
}
