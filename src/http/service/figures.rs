//! `/metrics`: figures about this process and about the runs, for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::http::params::{Input, Nothing};
use crate::http::state::AppState;
use crate::storage::error::met as store_errors;

const WAITED: &str = "shopscore_ingest_wait_seconds_total";

/// Sets the figures of connections and limits as they are now.
fn note_load(state: &AppState) {
    describe_gauge!("shopscore_connections", "Connections that are open; those in state waiting are asked nothing.");
    describe_counter!("shopscore_connections_turned_away_total", "Connections of addresses that held their share.");
    describe_counter!("shopscore_connections_ended_total", "Waiting connections that were ended to make room.");
    describe_counter!("shopscore_refused_requests_total", "Requests that were refused, by the limit that they met.");
    describe_gauge!("shopscore_reads_under_way", "Reads that are being answered.");
    let held = state.places.held();
    gauge!("shopscore_connections", "state" => "waiting").set(held.waiting as f64);
    gauge!("shopscore_connections", "state" => "busy").set((held.open - held.waiting) as f64);
    counter!("shopscore_connections_turned_away_total").absolute(held.turned_away);
    counter!("shopscore_connections_ended_total").absolute(held.ended);
    for (limit, refused) in state.limits.refused() {
        counter!("shopscore_refused_requests_total", "limit" => limit).absolute(refused);
    }
    describe_counter!(
        "shopscore_webhook_attempts_total",
        "Attempts of this process to deliver messages, by what became of them."
    );
    describe_counter!("shopscore_webhooks_disabled_total", "Webhooks that this process stopped telling anything.");
    describe_counter!(
        "shopscore_answers_total",
        "Reads of published data, by whether their answer was kept in memory."
    );
    describe_counter!("shopscore_store_errors_total", "Errors of the database that this process met, by kind.");
    describe_counter!("shopscore_ingest_requests_total", "Requests that handed events to the writers.");
    for (result, answers) in state.answers.asked() {
        counter!("shopscore_answers_total", "result" => result).absolute(answers);
    }
    for (kind, errors) in store_errors() {
        counter!("shopscore_store_errors_total", "kind" => kind).absolute(errors);
    }
    counter!("shopscore_ingest_requests_total").absolute(state.queue.waited().0);
    for (outcome, attempts) in state.hub.attempts() {
        counter!("shopscore_webhook_attempts_total", "outcome" => outcome).absolute(attempts);
    }
    counter!("shopscore_webhooks_disabled_total").absolute(state.hub.disabled());
    gauge!("shopscore_reads_under_way").set(state.limits.reads_under_way() as f64);
}

/// Metrics of the process for Prometheus. They are answered whether the database is there or not.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    responses((status = 200, description = "Metrics in the Prometheus text format.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn get_telemetry(State(state): State<AppState>, _: Input<Nothing>) -> Response {
    let of_runs = state.run_figures.current(&state.context).await;
    state.telemetry.record(|| note_load(&state));
    // A counter with a fraction, which the recorder does not have.
    let (_, waited) = state.queue.waited();
    let of_waits = format!(
        "# HELP {WAITED} How long requests with events waited for their commit, in all.\n# TYPE {WAITED} counter\n{WAITED} {waited}\n"
    );
    let text = state.telemetry.render(&state.queue.depth(), &state.context.store) + &of_runs + &of_waits;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
