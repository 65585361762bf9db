//! Rule sets on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Number, Shortest, WireTitle};
use crate::domain::decimal::{Decimal, PLACES_MAX};
use crate::domain::id::Id;
use crate::domain::reference::{self, Language};
use crate::domain::rules::{Assessment, CategoryRule, DimensionRule, MetricRule, NamedWindow, RuleSet};
use crate::domain::weights::dimension_share;
use crate::http::terms::{AssessmentTerm, AssessmentWay, BetterTerm, KindTerm, Term, UnitTerm};

/// All rule sets in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleSetsAnswer {
    pub items: Vec<WireRuleSet>,
}

/// A rule set: in force, or one that a published run used.
#[derive(Serialize, ToSchema)]
#[schema(as = RuleSet)]
pub(crate) struct WireRuleSet {
    pub id: String,
    pub kind: KindTerm,
    /// Whether this rule set answers queries that name none.
    pub default: bool,
    pub title: WireTitle,
    /// Whether runs use this version now.
    pub in_force: bool,
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
    /// What categories have in place of the general rules.
    pub categories: Vec<WireCategoryRule>,
    /// The text (TOML) that the rule set was read from.
    pub source: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Scale)]
pub(crate) struct WireScale {
    #[schema(value_type = f64)]
    pub min: Shortest,
    #[schema(value_type = f64)]
    pub max: Shortest,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Minimums)]
pub(crate) struct WireMinimums {
    pub signed_orders: i64,
    pub metric_count: i64,
    pub peers: i64,
}

/// A window by days before the score date, both ends included.
#[derive(Serialize, ToSchema)]
#[schema(as = DaysAgo)]
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
#[schema(as = DimensionRule)]
pub(crate) struct WireDimensionRule {
    pub id: String,
    pub title: WireTitle,
    /// Fraction of 1, rounded.
    #[schema(value_type = f64)]
    pub weight: Number<PLACES_MAX>,
    /// The exact weight, relative to the other dimensions.
    #[schema(value_type = f64)]
    pub relative_weight: Shortest,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MetricRule)]
pub(crate) struct WireMetricRule {
    pub id: String,
    pub title: WireTitle,
    /// What its two counts are.
    pub definition: WireTitle,
    /// The quotient of measures that it is; `docs/reference.md` has the measures.
    pub formula: String,
    pub dimension: String,
    pub window: WireDaysAgo,
    /// Weight inside the dimension, relative to its other metrics.
    #[schema(value_type = f64)]
    pub weight: Shortest,
    pub unit: UnitTerm,
    pub better: BetterTerm,
    #[serde(flatten)]
    pub assessment: WireAssessment,
}

/// How a value becomes points.
#[derive(Serialize, ToSchema)]
#[schema(as = Assessment)]
pub(crate) struct WireAssessment {
    pub assessment: AssessmentTerm,
    /// Standing → points, where points come from the standing among peers.
    #[schema(required, value_type = Option<Vec<[f64; 2]>>)]
    pub standing_curve: Option<Vec<[Shortest; 2]>>,
    /// Value → points: the metric's own curve, the reference for too few peers, or the bounds of its steps.
    #[schema(value_type = Vec<[f64; 2]>)]
    pub curve: Vec<[Shortest; 2]>,
    /// The points of a value that meets no step; null where there are no steps.
    #[schema(required, value_type = Option<f64>)]
    pub otherwise: Option<Shortest>,
}

/// What a category has in place of the general rules.
#[derive(Serialize, ToSchema)]
#[schema(as = CategoryRule)]
pub(crate) struct WireCategoryRule {
    pub category_id: String,
    /// Dimensions with another weight.
    pub dimensions: Vec<WireCategoryDimension>,
    /// Metrics with another weight or another assessment.
    pub metrics: Vec<WireCategoryMetric>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CategoryDimension)]
pub(crate) struct WireCategoryDimension {
    pub id: String,
    /// Relative to the other dimensions.
    #[schema(value_type = f64)]
    pub relative_weight: Shortest,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CategoryMetric)]
