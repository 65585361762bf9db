//! Rule sets on the wire.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::assessment_wire::{WireAssessment, assessment};
use super::category_rule_wire::{WireCategoryRule, category};
use super::wire::{Number, Shortest, WireTitle};
use crate::domain::decimal::PLACES_MAX;
use crate::domain::id::Id;
use crate::domain::measure::Measure;
use crate::domain::reference::{self, Language};
use crate::domain::rules::{CategoryRule, DimensionRule, MetricRule, Minimums, NamedWindow, RuleSet};
use crate::domain::weights::dimension_share;
use crate::http::terms::{BetterTerm, KindTerm, Term, UnitTerm};

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
    /// The score dates on which it is in force; on others its scores are previews.
    pub effective: WireEffective,
    /// SHA-256 of the text, in hex.
    pub version: String,
    pub scale: WireScale,
    /// Places to which scores are rounded.
    pub score_places: u32,
    /// Reviews with at most this many stars are bad.
    pub bad_stars_max: u8,
    pub minimums: WireMinimums,
    /// The window whose signed orders are compared with the minimum.
    pub near_window: WireDaysAgo,
    pub dimensions: Vec<WireDimensionRule>,
    pub metrics: Vec<WireMetricRule>,
    pub penalties: Vec<WirePenaltyRule>,
    pub adjustments: Vec<WireAdjustmentRule>,
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
    /// What a subject needs in the near window to be scored, such as `signed_orders`; `docs/reference.md` has all measures.
    pub volume: &'static str,
    pub count: i64,
    /// The score of subjects that have less; null: they get none.
    #[schema(required, value_type = Option<f64>)]
    pub score_below: Option<Shortest>,
    /// `count`, where signed orders are what is needed; else null.
    #[schema(required)]
    pub signed_orders: Option<i64>,
    pub metric_count: i64,
    pub peers: i64,
}

/// Score dates, both included; null where an end is open.
#[derive(Serialize, ToSchema)]
#[schema(as = Effective)]
pub(crate) struct WireEffective {
    #[schema(required)]
    pub from: Option<NaiveDate>,
    #[schema(required)]
    pub last: Option<NaiveDate>,
}

/// What the platform adds or takes off.
#[derive(Serialize, ToSchema)]
#[schema(as = AdjustmentRule)]
pub(crate) struct WireAdjustmentRule {
    pub code: String,
    pub title: WireTitle,
    /// Of each adjustment.
    #[schema(value_type = f64)]
    pub points: Shortest,
    /// The most that the code adds up to; null: no bound.
    #[schema(required, value_type = Option<f64>)]
    pub cap: Option<Shortest>,
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

#[derive(Serialize, ToSchema)]
#[schema(as = PenaltyRule)]
pub(crate) struct WirePenaltyRule {
    pub code: String,
    pub title: WireTitle,
    #[schema(value_type = f64)]
    pub below: Shortest,
    /// The dimension whose score is meant; null: the whole score.
    #[schema(required)]
    pub dimension: Option<String>,
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
        effective: WireEffective { from: rule_set.effective.from, last: rule_set.effective.last },
        title: (&rule_set.title).into(),
        version: rule_set.hash.clone(),
        scale: WireScale { min: Shortest(rule_set.scale.0), max: Shortest(rule_set.scale.1) },
        score_places: rule_set.score_places,
        bad_stars_max: rule_set.bad_stars_max,
        minimums: minimums(&rule_set.minimums),
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
                dimension: penalty.dimension.map(|dimension| rule_set.dimensions[dimension].id.clone()),
            })
            .collect(),
        adjustments: rule_set
            .adjustments
            .iter()
            .map(|rule| WireAdjustmentRule {
                code: rule.code.clone(),
                title: (&rule.title).into(),
                points: Shortest(rule.points),
                cap: rule.cap.map(Shortest),
            })
            .collect(),
        categories: categories.into_iter().map(|(id, rule)| category(rule_set, id, rule)).collect(),
        source: rule_set.source.clone(),
    }
}

fn minimums(minimums: &Minimums) -> WireMinimums {
    WireMinimums {
        volume: minimums.volume.column(),
        count: minimums.count,
        score_below: minimums.score_below.map(Shortest),
        signed_orders: Some(minimums.count).filter(|_| minimums.volume == Measure::SignedOrders),
        metric_count: minimums.metric_count,
        peers: minimums.peers,
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
