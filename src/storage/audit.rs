//! Rows of `audit_entry`: who changed what. They are written in the transaction of the change, and never changed.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use super::StoreError;
use crate::domain::audit::{Action, Actor, ActorKind};
use crate::domain::id::Id;
use crate::domain::subject::Subject;

/// A change to be noted.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub action: Action,
    /// The shop or creator that it is about.
    pub subject: Option<Subject>,
    /// The id of what changes.
    pub target: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Notes changes, which commit with the transaction.
pub(crate) async fn note(
    connection: &mut PgConnection,
    actor: Actor,
    now: DateTime<Utc>,
    changes: &[Change],
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into audit_entry (at, actor, key_id, key_name, action, subject_kind, subject_id, target, before, after)
         select $1, $2, $3, (select name from api_key where key_id = $3), action, kind, id, target, before::jsonb, after::jsonb
         from unnest($4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[]) with ordinality
             as change (action, kind, id, target, before, after, ordinal)
         order by ordinal",
    )
    .bind(now)
    .bind(actor.kind().as_str())
    .bind(actor.key_id())
    .bind(changes.iter().map(|change| change.action.as_str()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.subject.as_ref().map(|subject| subject.kind.code())).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.subject.as_ref().map(|subject| subject.id.as_str())).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.target.as_deref()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.before.as_ref().map(Value::to_string)).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.after.as_ref().map(Value::to_string)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Clone, Debug, FromRow)]
pub(crate) struct AuditRow {
    pub entry_id: i64,
    pub at: DateTime<Utc>,
    #[sqlx(try_from = "String")]
    pub actor: ActorKind,
    pub key_id: Option<i32>,
    pub key_name: Option<String>,
    #[sqlx(try_from = "String")]
    pub action: Action,
    pub subject_kind: Option<i16>,
    pub subject_id: Option<String>,
    pub target: Option<String>,
    pub before: Option<Json<Value>>,
    pub after: Option<Json<Value>>,
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    /// Only those of a key, or of another kind of actor.
    pub key_id: Option<i32>,
    pub actor: Option<ActorKind>,
    pub action: Option<Action>,
    /// Only those about a shop or creator of this id.
    pub subject_id: Option<Id>,
    /// Only those from one moment to before another.
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i64>,
    pub limit: i64,
}

/// A page of entries, newest first.
pub(crate) async fn list(connection: &mut PgConnection, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
    let rows = sqlx::query_as(
        "select entry_id, at, actor, key_id, key_name, action, subject_kind, subject_id, target, before, after
         from audit_entry
         where ($1::integer is null or key_id = $1) and ($2::text is null or actor = $2)
           and ($3::text is null or action = $3) and ($4::text is null or subject_id = $4 collate \"C\")
           and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
           and ($7::bigint is null or entry_id < $7)
         order by entry_id desc limit $8",
    )
    .bind(filter.key_id)
    .bind(filter.actor.map(ActorKind::as_str))
    .bind(filter.action.map(Action::as_str))
    .bind(filter.subject_id.as_ref().map(Id::as_str))
    .bind(filter.from)
    .bind(filter.until)
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Removes what is older than a moment. Returns how much that was.
pub(crate) async fn forget(connection: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let deleted = sqlx::query("delete from audit_entry where at < $1").bind(before).execute(connection).await?;
    Ok(deleted.rows_affected())
}
