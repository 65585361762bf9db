//! Exclusions and the registry: written under the same stripes and numbers as events, so that a run can say which of
//! them it knew.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::apply::add_change_of_exclusions;
use super::retry::retrying;
use crate::context::Context;
use crate::domain::audit::{Action, Actor};
use crate::domain::count::CountChanges;
use crate::domain::event::Aggregate;
use crate::domain::exclusion::Exclusion;
use crate::domain::id::Id;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::audit::{self, Change};
use crate::storage::exclusion::{ExclusionRow, NewExclusion};
use crate::storage::late_count::LateStamp;
use crate::storage::registry::Registration;
use crate::storage::revocation::{Ledger, Revocation, revoke as revoke_entry};
use crate::storage::stripe::{hold, stripe_of};
use crate::storage::{StoreError, count, counting, event, excluded, exclusion, registry};

/// What became of a wish to exclude.
#[derive(Clone, Debug)]
pub(crate) enum Excluded {
    Done(ExclusionRow),
    /// The same target is excluded already, by this active exclusion.
    Already(ExclusionRow),
}

impl Excluded {
    pub(crate) fn row(&self) -> &ExclusionRow {
        match self {
            Excluded::Done(row) | Excluded::Already(row) => row,
        }
    }
}

/// Exclusions of one transaction: so many that it stays short.
const EXCLUDED_TOGETHER: usize = 1_000;

/// Enters exclusions and takes their targets out of the counts. Of many, those before a failure are entered; sent again,
/// they are excluded already.
pub(crate) async fn exclude(
    new: &[NewExclusion],
    actor: Actor,
    context: &Context,
) -> Result<Vec<Excluded>, StoreError> {
    let mut excluded = Vec::with_capacity(new.len());
    for together in new.chunks(EXCLUDED_TOGETHER) {
        // The ids that earlier attempts may have entered: where the reply to a commit was lost, the exclusions that the
        // next attempt finds are its own.
        let mut own = HashSet::new();
        let entered: Result<Vec<Excluded>, StoreError> = retrying!(context.store.ingest, connection => {
            try_exclude(&mut connection, together, actor, context, &mut own)
        });
        excluded.extend(entered?);
    }
    Ok(excluded)
}

async fn try_exclude(
    connection: &mut PgConnection,
    new: &[NewExclusion],
    actor: Actor,
    context: &Context,
    own: &mut HashSet<i64>,
) -> Result<Vec<Excluded>, StoreError> {
    let mut transaction = connection.begin().await?;
    let held = hold(&mut transaction, &new.iter().map(|new| stripe_of(&new.aggregate.shop_id)).collect()).await?;
    counting::check(&mut transaction, context.calendar().zone()).await?;
    let active = exclusion::find_active(&mut transaction, new).await?;
    let mut seen = HashSet::new();
    let fresh = new.iter().map(|new| (new, (&new.aggregate, &new.exclusion)));
    let fresh = fresh.filter(|(_, entry)| !active.contains_key(entry) && seen.insert(*entry));
    let fresh: Vec<&NewExclusion> = fresh.map(|(new, _)| new).collect();
    let touched: HashSet<&Aggregate> = fresh.iter().map(|new| &new.aggregate).collect();
    let touched: Vec<&Aggregate> = touched.into_iter().collect();
    let before = excluded::active_of(&mut transaction, &touched).await?;
    let entered = exclusion::insert(&mut transaction, &fresh, &held, actor.key_id(), context.now()).await?;
    own.extend(entered.values());
    recount(&mut transaction, &touched, &before, LateStamp::of(&held), context).await?;
    let ids: Vec<i64> = entered.values().copied().chain(active.values().map(|(id, _)| *id)).collect();
    let rows = exclusion::of_ids(&mut transaction, &ids).await?;
    let made = entered.values().filter_map(|id| rows.get(id));
    let changes: Vec<Change> = made.map(|row| exclusion_change(Action::ExclusionCreated, row, None)).collect();
    audit::note(&mut transaction, actor, context.now(), &changes).await?;
    transaction.commit().await?;
    // Of a target that is named twice, the first is entered and the second finds it.
    let mut unsaid = own.clone();
    let outcome = |new: &NewExclusion| {
        let entry = (&new.aggregate, &new.exclusion);
        let id = entered.get(&entry).or_else(|| active.get(&entry).map(|(id, _)| id))?;
        let row = rows.get(id)?.clone();
        Some(if unsaid.remove(id) { Excluded::Done(row) } else { Excluded::Already(row) })
    };
    let outcomes: Vec<Excluded> = new.iter().filter_map(outcome).collect();
    if outcomes.len() == new.len() {
        Ok(outcomes)
    } else {
        Err(StoreError::Corrupt("an exclusion that was entered is not there".to_owned()))
    }
}

