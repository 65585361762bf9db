//! Erasing shops, and what became of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::published::known;
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::http::auth::Caller;
use crate::http::page::Page;
use crate::http::param_types::PageQuery;
use crate::http::params::{Input, parameters};
use crate::http::problem::{Kind, Problem};
use crate::http::problem_responses::{CreatorsStay, SubjectNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::subject_params::SubjectPath;
use crate::http::terms::{ErasureState, ErasureStateTerm, Term};
use crate::storage::erasure::{self, ErasureFilter, ErasureRow};

/// A shop that is erased, or was.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct WireErasure {
    pub erasure_id: String,
    pub shop_id: String,
    pub state: ErasureStateTerm,
    pub requested_at: DateTime<Utc>,
    /// The key with which it was asked for; null where no keys are asked for.
    #[schema(required)]
    pub key_id: Option<String>,
    /// Events that are removed so far.
    pub events: i64,
    #[schema(required)]
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<ErasureRow> for WireErasure {
    fn from(row: ErasureRow) -> WireErasure {
        let state = if row.finished_at.is_some() { ErasureState::Done } else { ErasureState::UnderWay };
        WireErasure {
            erasure_id: row.erasure_id.to_string(),
            shop_id: row.shop_id,
            state: Term(state),
            requested_at: row.requested_at,
            key_id: row.key_id.map(|id| id.to_string()),
            events: row.events,
            finished_at: row.finished_at,
        }
    }
}

/// Erases a shop for good: its events and all counts of them, exclusions, registration, scores of all dates, and what is noted
/// for its senders. Creators lose what its orders counted for them.
///
/// Keys that are bound to this shop and no other are revoked at once; stop other senders before, since an event that comes later makes
/// the shop anew. The record of the erasure stays. Creators cannot be erased: what they did is part of the orders of shops.
#[utoipa::path(
    delete,
    path = "/v1/{kind}/{id}",
    tag = "registry",
    params(SubjectPath),
    responses(
        (status = 202, description = "Under way. `GET /v1/erasures` tells when it is done; from then on the shop is unknown.", body = WireErasure),
        SubjectNotFound,
        CreatorsStay
    )
)]
pub(crate) async fn delete_subject(
    State(state): State<AppState>,
    caller: Caller,
    Input(path): Input<SubjectPath>,
) -> Result<Response, Problem> {
    let subject = path.subject();
    if subject.kind == SubjectKind::Creator {
        let detail = "creators cannot be erased: what they did is part of the orders of shops";
        return Err(Problem::new(Kind::MethodNotAllowed, detail));
    }
    let mut connection = state.context.store.ingest.acquire().await?;
    known(&mut connection, &subject).await?;
    // What is noted for its senders would be written after it is gone.
    state.journal.write(&state.context.store).await?;
    let row = erasure::request(&mut connection, &subject.id, caller.actor(), state.context.now()).await?;
    drop(connection);
    state.forget_shops([&subject.id].into_iter());
    // This process, at least, knows at once which keys are revoked.
    state.source.freshness.look_if_possible().await;
    state.erase.notify_one();
    Ok((StatusCode::ACCEPTED, Json(WireErasure::from(row))).into_response())
}

parameters! {
    /// Which erasures are listed.
    pub(crate) struct ErasuresQuery {
        shop_id: Option<Id>,
        page: PageQuery,
    }
}

/// Lists erasures, newest first.
#[utoipa::path(
    get,
    path = "/v1/erasures",
    tag = "registry",
    params(ErasuresQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<WireErasure>), WrongParameter)
)]
pub(crate) async fn list_erasures(
    State(state): State<AppState>,
    Input(query): Input<ErasuresQuery>,
) -> Result<Json<Page<WireErasure>>, Problem> {
    let limit = query.page.limit.0;
    let filter = ErasureFilter { shop_id: query.shop_id, before: query.page.cursor.after, limit: limit as i64 + 1 };
    let mut connection = state.source.connection().await?;
    let rows = erasure::list(&mut connection, &filter).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.erasure_id)))
}
