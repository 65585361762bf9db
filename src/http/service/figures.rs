//! `/metrics`: figures about this process and about the runs, for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::params::{Input, Nothing};
use crate::http::state::AppState;

/// Metrics of the process for Prometheus. They are answered whether the database is there or not.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    responses((status = 200, description = "Metrics in the Prometheus text format.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn get_telemetry(State(state): State<AppState>, _: Input<Nothing>) -> Response {
    let of_runs = state.run_figures.current(&state.context).await;
    let text = state.telemetry.render(&state.queue.depth(), &state.context.store) + &of_runs;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
