//! The HTTP contract: routes, wire structs, problems, caching. Handlers are thin; what they answer is decided in
//! [`crate::ingest`] and [`crate::scoring`].

pub mod advice;
pub mod answer;
pub mod auth;
pub mod benchmarks;
pub mod changes;
pub mod docs;
pub mod event_times;
pub mod events;
pub mod exclusions;
pub mod fleet;
pub mod health;
pub mod history;
pub mod keys;
pub mod media;
pub mod middleware;
pub mod outlook;
pub mod page;
pub mod params;
pub mod problem;
pub mod products;
pub mod reads;
pub mod records;
pub mod registry;
pub mod rule_sets;
pub mod runs;
pub mod telemetry;
pub mod turnover;
pub mod what_if;
pub mod wire;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ingest::WriteContext;
use crate::ingest::queue::IngestQueue;
use crate::scoring::book::Archive;
use crate::scoring::run::RunContext;

/// What handlers share. Cloning is cheap.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl From<Shared> for AppState {
    fn from(shared: Shared) -> AppState {
        AppState(Arc::new(shared))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The parts of [`AppState`].
pub struct Shared {
    pub queue: IngestQueue,
    pub write: WriteContext,
    pub run: RunContext,
    pub archive: Archive,
    /// Wakes the runner when a run was queued by hand.
    pub wake: Arc<Notify>,
    /// Room for the bodies of events on their way.
    pub bodies: media::BodyBudget,
    /// For how many days events are kept; `None` for ever.
    pub event_days: Option<u16>,
    /// Whether callers must show keys.
    pub auth_required: bool,
    /// What is kept of the database, and whether it is current.
    pub turnover: turnover::Turnover,
    pub answers: answer::AnswerCache,
    pub runs: answer::RunCache,
    pub telemetry: telemetry::Telemetry,
}

/// All routes with their descriptions, which `openapi.yaml` is written from.
pub fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(docs::openapi())
        .routes(routes!(events::post_events))
        .routes(routes!(registry::put_subject, registry::get_subject))
        .routes(routes!(registry::list_subjects))
        .routes(routes!(registry::post_shops))
        .routes(routes!(registry::post_creators))
        .routes(routes!(exclusions::post_exclusion, exclusions::list_exclusions))
        .routes(routes!(exclusions::get_exclusion, exclusions::delete_exclusion))
        .routes(routes!(runs::post_run, runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(reads::get_score))
        .routes(routes!(reads::get_metrics))
        .routes(routes!(records::get_records))
        .routes(routes!(changes::get_changes))
        .routes(routes!(outlook::get_projected))
        .routes(routes!(outlook::get_forecast))
        .routes(routes!(advice::get_advice))
        .routes(routes!(what_if::post_what_if))
        .routes(routes!(products::get_products))
        .routes(routes!(fleet::list_scores))
        .routes(routes!(benchmarks::get_benchmarks))
        .routes(routes!(rule_sets::list_rule_sets))
        .routes(routes!(rule_sets::get_rule_set))
        .routes(routes!(history::get_penalties))
        .routes(routes!(history::get_scores))
        .routes(routes!(keys::post_key, keys::list_keys))
        .routes(routes!(keys::delete_key))
        .routes(routes!(telemetry::get_telemetry))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(docs::openapi_yaml))
}

/// The whole service as a router.
pub fn router(state: AppState) -> Router {
    let (router, _) = api().split_for_parts();
    let router = router.merge(docs::pages()).route_layer(from_fn_with_state(state.clone(), auth::authorize));
    let router = router.fallback(problem::not_found).method_not_allowed_fallback(problem::no_method);
    middleware::wrap(router.with_state(state))
}
