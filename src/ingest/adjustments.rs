//! The ledger of adjustments: written under the same stripes and numbers as events, so that a run can say which it knew.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::retry::retrying;
use crate::context::Context;
use crate::domain::audit::{Action, Actor};
use crate::domain::subject::Subject;
use crate::storage::adjustment::{self, AdjustmentRow, NewAdjustment};
use crate::storage::audit::{self, Change};
use crate::storage::revocation::{Ledger, Revocation, revoke as revoke_entry};
use crate::storage::stripe::{hold, stripe_of};
use crate::storage::{StoreError, counting};

/// What became of a wish to adjust.
#[derive(Clone, Debug)]
pub(crate) enum Adjusted {
    Done(AdjustmentRow),
    /// The sender's id names an adjustment that says the same.
    Already(AdjustmentRow),
    /// The sender's id names another adjustment.
    Conflict(AdjustmentRow),
}

/// Enters an adjustment.
pub(crate) async fn adjust(new: &NewAdjustment, actor: Actor, context: &Context) -> Result<Adjusted, StoreError> {
    // Where the reply to a commit was lost, the next attempt finds its own entry under this number.
    let mut drawn = None;
    retrying!(context.store.ingest, connection => try_adjust(&mut connection, new, &mut drawn, actor, context))
}

/// What was entered under the sender's id before, if it says the same.
pub(crate) async fn entered(new: &NewAdjustment, context: &Context) -> Result<Option<AdjustmentRow>, StoreError> {
    let Some(sender_id) = &new.sender_id else { return Ok(None) };
    let mut connection = context.store.read.acquire().await?;
    Ok(adjustment::of_sender(&mut connection, sender_id).await?.filter(|row| row.is(new)))
}

async fn try_adjust(
    connection: &mut PgConnection,
    new: &NewAdjustment,
    drawn: &mut Option<i64>,
    actor: Actor,
    context: &Context,
) -> Result<Adjusted, StoreError> {
    let adjustment_id = match *drawn {
        Some(adjustment_id) => adjustment_id,
        None => *drawn.insert(adjustment::draw_id(connection).await?),
    };
    let mut transaction = connection.begin().await?;
    if let Some(sender_id) = &new.sender_id {
        adjustment::hold_sender(&mut transaction, sender_id).await?;
    }
    let seq = hold_one(&mut transaction, &new.subject, context).await?;
    if let Some(own) = adjustment::get(&mut transaction, adjustment_id).await? {
        return Ok(Adjusted::Done(own));
    }
    if let Some(sender_id) = &new.sender_id
        && let Some(row) = adjustment::of_sender(&mut transaction, sender_id).await?
    {
        return Ok(if row.is(new) { Adjusted::Already(row) } else { Adjusted::Conflict(row) });
    }
    let numbered = (actor.key_id(), seq);
    let row = adjustment::insert(&mut transaction, adjustment_id, new, numbered, context.now()).await?;
    let change = change(Action::AdjustmentCreated, &row, None);
    audit::note(&mut transaction, actor, context.now(), &[change]).await?;
    transaction.commit().await?;
    Ok(Adjusted::Done(row))
}

/// Revokes an adjustment for every later run. `None` if there is no such adjustment; one that was revoked before is answered as it
/// is.
pub(crate) async fn revoke(
    adjustment_id: i64,
    revocation: &Revocation,
    actor: Actor,
    context: &Context,
) -> Result<Option<AdjustmentRow>, StoreError> {
    retrying!(context.store.ingest, connection => {
        try_revoke(&mut connection, adjustment_id, revocation, actor, context)
    })
}

async fn try_revoke(
    connection: &mut PgConnection,
    adjustment_id: i64,
    revocation: &Revocation,
    actor: Actor,
    context: &Context,
) -> Result<Option<AdjustmentRow>, StoreError> {
    let Some(row) = adjustment::get(connection, adjustment_id).await? else { return Ok(None) };
    let mut transaction = connection.begin().await?;
    let seq = hold_one(&mut transaction, &row.subject(), context).await?;
    let numbered = (actor.key_id(), seq);
    let is_revoked =
        revoke_entry(&mut transaction, Ledger::Adjustments, adjustment_id, revocation, numbered, context.now()).await?;
    let now = adjustment::get(&mut transaction, adjustment_id).await?;
    if is_revoked && let Some(now) = &now {
        let change = change(Action::AdjustmentRevoked, now, Some(row.audited()));
        audit::note(&mut transaction, actor, context.now(), &[change]).await?;
    }
    transaction.commit().await?;
    Ok(now)
}

/// Holds the stripe of a subject. Returns the number under which is stored.
async fn hold_one(connection: &mut PgConnection, subject: &Subject, context: &Context) -> Result<i64, StoreError> {
    let stripe = stripe_of(&subject.id);
    let held = hold(connection, &BTreeSet::from([stripe])).await?;
    counting::check(connection, context.calendar().zone()).await?;
    Ok(held.get(&stripe).map_or(0, |held| held.head))
}

fn change(action: Action, row: &AdjustmentRow, before: Option<Value>) -> Change {
    let (target, after) = (Some(row.adjustment_id.to_string()), Some(row.audited()));
    Change { action, subject: Some(row.subject()), target, before, after }
}
