//! Folding an IM session (scoring law §5, the two IM metrics).

use super::calendar::Calendar;
use super::event::{Channel, Event, Fact};
use super::fields::Stars;
use super::id::Id;
use super::measure::{DISSATISFIED_STARS_MAX, Measure};
use super::tally::{Folded, Sink, Tally, seconds_between};

/// A reply within this many seconds of the session's start is in time.
const REPLY_SECONDS_MAX: i64 = 180;
/// Sessions that start in these hours of the business clock (08:00:00-22:59:59) expect a reply.
const SERVICE_HOURS: std::ops::RangeInclusive<u32> = 8..=22;

/// The longest that a round is counted, in seconds; one that nobody ends counts as long.
const ROUND_SECONDS_MAX: i64 = 600;

/// What is found in the events of one session.
#[derive(Default)]
struct Found<'a> {
    /// The earliest start, with its place among the session's events.
    start: Option<(usize, &'a Event)>,
    channel: Option<Channel>,
    creator_id: Option<Id>,
    /// The earliest rating.
    rating: Option<(&'a Event, Stars)>,
}

impl<'a> Found<'a> {
    fn note(&mut self, place: usize, event: &'a Event) {
        match &event.fact {
            Fact::SessionStarted { channel, creator_id } => {
                if self.start.is_none() {
                    (self.start, self.channel) = (Some((place, event)), Some(*channel));
                    self.creator_id.clone_from(creator_id);
                }
            }
            Fact::SessionRated { stars } => {
                self.rating.get_or_insert((event, *stars));
            }
            // All of them count, see below.
            Fact::SessionHandedOver | Fact::SessionAsked | Fact::SessionReplied => {}
            // Not of a session, or not effective.
            Fact::OrderPaid { .. }
            | Fact::OrderDescribed { .. }
            | Fact::OrderPromised { .. }
            | Fact::OrderShipped
            | Fact::OrderPickedUp
            | Fact::OrderSigned
            | Fact::OrderConfirmed
            | Fact::OrderCancelled
            | Fact::ReviewPosted { .. }
            | Fact::ReviewRevised { .. }
            | Fact::AftersaleOpened { .. }
            | Fact::AftersaleModified { .. }
            | Fact::AftersaleAwaitingMerchant { .. }
            | Fact::AftersaleMerchantResponded { .. }
            | Fact::AftersaleCompleted { .. }
            | Fact::ArbitrationOpened { .. }
            | Fact::ArbitrationDecided { .. }
            | Fact::ComplaintFiled { .. }
            | Fact::ComplaintWithdrawn { .. }
            | Fact::ProductListed
            | Fact::ProductDelisted
            | Fact::Retracted { .. } => {}
        }
    }
}

/// A session that a human answers, from where on it is one.
struct HumanSession<'a> {
    /// The user's first message, or the hand-over by a bot.
    start: &'a Event,
    /// The user's first message and the hand-over, where there was one.
    starts: Vec<&'a Event>,
    /// What came after the start.
    later: &'a [&'a Event],
}

impl<'a> HumanSession<'a> {
    /// `None` where no human answers. `events` are sorted by (time, id).
    fn of((place, started): (usize, &'a Event), channel: Channel, events: &'a [&'a Event]) -> Option<HumanSession<'a>> {
        let later = &events[place + 1..];
        if channel == Channel::Human {
            return Some(HumanSession { start: started, starts: vec![started], later });
        }
        let handed_over = later.iter().position(|event| event.fact == Fact::SessionHandedOver)?;
        let start = later[handed_over];
        Some(HumanSession { start, starts: vec![started, start], later: &later[handed_over + 1..] })
    }

    fn was_handed_over(&self) -> bool {
        self.starts.len() > 1
    }

    /// The seconds of every round that opens in service hours, with the marks that open and close it (scoring law §10).
    fn rounds(&self, calendar: &Calendar) -> Vec<(i64, &'a Event, Option<&'a Event>)> {
        let (mut rounds, mut open) = (Vec::new(), Some(self.start));
        for mark in self.later.iter().copied() {
            let asks = match mark.fact {
                Fact::SessionAsked => true,
                Fact::SessionHandedOver => self.was_handed_over(),
                _ => false,
            };
            if asks {
                open.get_or_insert(mark);
            } else if mark.fact == Fact::SessionReplied
                && let Some(asked) = open.take()
            {
                rounds.push((seconds_between(asked.time, mark.time).min(ROUND_SECONDS_MAX), asked, Some(mark)));
            }
        }
        rounds.extend(open.map(|asked| (ROUND_SECONDS_MAX, asked, None)));
        rounds.retain(|(_, asked, _)| is_in_service_hours(calendar, asked));
        rounds
    }
}

fn is_in_service_hours(calendar: &Calendar, event: &Event) -> bool {
    SERVICE_HOURS.contains(&calendar.hour(event.time))
}

/// Folds the effective events of one session, which are sorted by (time, id).
pub(crate) fn fold<'e>(events: &'e [&'e Event], calendar: &Calendar, sink: &mut Sink<'_>) -> Folded {
    let mut found = Found::default();
    events.iter().enumerate().for_each(|(place, event)| found.note(place, event));
    let session = found.start.zip(found.channel).and_then(|(start, channel)| HumanSession::of(start, channel, events));
    let Some(session) = session else { return Folded::default() };
    let started = session.start;
    let mut put = |measure, amount, others: &dyn Fn() -> Vec<&'e Event>| {
        if amount != 0 {
            let tally = Tally { at: started.time, measure, amount };
            sink(tally, None, &|| session.starts.iter().copied().chain(others()).collect());
        }
    };
    if is_in_service_hours(calendar, started) {
        let is_reply = |event: &&Event| event.fact == Fact::SessionReplied && event.time >= started.time;
        let reply = events.iter().copied().find(is_reply);
        let in_time = reply.is_some_and(|reply| seconds_between(started.time, reply.time) <= REPLY_SECONDS_MAX);
        put(Measure::DaytimeSessions, 1, &|| reply.into_iter().collect());
        put(Measure::QuickReplies, in_time.into(), &|| reply.into_iter().collect());
    }
    if let Some((rated, stars)) = found.rating {
        put(Measure::RatedSessions, 1, &|| vec![rated]);
        put(Measure::DissatisfiedSessions, (stars.number() <= DISSATISFIED_STARS_MAX).into(), &|| vec![rated]);
    }
    let rounds = session.rounds(calendar);
    let marks = || {
        let marks = rounds.iter().flat_map(|(_, asked, replied)| [Some(*asked), *replied]).flatten();
        marks.filter(|mark| mark.id != started.id).collect()
    };
    put(Measure::ReplyRounds, rounds.len() as i64, &marks);
    put(Measure::ReplySeconds, rounds.iter().map(|(seconds, ..)| seconds).sum(), &marks);
    Folded { creator_id: found.creator_id, ..Folded::default() }
}
