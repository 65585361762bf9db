//! Rows of `adjustment`: the ledger of what the platform added to scores or took off.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::StoreError;
use crate::domain::adjustment::{Adjustment, AdjustmentCounts};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// An adjustment with its revocation, if it was revoked.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct AdjustmentRow {
    pub adjustment_id: i64,
    pub sender_id: Option<String>,
    #[sqlx(try_from = "i16")]
    pub subject_kind: SubjectKind,
    pub subject_id: String,
    pub code: String,
    pub from_date: NaiveDate,
    pub until_date: Option<NaiveDate>,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub key_id: Option<i32>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_by: Option<String>,
    pub revoke_note: Option<String>,
    pub revoked_by_key_id: Option<i32>,
}

const COLUMNS: &str =
    "adjustment_id, sender_id, subject_kind, subject_id, code, from_date, until_date, reason, decided_by, note,
    created_at, key_id, revoked_at, revoked_by, revoke_note, revoked_by_key_id";

impl AdjustmentRow {
    pub(crate) fn subject(&self) -> Subject {
        Subject { kind: self.subject_kind, id: Id::stored(&self.subject_id) }
    }

    /// What the audit trail shows of it.
    pub(crate) fn audited(&self) -> Value {
        json!({
            "code": self.code, "from": self.from_date, "until": self.until_date, "reason": self.reason,
            "decided_by": self.decided_by, "note": self.note, "revoked_at": self.revoked_at, "revoked_by": self.revoked_by,
            "revoke_note": self.revoke_note,
        })
    }

    /// Whether it says what a new one does.
    pub(crate) fn is(&self, new: &NewAdjustment) -> bool {
        let Adjustment { code, from, until } = &new.adjustment;
        self.subject() == new.subject
            && (&self.code, self.from_date, self.until_date) == (code, *from, *until)
            && (&self.reason, &self.decided_by, &self.note) == (&new.reason, &new.decided_by, &new.note)
    }
}

/// A new entry of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct NewAdjustment {
    pub sender_id: Option<Id>,
    pub subject: Subject,
    pub adjustment: Adjustment,
    pub reason: String,
    pub decided_by: String,
    pub note: Option<String>,
}

/// A number for an entry that is to be made, so that an attempt whose reply was lost is recognised.
pub(crate) async fn draw_id(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let drawn = sqlx::query_scalar("select nextval(pg_get_serial_sequence('adjustment', 'adjustment_id'))");
    Ok(drawn.fetch_one(connection).await?)
}

/// Enters an adjustment under a number of its stripe.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    adjustment_id: i64,
    new: &NewAdjustment,
    (key_id, seq): (Option<i32>, i64),
    now: DateTime<Utc>,
) -> Result<AdjustmentRow, StoreError> {
    let row = sqlx::query_as(AssertSqlSafe(format!(
        "insert into adjustment (adjustment_id, sender_id, subject_kind, subject_id, code, from_date, until_date, reason,
                                 decided_by, note, created_at, key_id, seq)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) returning {COLUMNS}"
    )))
    .bind(adjustment_id)
    .bind(new.sender_id.as_ref().map(Id::as_str))
    .bind(new.subject.kind.code())
    .bind(new.subject.id.as_str())
    .bind(&new.adjustment.code)
    .bind(new.adjustment.from)
    .bind(new.adjustment.until)
    .bind(&new.reason)
    .bind(&new.decided_by)
    .bind(&new.note)
    .bind(now)
    .bind(key_id)
    .bind(seq)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

pub(crate) async fn get(
    connection: &mut PgConnection,
    adjustment_id: i64,
) -> Result<Option<AdjustmentRow>, StoreError> {
    let sql = format!("select {COLUMNS} from adjustment where adjustment_id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(adjustment_id).fetch_optional(connection).await?)
}

/// Keeps others from entering anything under a sender's id until the transaction ends.
pub(crate) async fn hold_sender(connection: &mut PgConnection, sender_id: &Id) -> Result<(), StoreError> {
    let hold = sqlx::query("select pg_advisory_xact_lock(hashtextextended('adjustment ' || $1, 0))");
    hold.bind(sender_id.as_str()).execute(connection).await?;
    Ok(())
}

/// The entry with a sender's id.
pub(crate) async fn of_sender(
    connection: &mut PgConnection,
    sender_id: &Id,
) -> Result<Option<AdjustmentRow>, StoreError> {
    let sql = format!("select {COLUMNS} from adjustment where sender_id = $1 collate \"C\"");
    Ok(sqlx::query_as(AssertSqlSafe(sql)).bind(sender_id.as_str()).fetch_optional(connection).await?)
}

/// Which adjustments to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdjustmentFilter {
    pub subject: Option<Subject>,
    pub code: Option<String>,
    pub active: Option<bool>,
    /// Only those with a smaller id: the list goes from the newest to the oldest.
    pub before: Option<i64>,
    pub limit: i64,
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    filter: &AdjustmentFilter,
) -> Result<Vec<AdjustmentRow>, StoreError> {
    let rows = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from adjustment
         where ($1::smallint is null or (subject_kind = $1 and subject_id = $2 collate \"C\"))
           and ($3::text is null or code = $3 collate \"C\")
           and ($4::boolean is null or (revoked_at is null) = $4)
           and ($5::bigint is null or adjustment_id < $5)
         order by adjustment_id desc limit $6"
    )))
    .bind(filter.subject.as_ref().map(|subject| subject.kind.code()))
    .bind(filter.subject.as_ref().map(|subject| subject.id.as_str()))
    .bind(&filter.code)
    .bind(filter.active)
    .bind(filter.before)
    .bind(filter.limit)
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// How many adjustments count for each subject of a kind on a date.
pub(crate) async fn counts(
    connection: &mut PgConnection,
    kind: SubjectKind,
    date: NaiveDate,
) -> Result<HashMap<Id, AdjustmentCounts>, StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "select subject_id, code, count(*) from adjustment
         where subject_kind = $1 and from_date <= $2 and (until_date is null or until_date >= $2) and revoked_at is null
         group by subject_id, code",
    )
    .bind(kind.code())
    .bind(date)
    .fetch_all(connection)
    .await?;
    let mut counts: HashMap<Id, AdjustmentCounts> = HashMap::new();
    for (subject_id, code, count) in rows {
        counts.entry(Id::stored(&subject_id)).or_default().add(&code, count);
    }
    Ok(counts)
}

/// The adjustments of a subject that are not revoked, whenever they count.
pub(crate) async fn active_of(connection: &mut PgConnection, subject: &Subject) -> Result<Vec<Adjustment>, StoreError> {
    let rows: Vec<(String, NaiveDate, Option<NaiveDate>)> = sqlx::query_as(
        "select code, from_date, until_date from adjustment
         where subject_kind = $1 and subject_id = $2 collate \"C\" and revoked_at is null",
    )
    .bind(subject.kind.code())
    .bind(subject.id.as_str())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(code, from, until)| Adjustment { code, from, until }).collect())
}
