//! The door for events, from wherever they come: one JSON text becomes an event, or all that is wrong with it.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use crate::config::{IntakeSettings, RetentionSettings};
use crate::context::Context;
use crate::domain::calendar::{Calendar, parse_instant};
use crate::domain::content::{duplicate_member, without_half_pairs};
use crate::domain::event::Event;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::members::UnknownMembers;
use crate::domain::parse::{Envelope, Parsed, parse_event};

/// The most bytes of one event.
const EVENT_BYTES_MAX: usize = 64 * 1024;
/// How far the clock of a sender may run ahead of ours.
const FUTURE_MAX: TimeDelta = TimeDelta::minutes(5);

/// Whether a text begins as UTF-16 files do.
pub(crate) fn is_utf16(text: &[u8]) -> bool {
    matches!(text, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..])
}

/// What is accepted at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptance {
    /// What becomes of members of `data` that nobody asked for.
    unknown: UnknownMembers,
    now: DateTime<Utc>,
    /// Earlier times are mistakes, such as a zero that became 1970.
    from: DateTime<Utc>,
    /// What happened before this is removed sooner or later, so it is not taken in again. `None`: nothing is removed.
    kept_from: Option<DateTime<Utc>>,
}

impl Acceptance {
    /// What is accepted now.
    pub(crate) fn of(context: &Context) -> Acceptance {
        Acceptance::new(&context.intake, &context.retention, context.calendar(), context.now())
    }

    /// What is accepted under some settings.
    pub(crate) fn new(
        intake: &IntakeSettings,
        retention: &RetentionSettings,
        calendar: Calendar,
        now: DateTime<Utc>,
    ) -> Acceptance {
        Acceptance {
            unknown: intake.unknown_members(),
            now,
            from: calendar.instant(intake.oldest_time, NaiveTime::MIN),
            kept_from: retention.event_days.map(|days| now - TimeDelta::days(days.into())),
        }
    }

    /// What is wrong with the time of an event, if anything is.
    pub(crate) fn fault(&self, time: DateTime<Utc>) -> Option<Fault> {
        if time > self.now + FUTURE_MAX {
            let detail = "time is more than 5 minutes ahead of the server's clock";
            return Some(Fault::new("/time", Code::TimeInFuture, detail));
        }
        let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let detail = if time < self.from {
            format!(
                "times before {} are taken for mistakes; correct the time, or ask the operator to set --oldest-time",
                shown(self.from)
            )
        } else {
            let kept_from = self.kept_from.filter(|kept_from| time < *kept_from)?;
            format!(
                "events from before {} are not kept and no longer change any score; leave this one out, \
                 or ask the operator to raise --event-days",
                shown(kept_from)
            )
        };
        Some(Fault::new("/time", Code::TooOld, detail))
    }

    /// Lets an event in whose time is one that is accepted.
    fn admit(&self, Parsed { event, warnings, unknown }: Parsed) -> Read {
        match self.fault(event.time) {
            None => Ok(ReadEvent { event: Arc::new(event), warnings, unknown }),
            Some(fault) => Err(Rejected::of(&event, vec![fault])),
        }
    }
}

/// An event that was read, with what its sender should know of it.
#[derive(Clone, Debug)]
pub(crate) struct ReadEvent {
    pub event: Arc<Event>,
    pub warnings: Vec<Fault>,
    /// Members of its data that its type does not know.
    pub unknown: Vec<String>,
}

/// An event that is rejected, with what it claims to be as far as that could be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rejected {
    pub id: Option<String>,
    pub shop_id: Option<Id>,
    pub event_type: Option<String>,
    /// At least one.
    pub faults: Vec<Fault>,
}

impl Rejected {
    /// A sound event that is rejected all the same.
    pub(crate) fn of(event: &Event, faults: Vec<Fault>) -> Box<Rejected> {
        let (id, shop_id) = (Some(event.id.to_string()), Some(event.aggregate.shop_id.clone()));
        Box::new(Rejected { id, shop_id, event_type: Some(event.fact.event_type().to_string()), faults })
    }

    /// What claims nothing that could be read.
    fn unread(faults: Vec<Fault>) -> Box<Rejected> {
        Box::new(Rejected { faults, ..Rejected::default() })
    }

    /// What a text claims that was read as JSON.
    fn claimed(value: &Value, envelope: Envelope, faults: Vec<Fault>) -> Box<Rejected> {
        let text =
            |name: &str| value.get(name).and_then(Value::as_str).map(|text| text.chars().take(128).collect::<String>());
        let shop_id = text(envelope.shop_field()).and_then(|id| Id::parse(&id).ok());
        Box::new(Rejected { id: text("id"), shop_id, event_type: text("type"), faults })
    }
}

/// An event that was read, or what is wrong with it.
pub(crate) type Read = Result<ReadEvent, Box<Rejected>>;

/// Reads one event from its JSON text.
pub(crate) fn read_event(text: &[u8], envelope: Envelope, acceptance: &Acceptance) -> Read {
    let fault = |code, detail: &str| vec![Fault::new("", code, detail)];
    if text.len() > EVENT_BYTES_MAX {
        return Err(Rejected::unread(fault(Code::EventTooLarge, "an event has at most 65536 bytes")));
    }
    let mended;
    let (value, text): (Value, &[u8]) = match serde_json::from_slice(text) {
        Ok(value) => (value, text),
        Err(error) => {
            // Half a character in a text that nobody reads does not cost the event.
            mended = without_half_pairs(text).unwrap_or_default();
            let value = serde_json::from_slice(&mended);
            let malformed = || fault(Code::MalformedJson, &format!("not JSON: {error}"));
            (value.map_err(|_| Rejected::unread(malformed()))?, &mended)
        }
    };
    let has_escaped_dollar = || text.contains(&b'\\') && text.windows(6).any(|part| part == b"\\u0024");
    if text.contains(&b'$') || has_escaped_dollar() {
        refuse_private_keys(&value, text)?;
    }
    if let Some(pointer) = duplicate_member(text, &value) {
        let detail = "a JSON object must name each member once";
        return Err(Rejected::claimed(&value, envelope, vec![Fault::new(pointer, Code::DuplicateMember, detail)]));
    }
    // Most events are sound, so what a wrong one claims is read anew.
    let claimed = |mut faults: Vec<Fault>| {
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let time = value.get("time").and_then(Value::as_str).and_then(parse_instant);
        faults.extend(time.and_then(|time| acceptance.fault(time)));
        Rejected::claimed(&value, envelope, faults)
    };
    acceptance.admit(parse_event(value, envelope, acceptance.unknown).map_err(claimed)?)
}

/// Reads an event that was made here of something else, such as a row of a table.
pub(crate) fn read_made(value: Value, acceptance: &Acceptance) -> Read {
    acceptance.admit(parse_event(value, Envelope::Native, acceptance.unknown).map_err(Rejected::unread)?)
}

/// The JSON library gives objects with a key of its own name a meaning of their own. What does not read back as it was
/// written must not be stored.
fn refuse_private_keys(value: &Value, text: &[u8]) -> Result<(), Box<Rejected>> {
    const PRIVATE: &[u8] = b"$serde_json::private";
    let named = text.windows(PRIVATE.len()).any(|part| part == PRIVATE);
    let read_back = serde_json::from_str::<Value>(&value.to_string());
    if !named && read_back.is_ok_and(|read_back| read_back == *value) {
        Ok(())
    } else {
        let faults = vec![Fault::new("", Code::MalformedJson, "the key name is reserved")];
        Err(Rejected::unread(faults))
    }
}
