//! Scenarios of [`super`]: who takes what, and who is answered.

use std::sync::Arc;

use chrono::DateTime;
use tokio::sync::{Semaphore, oneshot};

use super::{Answer, Dispatch, GROUP_EVENTS_MIN, Part};
use crate::domain::event::{Aggregate, AggregateKind, Relay};
use crate::domain::id::Id;
use crate::ingest::{Outcome, SentEvent};
use crate::storage::packed_event::event_of_row;

fn part(events: usize) -> (Part, oneshot::Receiver<Answer>) {
    let aggregate = Aggregate { shop_id: Id::stored("s"), kind: AggregateKind::Order, id: Id::stored("o") };
    let event = event_of_row(&aggregate, 4, DateTime::UNIX_EPOCH, "e", (String::new(), false)).expect("an event");
    let sent = SentEvent { event: event.into(), key_id: None, relay: Relay::Everything, is_strict: false };
    let (reply, answer) = oneshot::channel();
    let room = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("room");
    (Part { events: vec![sent; events], reply, _room: Arc::new(room) }, answer)
}

/// A request with as many events in each of these stripes.
fn push(dispatch: &Dispatch, stripes: &[i16], events: usize) -> Vec<oneshot::Receiver<Answer>> {
    let (parts, answers): (Vec<_>, Vec<_>) = stripes
        .iter()
        .map(|stripe| {
            let (part, answer) = part(events);
            ((*stripe, part), answer)
        })
        .unzip();
    dispatch.push(parts);
    answers
}

#[tokio::test]
async fn writers_share_what_waits_and_never_a_stripe() {
    let dispatch = Arc::new(Dispatch::default());
    let _answers = push(&dispatch, &[0, 1, 2, 3], GROUP_EVENTS_MIN / 2);
    let first = dispatch.take().await.expect("a group");
    assert_eq!(first.recent.stripes.keys().collect::<Vec<_>>(), [&0, &1]);
    let _more = push(&dispatch, &[0, 1], GROUP_EVENTS_MIN);
    let second = dispatch.take().await.expect("a group");
    assert_eq!(second.recent.stripes.keys().collect::<Vec<_>>(), [&2, &3]);
    assert!(dispatch.state().take().is_none(), "what waits is being written");
    drop(first);
    let third = dispatch.take().await.expect("a group");
    assert_eq!(third.recent.stripes.keys().collect::<Vec<_>>(), [&0]);
}

#[tokio::test]
async fn the_oldest_request_goes_first_and_everybody_is_answered() {
    let dispatch = Arc::new(Dispatch::default());
    let old = push(&dispatch, &[5], GROUP_EVENTS_MIN);
    let mut young = push(&dispatch, &[5, 6], GROUP_EVENTS_MIN);
    let mut group = dispatch.take().await.expect("a group");
    let results = group.work().0.iter().map(|_| Ok(Outcome::Accepted)).collect();
    group.answer(results);
    for answer in old {
        assert_eq!(answer.await.expect("an answer").len(), GROUP_EVENTS_MIN);
    }
    assert!(young.iter_mut().all(|answer| answer.try_recv().is_err()));
    assert_eq!((dispatch.committed(5), dispatch.committed(6)), (1, 0));
}

#[tokio::test]
async fn what_waits_is_written_before_writers_end_and_the_abandoned_is_not() {
    let dispatch = Arc::new(Dispatch::default());
    drop(push(&dispatch, &[1], 1));
    let _answers = push(&dispatch, &[1], 1);
    dispatch.close();
    let mut group = dispatch.take().await.expect("a group");
    group.drop_abandoned();
    assert_eq!(group.work().0.len(), 1);
    assert!(dispatch.take().await.is_none());
}
