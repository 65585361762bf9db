//! Exclusions and the registry: written under the same stripes and numbers as events, so that a run can say which of
//! them it knew.

use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection};

use super::apply::changes_of_exclusions;
use super::retry::retrying;
use crate::context::Context;
use crate::domain::event::Aggregate;
use crate::domain::exclusion::Exclusion;
use crate::storage::exclusion::{ExclusionRow, NewExclusion, Revocation};
use crate::storage::late_count::LateStamp;
use crate::storage::registry::Registration;
use crate::storage::stripe::{hold, stripe_of};
use crate::storage::{StoreError, count, counting, event, exclusion, registry};

/// What became of a wish to exclude.
#[derive(Clone, Debug)]
pub(crate) enum Excluded {
    Done(Box<ExclusionRow>),
    /// The same target is excluded already, by this active exclusion.
    Already(i64),
}

/// Enters an exclusion and takes its target out of the counts.
pub(crate) async fn exclude(new: &NewExclusion, context: &Context) -> Result<Excluded, StoreError> {
    // The numbers under which earlier attempts stored: where the reply to a commit was lost, the exclusion that the
    // next attempt finds is its own.
    let mut numbers = Vec::new();
    retrying!(context.store.ingest, connection => try_exclude(&mut connection, new, context, &mut numbers))
}

async fn try_exclude(
    connection: &mut PgConnection,
    new: &NewExclusion,
    context: &Context,
    numbers: &mut Vec<i64>,
) -> Result<Excluded, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripe = stripe_of(&new.aggregate.shop_id);
    let held = hold(&mut transaction, &BTreeSet::from([stripe])).await?;
    if let Some((active, seq)) = exclusion::find_active(&mut transaction, new).await? {
        let own = if numbers.contains(&seq) { exclusion::get(&mut transaction, active).await? } else { None };
        return Ok(own.map_or(Excluded::Already(active), |row| Excluded::Done(Box::new(row))));
    }
    counting::check(&mut transaction, context.calendar().zone()).await?;
    let seq = held.get(&stripe).map_or(0, |held| held.head);
    numbers.push(seq);
    let before = exclusions_of(&mut transaction, &new.aggregate).await?;
    let row = exclusion::insert(&mut transaction, new, seq, context.now()).await?;
    let after = exclusions_of(&mut transaction, &new.aggregate).await?;
    recount(&mut transaction, &new.aggregate, &before, &after, LateStamp::of(&held), context).await?;
    transaction.commit().await?;
    Ok(Excluded::Done(Box::new(row)))
}

/// Revokes an exclusion and counts its target again. `None` if there is no such exclusion; one that was revoked before
/// is answered as it is.
pub(crate) async fn revoke(
    exclusion_id: i64,
    revocation: &Revocation,
    context: &Context,
) -> Result<Option<ExclusionRow>, StoreError> {
    retrying!(context.store.ingest, connection => try_revoke(&mut connection, exclusion_id, revocation, context))
}

async fn try_revoke(
    connection: &mut PgConnection,
    exclusion_id: i64,
    revocation: &Revocation,
    context: &Context,
) -> Result<Option<ExclusionRow>, StoreError> {
    let Some(row) = exclusion::get(connection, exclusion_id).await? else {
        return Ok(None);
    };
    let aggregate = row.aggregate()?;
    let mut transaction = connection.begin().await?;
    let stripe = stripe_of(&aggregate.shop_id);
    let held = hold(&mut transaction, &BTreeSet::from([stripe])).await?;
    counting::check(&mut transaction, context.calendar().zone()).await?;
    let seq = held.get(&stripe).map_or(0, |held| held.head);
    let before = exclusions_of(&mut transaction, &aggregate).await?;
    exclusion::revoke(&mut transaction, exclusion_id, revocation, seq, context.now()).await?;
    let after = exclusions_of(&mut transaction, &aggregate).await?;
    recount(&mut transaction, &aggregate, &before, &after, LateStamp::of(&held), context).await?;
    let row = exclusion::get(&mut transaction, exclusion_id).await?;
    transaction.commit().await?;
    Ok(row)
}

async fn exclusions_of(connection: &mut PgConnection, aggregate: &Aggregate) -> Result<Vec<Exclusion>, StoreError> {
    Ok(exclusion::active_of(connection, &[aggregate]).await?.remove(aggregate).unwrap_or_default())
}

/// Counts an aggregate again after its exclusions changed.
async fn recount(
    connection: &mut PgConnection,
    aggregate: &Aggregate,
    before: &[Exclusion],
    after: &[Exclusion],
    late: Option<LateStamp>,
    context: &Context,
) -> Result<(), StoreError> {
    let events = event::load_before(connection, &[(aggregate, i64::MAX)]).await?.pop().unwrap_or_default();
    let changes = changes_of_exclusions(aggregate, &events, before, after, &context.calendar());
    count::add(connection, &count::KEPT, changes, late).await
}

/// Registers subjects, each named once. Returns whether each was new.
pub(crate) async fn register(registrations: &[Registration], context: &Context) -> Result<Vec<bool>, StoreError> {
    retrying!(context.store.ingest, connection => try_register(&mut connection, registrations, context))
}

async fn try_register(
    connection: &mut PgConnection,
    registrations: &[Registration],
    context: &Context,
) -> Result<Vec<bool>, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes = registrations.iter().map(|registration| stripe_of(&registration.subject.id)).collect();
    let held = hold(&mut transaction, &stripes).await?;
    let new = registry::register(&mut transaction, registrations, &held, context.now()).await?;
    transaction.commit().await?;
    Ok(new)
}
