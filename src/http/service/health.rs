//! Whether the process lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::subject::SubjectKind;
use crate::http::params::{Input, Nothing};
use crate::http::problem::ProblemBody;
use crate::http::problem::{Kind, Problem};
use crate::http::state::AppState;
use crate::http::terms::{Alive, AliveTerm, Ready, ReadyTerm, Term};
use crate::storage::{run, schema};

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    pub status: AliveTerm,
}

/// Liveness check.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, description = "The process is running.", body = Health)))]
pub(crate) async fn healthz(_: Input<Nothing>) -> Json<Health> {
    Json(Health { status: Term(Alive::Ok) })
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    pub status: ReadyTerm,
    /// The newest date that is published; null before the first run.
    #[schema(required)]
    pub newest_published: Option<NaiveDate>,
}

/// Readiness check: the database answers, its schema is the one of this process, and rule sets are loaded. An overdue run is no
/// reason to take a process out of service; `/metrics` tells of it.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "Ready to serve.", body = Readiness),
        (status = 503, description = "Not ready; `detail` says why.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(state): State<AppState>, _: Input<Nothing>) -> Result<Json<Readiness>, Problem> {
    // A kind without rule sets would be served nothing.
    if SubjectKind::ALL.iter().any(|kind| state.context.rules.of_kind(*kind).next().is_none()) {
        return Err(Problem::new(Kind::Unavailable, "no rule set is loaded for shops or creators"));
    }
    let publication = state.source.freshness.publication();
    let newest_published = match state.readiness.newest(publication) {
        Some(newest) => newest,
        None => {
            let mut connection = state.source.connection().await?;
            let schema = schema::check(&mut connection).await?;
            schema.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
            let newest = run::published_dates(&mut connection).await?.map(|(_, newest)| newest);
            state.readiness.note(publication, newest);
            newest
        }
    };
    Ok(Json(Readiness { status: Term(Ready::Ready), newest_published }))
}
