//! The audit trail: who changed what.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::Parameter as Described;

use crate::domain::audit::{Action, ActorKind};
use crate::domain::id::Id;
use crate::domain::subject::SubjectKind;
use crate::http::page::Page;
use crate::http::param_types::{OneOf, PageQuery, whole_number};
use crate::http::params::{Input, Parameter, Params, in_query, parameters, string};
use crate::http::problem::Problem;
use crate::http::problem_responses::WrongParameter;
use crate::http::state::AppState;
use crate::http::terms::{ActionTerm, ActorKindTerm, KindTerm, Term};
use crate::storage::audit::{self, AuditFilter, AuditRow};

/// Who changed something.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditActor {
    /// `nobody` where no keys are asked for.
    pub kind: ActorKindTerm,
    #[schema(required)]
    pub key_id: Option<String>,
    /// The name of the key.
    #[schema(required)]
    pub key_name: Option<String>,
}

/// A change, and who made it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    pub entry_id: String,
    pub at: DateTime<Utc>,
    pub actor: AuditActor,
    pub action: ActionTerm,
    /// The shop or creator that the change is about; null where it is about none.
    #[schema(required)]
    pub subject_kind: Option<KindTerm>,
    #[schema(required)]
    pub subject_id: Option<String>,
    /// The id of what was changed: of a key, an exclusion, a run, an erasure.
    #[schema(required)]
    pub target: Option<String>,
    /// What it was before; null where it was not there. What an erased shop had is not kept.
    #[schema(required, value_type = Option<serde_json::Map<String, Value>>)]
    pub before: Option<Value>,
    /// What it is since.
    #[schema(required, value_type = Option<serde_json::Map<String, Value>>)]
    pub after: Option<Value>,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> AuditEntry {
        AuditEntry {
            entry_id: row.entry_id.to_string(),
            at: row.at,
            actor: AuditActor {
                kind: Term(row.actor),
                key_id: row.key_id.map(|id| id.to_string()),
                key_name: row.key_name,
            },
            action: Term(row.action),
            subject_kind: row.subject_kind.and_then(SubjectKind::from_code).map(Term),
            subject_id: row.subject_id,
            target: row.target,
            before: row.before.map(|before| before.0),
            after: row.after.map(|after| after.0),
        }
    }
}

/// Whose changes are wanted: the number of a key, or a kind of actor that has none.
pub(crate) struct WhoseChanges {
    key_id: Option<i32>,
    kind: Option<ActorKind>,
}

impl Parameter for WhoseChanges {
    fn read(params: &mut Params<'_>, name: &str) -> Option<Self> {
        let read = |text: &str| match ActorKind::parse(text) {
            Some(kind) => Some(WhoseChanges { key_id: None, kind: Some(kind) }),
            None => whole_number(text).map(|key_id| WhoseChanges { key_id: Some(key_id), kind: None }),
        };
        let wanted = format!("the id of a key, or one of {}", <ActorKind as crate::domain::words::Word>::list());
        let whose = params.parsed(name, read, wanted)?;
        Some(whose.unwrap_or(WhoseChanges { key_id: None, kind: None }))
    }

    fn describe(name: &str, about: &str) -> Vec<Described> {
        in_query(name, about, string().pattern(Some("^(key|command_line|nobody|0|[1-9][0-9]*)$")))
    }
}

parameters! {
    /// Which changes are listed.
    pub(crate) struct AuditQuery {
        /// The id of a key, or `key`, `command_line` or `nobody`.
        actor: WhoseChanges,
        /// What was done.
        action: OneOf<Action>,
        /// The id of the shop or creator that the change is about.
        subject: Option<Id>,
        /// First business day.
        from: Option<NaiveDate>,
        /// Last business day.
        to: Option<NaiveDate>,
        page: PageQuery,
    }
}

/// Lists who changed what, newest first: keys, the registry, exclusions, runs.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "audit",
    params(AuditQuery),
    responses((status = 200, description = "A page, newest first.", body = Page<AuditEntry>), WrongParameter)
)]
pub(crate) async fn list_audit(
    State(state): State<AppState>,
    Input(query): Input<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let limit = query.page.limit.0;
    let begin = |date: NaiveDate| state.context.calendar().instant(date, NaiveTime::MIN);
    let filter = AuditFilter {
        key_id: query.actor.key_id,
        actor: query.actor.kind,
        action: query.action.0,
        subject_id: query.subject,
        from: query.from.map(begin),
        until: query.to.map(|to| begin(to + Days::new(1))),
        before: query.page.cursor.after,
        limit: limit as i64 + 1,
    };
    let mut connection = state.source.connection().await?;
    let rows = audit::list(&mut connection, &filter).await?;
    Ok(Json(Page::of(rows, limit, &query.page.cursor.signer, |row| row.entry_id)))
}
