//! The HTTP contract: routes, wire structs, problems, caching. Handlers are thin; what they answer is decided in
//! [`crate::ingest`] and [`crate::scoring`].

pub mod docs;
pub mod events;
pub mod exclusions;
pub mod health;
pub mod history;
pub mod media;
pub mod middleware;
pub mod page;
pub mod params;
pub mod problem;
pub mod reads;
pub mod registry;
pub mod runs;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::ingest::WriteContext;
use crate::ingest::queue::IngestQueue;
use crate::scoring::book::Archive;
use crate::scoring::run::RunContext;

/// What handlers share.
#[derive(Clone)]
pub struct AppState {
    pub queue: IngestQueue,
    pub write: WriteContext,
    pub run: RunContext,
    pub archive: Archive,
    /// Wakes the runner when a run was queued by hand.
    pub wake: Arc<Notify>,
    /// Room for the bodies of events on their way.
    pub bodies: media::BodyBudget,
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
        .routes(routes!(history::get_penalties))
        .routes(routes!(history::get_scores))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(docs::openapi_yaml))
}

/// The whole service as a router.
pub fn router(state: AppState) -> Router {
    let (router, _) = api().split_for_parts();
    let router =
        router.merge(docs::pages()).fallback(problem::not_found).method_not_allowed_fallback(problem::no_method);
    middleware::wrap(router.with_state(state))
}
