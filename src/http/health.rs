//! Whether the process lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::params::Params;
use super::problem::{Kind, Problem, ProblemBody};
use super::state::AppState;
use crate::context::Context;
use crate::domain::subject::SubjectKind;
use crate::scoring::schedule;
use crate::storage::{StoreError, run};

#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: String,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, description = "It does.", body = Health)))]
pub async fn healthz(params: Params) -> Result<Json<Health>, Problem> {
    params.finish()?;
    Ok(Json(Health { status: "ok".to_owned() }))
}

#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready`
    pub status: String,
    /// The newest date that is published; null before the first run.
    #[schema(required)]
    pub newest_published: Option<NaiveDate>,
}

/// Whether the service can serve: the database answers, its schema is current, today's run is not overdue.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    responses(
        (status = 200, description = "It can.", body = Readiness),
        (status = 503, description = "It cannot; `detail` says why.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn readyz(State(state): State<AppState>, params: Params) -> Result<Json<Readiness>, Problem> {
    params.finish()?;
    let mut connection = state.context.store.read.acquire().await?;
    let newest = run::published_dates(&mut connection).await?.map(|(_, newest)| newest);
    if let Some(date) = overdue(&mut connection, &state.context).await? {
        let detail = format!("today's run ({date}) is overdue; see /v1/runs?date={date}");
        return Err(Problem::new(Kind::Unavailable, detail));
    }
    // A kind without rule sets would be served nothing.
    if SubjectKind::ALL.iter().any(|kind| state.context.rules.default_for(*kind).is_none()) {
        return Err(Problem::new(Kind::Unavailable, "no rule set is loaded for shops or creators"));
    }
    Ok(Json(Readiness { status: "ready".to_owned(), newest_published: newest }))
}

/// Today, if its run is overdue: decided as the slot decides what is due.
pub async fn overdue(connection: &mut PgConnection, context: &Context) -> Result<Option<NaiveDate>, StoreError> {
    let now = context.now();
    let facts = schedule::read_facts(connection, &context.slot, now).await?;
    Ok(schedule::overdue(&context.slot, &facts, now))
}
