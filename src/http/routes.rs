//! All routes, by what they ask of their caller. There is no other way in: a route is either [`Api::open`] or
//! [`Api::needs`] a scope, and its description says the same.

use axum::middleware::from_fn_with_state;
use std::sync::LazyLock;

use axum::{Json, Router};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::auth::{Gate, authorize};
use super::csv_columns::{self, CsvList};
use super::csv_lists;
use super::description::{add_examples, add_problems, describe_scopes, operations};
use super::params::{Input, Nothing};
use super::reads::{
    advice, audit, benchmarks, changes, exports, fleet, history, intake, lookup, outlook, preview_scores, previews,
    products, record_changes, records, rule_sets, score, summary, unread, what_if,
};
use super::service::{caller, dashboard, docs, event_types, figures, health};
use super::state::AppState;
use super::writes::previews as new_previews;
use super::writes::{
    adjustments, alerts, deliveries, erasures, events, exclusions, exclusions_batch, imports, keys, new_keys, push,
    registry, registry_batch, runs, webhooks,
};
use super::{mcp, middleware, problem};
use crate::access::Scope;

/// The routes with their descriptions.
fn api(api: Api<'_>) -> Api<'_> {
    api.open([
        routes!(figures::get_telemetry),
        routes!(health::healthz),
        routes!(health::readyz),
        routes!(docs::openapi_yaml),
        routes!(openapi_json),
        routes!(event_types::list_event_types),
        routes!(push::post_push),
    ])
    .needs(&Scope::ALL, [routes!(caller::get_caller)])
    .needs(
        &[Scope::EventsWrite],
        [routes!(events::post_events), routes!(push::post_details), routes!(imports::post_import)],
    )
    .needs(&[Scope::ScoresRead, Scope::Admin], [routes!(registry::get_subject)])
    .needs(
        &[Scope::ScoresRead],
        [
            routes!(score::get_score),
            listed(routes!(score::get_metrics), &csv_columns::METRICS),
            listed(routes!(records::get_records), &csv_columns::RECORDS),
            routes!(record_changes::get_record_changes),
            routes!(changes::get_changes),
            routes!(outlook::get_projected),
            routes!(outlook::get_forecast),
            routes!(advice::get_advice),
            routes!(what_if::post_what_if),
            listed(routes!(products::get_products), &csv_columns::PRODUCTS),
            routes!(intake::get_intake),
            routes!(lookup::get_order),
            routes!(lookup::get_session),
            routes!(lookup::get_product),
            routes!(history::get_penalties),
            listed(routes!(history::get_scores), &csv_columns::HISTORY),
            listed(routes!(fleet::list_scores), &csv_columns::FLEET),
            routes!(summary::get_summary),
            routes!(exports::export_scores),
            routes!(benchmarks::get_benchmarks),
            routes!(rule_sets::list_rule_sets),
            routes!(rule_sets::get_rule_set),
        ],
    )
    .needs(
        &[Scope::Webhooks, Scope::Admin],
        [
            routes!(webhooks::post_webhook, webhooks::list_webhooks),
            routes!(webhooks::get_webhook, webhooks::put_webhook, webhooks::delete_webhook),
            routes!(webhooks::rotate_webhook),
            routes!(deliveries::test_webhook),
            routes!(deliveries::list_deliveries),
            routes!(deliveries::retry_delivery),
            routes!(deliveries::retry_failed),
            routes!(alerts::post_alert, alerts::list_alerts),
            routes!(alerts::get_alert, alerts::delete_alert),
        ],
    )
    .needs(
        &[Scope::Admin],
        [
            routes!(registry::put_subject, erasures::delete_subject),
            routes!(erasures::list_erasures),
            routes!(audit::list_audit),
            routes!(registry::list_subjects),
            routes!(registry_batch::post_shops),
            routes!(registry_batch::post_creators),
            routes!(exclusions::post_exclusion, exclusions::list_exclusions),
            routes!(exclusions_batch::post_exclusions),
            routes!(exclusions::get_exclusion, exclusions::delete_exclusion),
            routes!(adjustments::post_adjustment, adjustments::list_adjustments),
            routes!(adjustments::get_adjustment, adjustments::delete_adjustment),
            routes!(runs::post_run, runs::list_runs),
            routes!(runs::get_run),
            routes!(unread::list_unread),
            routes!(new_previews::post_preview),
            routes!(previews::get_preview),
            routes!(preview_scores::list_preview_scores),
            routes!(new_keys::post_key, keys::list_keys),
            routes!(keys::get_key, keys::delete_key),
            routes!(new_keys::rotate_key),
        ],
    )
}

/// A list that is answered as CSV, too.
fn listed(
    (schemas, mut paths, methods): UtoipaMethodRouter<AppState>,
    list: &'static CsvList,
) -> UtoipaMethodRouter<AppState> {
    paths.paths.values_mut().flat_map(operations).for_each(csv_lists::describe);
    (schemas, paths, methods.route_layer(from_fn_with_state(list, csv_lists::answer)))
}

/// Routes on their way into a router.
struct Api<'a> {
    router: OpenApiRouter<AppState>,
    /// What the gates of guarded routes need; none where the routes are only described.
    state: Option<&'a AppState>,
}

impl<'a> Api<'a> {
    fn new(state: Option<&'a AppState>) -> Api<'a> {
        Api { router: OpenApiRouter::with_openapi(docs::openapi()), state }
    }

    /// Routes that anybody may ask: they tell nothing about shops, or take only what is signed.
    fn open(mut self, routes: impl IntoIterator<Item = UtoipaMethodRouter<AppState>>) -> Api<'a> {
        for one in routes {
            self.router = self.router.routes(one);
        }
        self
    }

    /// Routes for callers whose key has one of some scopes.
    fn needs(
        mut self,
        scopes: &'static [Scope],
        routes: impl IntoIterator<Item = UtoipaMethodRouter<AppState>>,
    ) -> Api<'a> {
        for (schemas, mut paths, mut methods) in routes {
            paths.paths.values_mut().flat_map(operations).for_each(|operation| describe_scopes(operation, scopes));
            if let Some(state) = self.state {
                let gate = Gate { state: state.clone(), scopes };
                methods = methods.route_layer(from_fn_with_state(gate, authorize));
            }
            self.router = self.router.routes((schemas, paths, methods));
        }
        self
    }
}

/// The description of all routes, which `openapi.yaml` is written from.
pub fn description() -> OpenApi {
    let mut description = api(Api::new(None)).router.split_for_parts().1;
    description.paths.paths.values_mut().flat_map(operations).for_each(add_problems);
    add_examples(&mut description);
    description
}

/// The contract as OpenAPI 3.1, in JSON.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "service",
    responses((status = 200, description = "This document.", body = serde_json::Value))
)]
async fn openapi_json(_: Input<Nothing>) -> Json<&'static OpenApi> {
    // Made when it is first asked for: it stays the same as long as the process lives.
    static DESCRIPTION: LazyLock<OpenApi> = LazyLock::new(description);
    Json(&DESCRIPTION)
}

/// The whole service as a router.
pub fn router(state: &AppState) -> Router {
    let (router, _) = api(Api::new(Some(state))).router.split_for_parts();
    let router = router.merge(docs::pages()).merge(dashboard::pages()).fallback(problem::not_found);
    let router = router.method_not_allowed_fallback(problem::no_method);
    let api = middleware::wrap(router.with_state(state.clone()), state);
    let mcp = middleware::wrap(mcp::route(api.clone(), state), state);
    api.merge(mcp)
}
