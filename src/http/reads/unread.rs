//! What platforms pushed and nobody could read.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::page::Page;
use crate::http::param_types::PageQuery;
use crate::http::params::{Input, parameters};
use crate::http::problem::Problem;
use crate::http::problem_responses::{ConnectorNotFound, WrongParameter};
use crate::http::state::AppState;
use crate::http::writes::push::{ConnectorPath, found};
use crate::storage::unread_message::{self, UnreadRow};

/// A message that was not understood, or of which an event was rejected.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnreadMessage {
    pub unread_id: String,
    pub received_at: DateTime<Utc>,
    /// What the platform calls its kind; empty where that could not be read.
    pub tag: String,
    #[schema(required)]
    pub message_id: Option<String>,
    /// Why: `unknown_tag`, `unknown_value`, `missing_member`, `malformed_message`, `malformed_json`, or the code with which an event
    /// of it was rejected.
    pub code: String,
    pub detail: String,
    /// The message as it came, its first 64 KiB.
    pub message: String,
}

impl From<UnreadRow> for UnreadMessage {
    fn from(row: UnreadRow) -> UnreadMessage {
        let UnreadRow { unread_id, received_at, tag, message_id, code, detail, message } = row;
        UnreadMessage { unread_id: unread_id.to_string(), received_at, tag, message_id, code, detail, message }
    }
}

parameters! {
    /// Which messages are listed.
    pub(crate) struct UnreadQuery {
        connector: ConnectorPath,
        page: PageQuery,
    }
}

/// Lists the messages of a connector that were not understood, newest first: the newest 1,000, for 30 days.
#[utoipa::path(
    get,
    path = "/v1/push/{connector}/unread",
    tag = "push",
    params(UnreadQuery),
    responses(
        (status = 200, description = "A page, newest first.", body = Page<UnreadMessage>),
        ConnectorNotFound,
        WrongParameter
    )
)]
pub(crate) async fn list_unread(
    State(state): State<AppState>,
    Input(query): Input<UnreadQuery>,
) -> Result<Json<Page<UnreadMessage>>, Problem> {
    let connector = found(&state, &query.connector)?;
    let (limit, before) = (query.page.limit.0, query.page.cursor.after);
    let mut connection = state.source.connection().await?;
    let rows = unread_message::list(&mut connection, &connector.id, before, limit as i64 + 1).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row: &UnreadRow| row.unread_id)))
}
