//! Rows of `subject`: the registry of shops and creators.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::StoreError;
use super::stripe::{HeldStripes, stripe_of};
use crate::domain::audit::Actor;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// A subject as it was registered last.
#[derive(Clone, Debug)]
pub(crate) struct SubjectRow {
    pub subject: Subject,
    pub name: Option<String>,
    pub category_id: Option<String>,
    pub registered_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The key with which it was registered or changed last.
    pub key_id: Option<i32>,
}

type Columns = (String, Option<String>, Option<String>, DateTime<Utc>, DateTime<Utc>, Option<i32>);
const COLUMNS: &str = "subject_id, name, category_id, registered_at, updated_at, key_id";

fn subject_row(kind: SubjectKind, (id, name, category_id, registered_at, updated_at, key_id): Columns) -> SubjectRow {
    SubjectRow { subject: Subject { kind, id: Id::stored(&id) }, name, category_id, registered_at, updated_at, key_id }
}

/// A registration: fields that are `None` stay as they were, `Some(None)` clears.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub subject: Subject,
    pub name: Option<Option<String>>,
    pub category_id: Option<Option<Id>>,
}

/// Registers subjects that events name; those that are known stay as they are.
pub(crate) async fn insert_named(
    connection: &mut PgConnection,
    subjects: &BTreeSet<Subject>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into subject (subject_kind, subject_id, registered_at, updated_at)
         select kind, id, $3, $3 from unnest($1::smallint[], $2::text[]) as named (kind, id)
         on conflict do nothing",
    )
    .bind(subjects.iter().map(|subject| subject.kind.code()).collect::<Vec<_>>())
    .bind(subjects.iter().map(|subject| subject.id.as_str()).collect::<Vec<_>>())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of some subjects that are registered.
pub(crate) async fn registered(
    connection: &mut PgConnection,
    subjects: &BTreeSet<Subject>,
) -> Result<BTreeSet<Subject>, StoreError> {
    let rows: Vec<(i64,)> = sqlx::query_as(
        "select named.ordinal from unnest($1::smallint[], $2::text[]) with ordinality as named (kind, id, ordinal)
         where exists (select from subject where subject_kind = kind and subject_id = id collate \"C\")",
    )
    .bind(subjects.iter().map(|subject| subject.kind.code()).collect::<Vec<_>>())
    .bind(subjects.iter().map(|subject| subject.id.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let places: BTreeSet<i64> = rows.into_iter().map(|(ordinal,)| ordinal).collect();
    let numbered = (1_i64..).zip(subjects);
    Ok(numbered.filter(|(ordinal, _)| places.contains(ordinal)).map(|(_, subject)| subject.clone()).collect())
}

/// Those of some shops that are registered with a category.
pub(crate) async fn with_category(connection: &mut PgConnection, shops: &[Id]) -> Result<HashSet<String>, StoreError> {
    let having = sqlx::query_scalar(
        "select subject_id from subject
         where subject_kind = $1 and subject_id = any($2 collate \"C\") and category_id is not null",
    );
    let ids: Vec<&str> = shops.iter().map(Id::as_str).collect();
    let rows: Vec<String> = having.bind(SubjectKind::Shop.code()).bind(ids).fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// Registers or changes subjects, each named once, and notes the changes in the ledger and the audit trail. Returns whether each was new.
pub(crate) async fn register(
    connection: &mut PgConnection,
    registrations: &[Registration],
    held: &HeldStripes,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Vec<bool>, StoreError> {
    let seq =
        |registration: &Registration| held.get(&stripe_of(&registration.subject.id)).map_or(0, |stripe| stripe.head);
    let column =
        |text: fn(&Registration) -> Option<&str>| -> Vec<Option<&str>> { registrations.iter().map(text).collect() };
    let new: Vec<(i16, String)> = sqlx::query_as(
        "insert into subject (subject_kind, subject_id, registered_at, updated_at)
         select kind, id, $3, $3 from unnest($1::smallint[], $2::text[]) as new (kind, id)
         on conflict do nothing returning subject_kind, subject_id",
    )
    .bind(registrations.iter().map(|new| new.subject.kind.code()).collect::<Vec<_>>())
    .bind(column(|new| Some(new.subject.id.as_str())))
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let new: HashSet<(i16, String)> = new.into_iter().collect();
    let key = |subject: &Subject| (subject.kind.code(), subject.id.as_str().to_owned());
    let are_new: Vec<bool> =
        registrations.iter().map(|registration| new.contains(&key(&registration.subject))).collect();
    sqlx::query(include_str!("sql/register.sql"))
        .bind(registrations.iter().map(|new| new.subject.kind.code()).collect::<Vec<_>>())
        .bind(column(|new| Some(new.subject.id.as_str())))
        .bind(registrations.iter().map(|new| new.name.is_some()).collect::<Vec<_>>())
        .bind(column(|new| new.name.as_ref().and_then(|name| name.as_deref())))
        .bind(registrations.iter().map(|new| new.category_id.is_some()).collect::<Vec<_>>())
        .bind(column(|new| new.category_id.as_ref().and_then(|id| id.as_ref()).map(Id::as_str)))
        .bind(registrations.iter().map(seq).collect::<Vec<_>>())
        .bind(now)
        .bind(actor.key_id())
        .bind(&are_new)
        .bind(actor.kind().as_str())
        .execute(connection)
        .await?;
    Ok(are_new)
}

pub(crate) async fn get(connection: &mut PgConnection, subject: &Subject) -> Result<Option<SubjectRow>, StoreError> {
    let row: Option<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from subject where subject_kind = $1 and subject_id = $2"
    )))
    .bind(subject.kind.code())
    .bind(subject.id.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| subject_row(subject.kind, row)))
}

/// A page of subjects by id, after `after`.
pub(crate) async fn list(
    connection: &mut PgConnection,
    kind: SubjectKind,
    category_id: Option<&Id>,
    after: Option<&Id>,
    limit: i64,
) -> Result<Vec<SubjectRow>, StoreError> {
    let rows: Vec<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from subject
         where subject_kind = $1 and ($2::text is null or category_id = $2 collate \"C\")
           and ($3::text is null or subject_id > $3 collate \"C\")
         order by subject_id limit $4"
    )))
    .bind(kind.code())
    .bind(category_id.map(Id::as_str))
    .bind(after.map(Id::as_str))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| subject_row(kind, row)).collect())
}

/// All subjects of a kind with their categories, by id.
pub(crate) async fn all(connection: &mut PgConnection, kind: SubjectKind) -> Result<Vec<(Id, Option<Id>)>, StoreError> {
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("select subject_id, category_id from subject where subject_kind = $1 order by subject_id")
            .bind(kind.code())
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(id, category)| (Id::stored(&id), category.as_deref().map(Id::stored))).collect())
}

/// When the first subject became known.
pub(crate) async fn first_registered_at(connection: &mut PgConnection) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_scalar("select min(registered_at) from subject").fetch_one(connection).await?)
}
