//! Which times of events are accepted: neither ahead of the clock nor so long ago that they are not kept any more.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::domain::fault::Fault;

/// How far the clock of a sender may run ahead of ours.
const FUTURE_MAX: TimeDelta = TimeDelta::minutes(5);

/// The times that are accepted at one moment.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedTimes {
    now: DateTime<Utc>,
    /// What happened before this is removed sooner or later, so it is not taken in again. `None`: nothing is removed.
    oldest: Option<DateTime<Utc>>,
}

impl AcceptedTimes {
    /// `event_days` is for how many days events are kept; `None` for ever.
    pub fn at(now: DateTime<Utc>, event_days: Option<u16>) -> AcceptedTimes {
        AcceptedTimes { now, oldest: event_days.map(|days| now - TimeDelta::days(days.into())) }
    }

    /// What is wrong with the time of an event, if anything is.
    pub fn fault(&self, time: DateTime<Utc>) -> Option<Fault> {
        if time > self.now + FUTURE_MAX {
            let detail = "time is more than 5 minutes ahead of the server's clock";
            return Some(Fault::new("/time", "time_in_future", detail));
        }
        let oldest = self.oldest.filter(|oldest| time < *oldest)?;
        let detail = format!(
            "events from before {} are not kept any more and change no score; leave this one out, \
             or have the operator raise --event-days",
            oldest.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
        Some(Fault::new("/time", "too_old", detail))
    }
}
