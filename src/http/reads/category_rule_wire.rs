//! What categories have in place of the general rules, on the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::assessment_wire::{WireAssessment, assessment};
use super::wire::Shortest;
use crate::domain::id::Id;
use crate::domain::rules::{CategoryRule, RuleSet};

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

pub(super) fn category(rule_set: &RuleSet, id: &Id, rule: &CategoryRule) -> WireCategoryRule {
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
