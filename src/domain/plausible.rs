//! Whether the times of an order's or session's events can follow each other as told.

use super::event::{Event, Fact};
use super::fault::{Code, Fault};

/// How far a fact is along its order or session; `None` where nothing is sure to come before or after it.
fn stage(fact: &Fact) -> Option<u8> {
    match fact {
        Fact::OrderPaid { .. } | Fact::SessionStarted { .. } => Some(0),
        Fact::OrderShipped | Fact::SessionReplied => Some(1),
        Fact::OrderPickedUp => Some(2),
        Fact::OrderSigned | Fact::OrderConfirmed => Some(3),
        _ => None,
    }
}

/// What is unlikely about the time of an event beside the others of its order or session, if anything is. `others` are in
/// force: none of them is retracted.
pub(crate) fn unlikely<'a>(event: &Event, mut others: impl Iterator<Item = &'a Event>) -> Option<Fault> {
    let own = stage(&event.fact)?;
    let is_turned = |other: &&Event| {
        stage(&other.fact)
            .is_some_and(|stage| own > stage && event.time < other.time || own < stage && event.time > other.time)
    };
    let other = others.find(is_turned)?;
    let (first, then) = if own < stage(&other.fact)? { (event, other) } else { (other, event) };
    let detail = format!(
        "{} at {} lies before {} at {}, event {}; check both times",
        then.fact.event_type(),
        then.time.to_rfc3339(),
        first.fact.event_type(),
        first.time.to_rfc3339(),
        other.id
    );
    Some(Fault::new("/time", Code::UnlikelyOrder, detail))
}