/// Revokes an exclusion and counts its target again. `None` if there is no such exclusion; one that was revoked before
/// is answered as it is.
pub(crate) async fn revoke(
    exclusion_id: i64,
    revocation: &Revocation,
    actor: Actor,
    context: &Context,
) -> Result<Option<ExclusionRow>, StoreError> {
    retrying!(context.store.ingest, connection => try_revoke(&mut connection, exclusion_id, revocation, actor, context))
}

async fn try_revoke(
    connection: &mut PgConnection,
    exclusion_id: i64,
    revocation: &Revocation,
    actor: Actor,
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
    let before = excluded::active_of(&mut transaction, &[&aggregate]).await?;
    let is_revoked = revoke_entry(
        &mut transaction,
        Ledger::Exclusions,
        exclusion_id,
        revocation,
        (actor.key_id(), seq),
        context.now(),
    )
    .await?;
    recount(&mut transaction, &[&aggregate], &before, LateStamp::of(&held), context).await?;
    let now = exclusion::get(&mut transaction, exclusion_id).await?;
    if is_revoked && let Some(now) = &now {
        let change = exclusion_change(Action::ExclusionRevoked, now, Some(row.audited()));
        audit::note(&mut transaction, actor, context.now(), &[change]).await?;
    }
    transaction.commit().await?;
    Ok(now)
}

fn exclusion_change(action: Action, row: &ExclusionRow, before: Option<Value>) -> Change {
    let subject = Subject { kind: SubjectKind::Shop, id: Id::stored(&row.shop_id) };
    let (target, after) = (Some(row.exclusion_id.to_string()), Some(row.audited()));
    Change { action, subject: Some(subject), target, before, after }
}

/// Counts aggregates again after their exclusions changed.
async fn recount(
    connection: &mut PgConnection,
    aggregates: &[&Aggregate],
    before: &HashMap<Aggregate, Vec<Exclusion>>,
    late: Option<LateStamp>,
    context: &Context,
) -> Result<(), StoreError> {
    let after = excluded::active_of(connection, aggregates).await?;
    let whole: Vec<(&Aggregate, i64)> = aggregates.iter().map(|aggregate| (*aggregate, i64::MAX)).collect();
    let events = event::load_before(connection, &whole).await?;
    let of = |exclusions: &HashMap<Aggregate, Vec<Exclusion>>, aggregate: &Aggregate| {
        exclusions.get(aggregate).cloned().unwrap_or_default()
    };
    let mut changes = CountChanges::default();
    for (aggregate, events) in aggregates.iter().zip(&events) {
        let (before, after) = (of(before, aggregate), of(&after, aggregate));
        add_change_of_exclusions(&mut changes, aggregate, events, (&before, &after), &context.calendar());
    }
    count::add(connection, &count::KEPT, changes, late).await
}

/// Registers subjects, each named once. Returns whether each was new.
pub(crate) async fn register(
    registrations: &[Registration],
    actor: Actor,
    context: &Context,
) -> Result<Vec<bool>, StoreError> {
    retrying!(context.store.ingest, connection => try_register(&mut connection, registrations, actor, context))
}

async fn try_register(
    connection: &mut PgConnection,
    registrations: &[Registration],
    actor: Actor,
    context: &Context,
) -> Result<Vec<bool>, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes = registrations.iter().map(|registration| stripe_of(&registration.subject.id)).collect();
    let held = hold(&mut transaction, &stripes).await?;
    let new = registry::register(&mut transaction, registrations, &held, actor, context.now()).await?;
    transaction.commit().await?;
    Ok(new)
}
