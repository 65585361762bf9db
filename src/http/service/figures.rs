//! `/metrics`: figures about this process and about the runs, for Prometheus.
//!
//! What is said of runs is read from the database at each scrape, so that every process says the same.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use sqlx::PgConnection;

use crate::context::Context;
use crate::http::params::{Input, Nothing};
use crate::http::problem::Problem;
use crate::http::problem_responses::DatabaseUnavailable;
use crate::http::state::AppState;
use crate::scoring::schedule;
use crate::storage::StoreError;
use crate::storage::run::{self as rows, RunRow};

/// Metrics of the process for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    responses(
        (status = 200, description = "Metrics in the Prometheus text format.", body = String, content_type = "text/plain"),
        DatabaseUnavailable
    )
)]
pub(crate) async fn get_telemetry(State(state): State<AppState>, _: Input<Nothing>) -> Result<Response, Problem> {
    let mut connection = state.source.connection().await?;
    let text = state.telemetry.render() + &figures_of_runs(&mut connection, &state.context).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// The newest published run of each rule set that a published run used, and what is overdue.
async fn figures_of_runs(connection: &mut PgConnection, context: &Context) -> Result<String, StoreError> {
    let newest = rows::newest_by_rule_set(connection).await?;
    let overdue = schedule::read_overdue(connection, context).await?.is_some();
    let now = context.now();
    let today = context.calendar().day(now);
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe_gauge!("shopscore_run_duration_seconds", "From start to publication of the newest published run.");
        describe_gauge!("shopscore_run_subjects", "Subjects of the newest published run.");
        describe_gauge!(
            "shopscore_run_late_seconds",
            "How long after its slot the newest published run was published."
        );
        describe_gauge!("shopscore_newest_date_age_days", "Days since the newest published date.");
        describe_gauge!("shopscore_newest_publication_age_seconds", "Time since the newest publication.");
        describe_gauge!("shopscore_run_overdue", "1 while today's run is overdue.");
        gauge!("shopscore_run_overdue").set(if overdue { 1.0 } else { 0.0 });
        for (rule_set, row) in &newest {
            let set = |name: &'static str, value: f64| gauge!(name, "rule_set" => rule_set.clone()).set(value);
            let Some(published_at) = row.published_at else { continue };
            let seconds = |span: chrono::TimeDelta| span.as_seconds_f64().max(0.0);
            set(
                "shopscore_run_duration_seconds",
                row.started_at.map_or(0.0, |started| seconds(published_at - started)),
            );
            set("shopscore_run_subjects", row.subjects_total as f64);
            set("shopscore_run_late_seconds", late_seconds(row, context));
            set("shopscore_newest_date_age_days", (today - row.date).num_days() as f64);
            set("shopscore_newest_publication_age_seconds", seconds(now - published_at));
        }
    });
    Ok(recorder.handle().render())
}

fn late_seconds(row: &RunRow, context: &Context) -> f64 {
    let end = context.slot.end(row.date);
    let published_at = row.published_at.filter(|_| row.late);
    published_at.map_or(0.0, |published_at| (published_at - end).as_seconds_f64().max(0.0))
}
