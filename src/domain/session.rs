//! Folding an IM session (scoring law §5, the two IM metrics).

use super::calendar::Calendar;
use super::event::{Channel, Event, Fact};
use super::measure::{DISSATISFIED_STARS_MAX, Measure};
use super::tally::{Folded, Sink, Tally, seconds_between};

/// A reply within this many seconds of the session's start is in time.
const REPLY_SECONDS_MAX: i64 = 180;
/// Sessions that start in these hours of the business clock (08:00:00-22:59:59) expect a reply.
const SERVICE_HOURS: std::ops::RangeInclusive<u32> = 8..=22;

/// Folds the effective events of one session, which are sorted by (time, id).
pub(crate) fn fold(events: &[&Event], calendar: &Calendar, sink: &mut Sink<'_>) -> Folded {
    let (mut start, mut rating, mut replies) = (None, None, Vec::new());
    for event in events.iter().copied() {
        match &event.fact {
            Fact::SessionStarted { channel, creator_id } => {
                start.get_or_insert((event, *channel, creator_id.clone()));
            }
            Fact::SessionReplied => replies.push(event),
            Fact::SessionRated { stars } => {
                rating.get_or_insert((event, *stars));
            }
            // Not of a session, or not effective.
            Fact::OrderPaid { .. }
            | Fact::OrderShipped
            | Fact::OrderPickedUp
            | Fact::OrderSigned
            | Fact::OrderConfirmed
            | Fact::OrderCancelled
            | Fact::ReviewPosted { .. }
            | Fact::ReviewRevised { .. }
            | Fact::AftersaleOpened { .. }
            | Fact::AftersaleAwaitingMerchant { .. }
            | Fact::AftersaleMerchantResponded { .. }
            | Fact::AftersaleCompleted { .. }
            | Fact::ArbitrationDecided { .. }
            | Fact::ComplaintFiled { .. }
            | Fact::ComplaintWithdrawn { .. }
            | Fact::ProductListed
            | Fact::ProductDelisted
            | Fact::Retracted { .. } => {}
        }
    }
    let Some((started, Channel::Human, creator_id)) = start else {
        return Folded::default();
    };
    let mut put = |measure, amount, other: Option<&Event>| {
        if amount != 0 {
            let tally = Tally { at: started.time, measure, amount };
            sink(tally, None, &|| [Some(started), other].into_iter().flatten().collect());
        }
    };
    if SERVICE_HOURS.contains(&calendar.hour(started.time)) {
        let reply = replies.into_iter().find(|event| event.time >= started.time);
        let in_time = reply.is_some_and(|reply| seconds_between(started.time, reply.time) <= REPLY_SECONDS_MAX);
        put(Measure::DaytimeSessions, 1, reply);
        put(Measure::QuickReplies, in_time.into(), reply);
    }
    if let Some((rated, stars)) = rating {
        put(Measure::RatedSessions, 1, Some(rated));
        put(Measure::DissatisfiedSessions, (stars.number() <= DISSATISFIED_STARS_MAX).into(), Some(rated));
    }
    Folded { creator_id, ..Folded::default() }
}
