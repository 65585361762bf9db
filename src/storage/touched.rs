//! Finding the orders and sessions of a subject that facts or exclusions changed between two moments.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::aggregate::aggregate_of_row;
use super::packed_event::unpack;
use super::record::OF_CREATOR;
use super::stripe::Heads;
use crate::domain::event::{Aggregate, AggregateKind};
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};

/// The aggregates of a subject of which an event or an exclusion came, or an exclusion went, after the earlier heads and up to
/// the later ones; at most `limit`.
pub(crate) async fn touched(
    connection: &mut PgConnection,
    subject: &Subject,
    (earlier, later): (&Heads, &Heads),
    limit: usize,
) -> Result<BTreeSet<Aggregate>, StoreError> {
    let low = match subject.kind {
        SubjectKind::Shop => earlier.of(&subject.id),
        // A creator's shops are in all stripes; each is looked at by its own numbers further down.
        SubjectKind::Creator => earlier.numbers.iter().min().copied().unwrap_or_default(),
    };
    let between = |shop_id: &Id, number: i64| (earlier.of(shop_id) + 1..=later.of(shop_id)).contains(&number);
    let mut touched = BTreeSet::new();
    {
        let mut rows = sqlx::query(AssertSqlSafe(of_events(subject.kind)))
            .bind(subject.id.as_str())
            .bind(low)
            .fetch(&mut *connection);
        while touched.len() < limit
            && let Some(row) = rows.try_next().await?
        {
            let aggregate = aggregate_of_row(&row)?;
            if unpack(row.try_get(3)?)?.iter().any(|one| between(&aggregate.shop_id, one.seq)) {
                touched.insert(aggregate);
            }
        }
    }
    let statement = of_exclusions(subject.kind);
    let mut rows = sqlx::query(AssertSqlSafe(statement)).bind(subject.id.as_str()).bind(low).fetch(connection);
    while touched.len() < limit
        && let Some(row) = rows.try_next().await?
    {
        let aggregate = aggregate_of_row(&row)?;
        let numbers: [Option<i64>; 2] = [row.try_get(3)?, row.try_get(4)?];
        if numbers.into_iter().flatten().any(|number| between(&aggregate.shop_id, number)) {
            touched.insert(aggregate);
        }
    }
    Ok(touched)
}

/// The orders and sessions of a subject.
fn of_subject(kind: SubjectKind) -> String {
    match kind {
        SubjectKind::Shop => {
            let (orders, sessions) = (AggregateKind::Order.code(), AggregateKind::Session.code());
            format!("shop_id = $1 collate \"C\" and aggregate_kind in ({orders}, {sessions})")
        }
        SubjectKind::Creator => OF_CREATOR.to_owned(),
    }
}

/// Those to which something came after a number.
fn of_events(kind: SubjectKind) -> String {
    let of_subject = of_subject(kind);
    format!("select shop_id, aggregate_kind, aggregate_id, events from aggregate where {of_subject} and seq > $2")
}

/// Those of which an exclusion came or went after a number.
fn of_exclusions(kind: SubjectKind) -> String {
    let named = match kind {
        SubjectKind::Shop => format!("exclusion where {}", of_subject(kind)),
        SubjectKind::Creator => format!(
            "(select shop_id, aggregate_kind, aggregate_id from aggregate where {OF_CREATOR}) as named
             join exclusion using (shop_id, aggregate_kind, aggregate_id) where true"
        ),
    };
    format!(
        "select shop_id, aggregate_kind, aggregate_id, exclusion.seq, revoked_seq from {named}
         and (exclusion.seq > $2 or revoked_seq > $2)"
    )
}
