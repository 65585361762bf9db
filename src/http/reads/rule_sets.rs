//! The rule sets in force, and those that published runs used.

use axum::extract::State;
use axum::response::Response;

use super::rule_set_wire::{RuleSetsAnswer, WireRuleSet, wire};
use crate::answers::rule_sets::FoundRuleSet;
use crate::domain::id::Id;
use crate::domain::rules::RuleSet;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::param_types::TextSegment;
use crate::http::params::{Input, Nothing, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{NotModified, RuleSetNotFound};
use crate::http::state::AppState;

/// Lists the rule sets in force.
#[utoipa::path(
    get,
    path = "/v1/rule-sets",
    tag = "scores",
    responses((status = 200, description = "All rule sets in force.", body = RuleSetsAnswer), NotModified)
)]
pub(crate) async fn list_rule_sets(
    State(state): State<AppState>,
    asked: Asked,
    _: Input<Nothing>,
) -> Result<Response, Problem> {
    let items = state
        .context
        .rules
        .rule_sets
        .iter()
        .map(|rule_set| wire(rule_set, is_default(&state, rule_set), true))
        .collect();
    Ok(asked.answer_once(&Answer::undated(&RuleSetsAnswer { items })?))
}

parameters! {
    /// Which rule set is wanted.
    pub(crate) struct RuleSetQuery {
        /// Such as `shop-v2`.
        id: TextSegment,
        /// The version, as answers name it in `rule_set_version`. Default: the one in force, else the newest that a published
        /// run used.
        version: Option<Id>,
    }
}

/// A rule set that is in force, or that a published run used.
#[utoipa::path(
    get,
    path = "/v1/rule-sets/{id}",
    tag = "scores",
    params(RuleSetQuery),
    responses((status = 200, description = "The rule set.", body = WireRuleSet), NotModified, RuleSetNotFound)
)]
pub(crate) async fn get_rule_set(
    State(state): State<AppState>,
    asked: Asked,
    Input(RuleSetQuery { id, version }): Input<RuleSetQuery>,
) -> Result<Response, Problem> {
    let found = state.source.rule_set(&id.0, version.as_ref().map(Id::as_str)).await?;
    let FoundRuleSet { rule_set, in_force } = found.ok_or_else(|| {
        let known: Vec<&str> = state.context.rules.rule_sets.iter().map(|set| set.id.as_str()).collect();
        let detail = format!("no published run used such a rule set; those in force are {}", known.join(", "));
        Problem::new(Kind::RuleSetNotFound, detail)
    })?;
    Ok(asked.answer_once(&Answer::undated(&wire(&rule_set, is_default(&state, &rule_set), in_force))?))
}

/// Whether a rule set answers queries of today's run that name none.
fn is_default(state: &AppState, rule_set: &RuleSet) -> bool {
    let today = state.context.calendar().day(state.context.now());
    state.context.rules.default_for(rule_set.kind, today).is_some_and(|default| default.hash == rule_set.hash)
}
