//! Storing a group of events in one transaction: durable, folded and counted, or nothing.
//!
//! All events of the touched aggregates are loaded first, by key, unless the writer remembers them. They tell
//! duplicates and conflicts, how much room an aggregate has, and what it counted for before. The stripes are held, so
//! nothing can join in between, and what is new is inserted without asking the index again.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection};

use super::apply::{Touched, changes_of_events, exclusions_of};
use super::arrival::{Arrival, Attempts, arrivals, head_of};
use super::bounds::credited;
use super::recent::Recent;
use super::{Atomicity, Outcome, SentEvent};
use crate::context::Context;
use crate::domain::subject::{Subject, SubjectKind};
use crate::storage::late_count::LateStamp;
use crate::storage::packed_event::NewEvent;
use crate::storage::stripe::{hold_as, stripe_of};
use crate::storage::{StoreError, aggregate, count, counting, registry};

/// Stores events and counts them. The outcomes stand in the order of the events. With [`Atomicity::AllOrNothing`]
/// nothing is stored if any event is neither accepted nor a duplicate.
pub(crate) async fn write(
    connection: &mut PgConnection,
    events: &[&SentEvent],
    atomicity: Atomicity,
    context: &Context,
    attempts: &mut Attempts,
    recent: &mut Recent,
) -> Result<Vec<Outcome>, StoreError> {
    let mut transaction = connection.begin().await?;
    let stripes: BTreeSet<i16> = events.iter().map(|sent| stripe_of(&sent.event.aggregate.shop_id)).collect();
    let held = hold_as(&mut transaction, &stripes, recent.writer).await?;
    recent.begin(&held);
    counting::check(&mut transaction, context.calendar().zone()).await?;
    let mut outcomes = vec![Outcome::Refused; events.len()];
    let credited = credited(&mut transaction, events, context, &recent.known).await?;
    let events: Vec<&SentEvent> = credited.iter().map(Cow::as_ref).collect();
    let events = &events[..];
    let mut arrivals = arrivals(&mut transaction, events, recent).await?;
    for arrival in &mut arrivals {
        arrival.decide(events, attempts, context.intake.unknown_members(), &mut outcomes);
    }
    attempts.note(&held);
    let harmless = |outcome: &Outcome| outcome.is_accepted() || *outcome == Outcome::Duplicate;
    if atomicity == Atomicity::AllOrNothing && !outcomes.iter().all(harmless) {
        transaction.rollback().await?;
        return Ok(outcomes);
    }
    let (known, unknown): (Vec<&Arrival<'_>>, Vec<&Arrival<'_>>) =
        arrivals.iter().filter(|arrival| !arrival.new.is_empty()).partition(|arrival| arrival.is_known());
    let mut named = BTreeSet::new();
    if !known.is_empty() || !unknown.is_empty() {
        let received_at = context.now();
        let new = |arrivals: &[&Arrival<'_>]| -> Vec<NewEvent<'_>> {
            let sent = arrivals.iter().flat_map(|arrival| arrival.new.iter().map(|place| events[*place]));
            let new = sent.map(|SentEvent { event, key_id, .. }| NewEvent {
                event,
                received_at,
                seq: head_of(&held, event),
                key_id: *key_id,
            });
            new.collect()
        };
        aggregate::insert(&mut transaction, &new(&unknown)).await?;
        aggregate::append(&mut transaction, &new(&known)).await?;
        let with_new = arrivals.iter().filter(|arrival| !arrival.new.is_empty());
        let touched: Vec<Touched<'_>> = with_new.map(|arrival| arrival.touched(events)).collect();
        let exclusions = exclusions_of(&mut transaction, touched.iter().map(|one| one.aggregate), &held).await?;
        let changes = changes_of_events(&touched, &exclusions, &context.calendar());
        count::add(&mut transaction, &count::KEPT, changes, LateStamp::of(&held)).await?;
        named = recent.known.unknown(named_subjects(&touched), &held);
        if !named.is_empty() {
            // As late as possible: another writer that names the same creator waits for the commit from here on.
            registry::insert_named(&mut transaction, &named, context.now()).await?;
        }
    }
    transaction.commit().await?;
    recent.known.note(named, &held);
    recent.commit(&held);
    for arrival in arrivals {
        arrival.remember(events, &held, recent);
    }
    Ok(outcomes)
}

/// What would become of events that are sent now, without storing anything.
pub(crate) async fn rehearse(
    connection: &mut PgConnection,
    events: &[&SentEvent],
    context: &Context,
) -> Result<Vec<Outcome>, StoreError> {
    let mut transaction = connection.begin().await?;
    let mut recent = Recent::default();
    let credited = credited(&mut transaction, events, context, &recent.known).await?;
    let events: Vec<&SentEvent> = credited.iter().map(Cow::as_ref).collect();
    let mut outcomes = vec![Outcome::Refused; events.len()];
    for arrival in &mut arrivals(&mut transaction, &events, &mut recent).await? {
        arrival.decide(&events, &Attempts::default(), context.intake.unknown_members(), &mut outcomes);
    }
    transaction.rollback().await?;
    Ok(outcomes)
}

/// The shops and creators that new events name, as often as they do.
fn named_subjects(touched: &[Touched<'_>]) -> impl Iterator<Item = Subject> {
    let shops = touched.iter().map(|one| Subject { kind: SubjectKind::Shop, id: one.aggregate.shop_id.clone() });
    let creators = touched.iter().flat_map(|one| &one.new).filter_map(|event| event.fact.creator_id());
    shops.chain(creators.map(|id| Subject { kind: SubjectKind::Creator, id: id.clone() }))
}
