//! Folding an IM session (scoring law §5, the two IM metrics).

use super::calendar::Calendar;
use super::event::{Channel, Event, Fact};
use super::fold::{Folded, Tally, seconds_between};
use super::measure::Measure;

/// A reply within this many seconds of the session's start is in time.
const REPLY_SECONDS_MAX: i64 = 180;
/// Sessions that start in these hours of the business clock (08:00:00-22:59:59) expect a reply.
const SERVICE_HOURS: std::ops::RangeInclusive<u32> = 8..=22;
/// A rating of at most this many stars is a dissatisfied one.
const DISSATISFIED_STARS_MAX: u8 = 3;

/// Folds the standing events of one session, which are sorted by (time, id).
pub fn fold(events: &[&Event], calendar: &Calendar) -> Folded {
    let start = events.iter().find_map(|event| match &event.fact {
        Fact::SessionStarted { channel, creator_id } => Some((event.time, *channel, creator_id.clone())),
        _ => None,
    });
    let Some((started_at, Channel::Human, creator_id)) = start else {
        return Folded::default();
    };
    let mut tallies = Vec::with_capacity(4);
    let mut add = |measure, amount| {
        if amount != 0 {
            tallies.push(Tally { at: started_at, measure, amount });
        }
    };
    if SERVICE_HOURS.contains(&calendar.hour(started_at)) {
        let reply = events.iter().find(|event| event.fact == Fact::SessionReplied && event.time >= started_at);
        let in_time = reply.is_some_and(|reply| seconds_between(started_at, reply.time) <= REPLY_SECONDS_MAX);
        add(Measure::DaytimeSessions, 1);
        add(Measure::QuickReplies, in_time.into());
    }
    let rating = events.iter().find_map(|event| match event.fact {
        Fact::SessionRated { stars } => Some(stars),
        _ => None,
    });
    if let Some(stars) = rating {
        add(Measure::RatedSessions, 1);
        add(Measure::DissatisfiedSessions, (stars <= DISSATISFIED_STARS_MAX).into());
    }
    Folded { creator_id, tallies, ..Folded::default() }
}