pub(crate) struct WireCategoryMetric {
    pub id: String,
    /// Weight inside the dimension; null where the general one stays.
    #[schema(required, value_type = Option<f64>)]
    pub weight: Option<Shortest>,
    /// Null where the general one stays.
    #[schema(required)]
    pub assessment: Option<WireAssessment>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PenaltyRule)]
pub(crate) struct WirePenaltyRule {
    pub code: String,
    pub title: WireTitle,
    #[schema(value_type = f64)]
    pub below: Shortest,
}

/// `default` and `in_force` as the service has it now.
pub(super) fn wire(rule_set: &RuleSet, default: bool, in_force: bool) -> WireRuleSet {
    let mut categories: Vec<(&Id, &CategoryRule)> = rule_set.categories.iter().collect();
    categories.sort_by_key(|(id, _)| *id);
    let dimension = |(index, dimension): (usize, &DimensionRule)| WireDimensionRule {
        id: dimension.id.clone(),
        title: (&dimension.title).into(),
        weight: Number(dimension_share(rule_set, index, None)),
        relative_weight: Shortest(dimension.weight),
    };
    WireRuleSet {
        id: rule_set.id.clone(),
        kind: Term(rule_set.kind),
        default,
        in_force,
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
        categories: categories.into_iter().map(|(id, rule)| category(rule_set, id, rule)).collect(),
        source: rule_set.source.clone(),
    }
}

fn metric(rule_set: &RuleSet, rule: &MetricRule) -> WireMetricRule {
    let definition = rule.metric.definition();
    WireMetricRule {
        id: definition.id.to_owned(),
        title: WireTitle { en: definition.en.to_owned(), zh: definition.zh.to_owned() },
        definition: WireTitle {
            en: reference::definition(definition, rule_set.bad_stars_max, Language::English),
            zh: reference::definition(definition, rule_set.bad_stars_max, Language::Chinese),
        },
        formula: definition.formula(rule_set.bad_stars_max),
        dimension: rule_set.dimensions[rule.dimension].id.clone(),
        window: (&rule.window).into(),
        weight: Shortest(rule.weight),
        unit: Term(definition.unit),
        better: Term(definition.better),
        assessment: assessment(&rule.assessment),
    }
}

fn assessment(assessment: &Assessment) -> WireAssessment {
    let pairs = |pairs: &[(Decimal, Decimal)]| pairs.iter().map(|(x, y)| [Shortest(*x), Shortest(*y)]).collect();
    let (way, standing_curve, curve, otherwise) = match assessment {
        Assessment::Peers { standing, reference } => {
            (AssessmentWay::Peers, Some(pairs(standing.knots())), reference.knots(), None)
        }
        Assessment::Curve(curve) => (AssessmentWay::Curve, None, curve.knots(), None),
        Assessment::Steps(table) => (AssessmentWay::Steps, None, &table.steps[..], Some(Shortest(table.otherwise))),
    };
    WireAssessment { assessment: Term(way), standing_curve, curve: pairs(curve), otherwise }
}

fn category(rule_set: &RuleSet, id: &Id, rule: &CategoryRule) -> WireCategoryRule {
    let dimensions = rule_set.dimensions.iter().enumerate().filter_map(|(index, dimension)| {
        let relative_weight = Shortest(*rule.dimension_weights.get(&index)?);
        Some(WireCategoryDimension { id: dimension.id.clone(), relative_weight })
    });
    let metrics = rule_set.metrics.iter().filter_map(|general| {
        let weight = rule.metric_weights.get(&general.metric).map(|weight| Shortest(*weight));
        let special = rule.assessments.get(&general.metric).map(assessment);
        let id = general.metric.id().to_owned();
        (weight.is_some() || special.is_some()).then_some(WireCategoryMetric { id, weight, assessment: special })
    });
    WireCategoryRule { category_id: id.to_string(), dimensions: dimensions.collect(), metrics: metrics.collect() }
}
