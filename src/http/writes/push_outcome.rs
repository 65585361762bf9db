//! What becomes of one message that a platform pushed.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::connect::message::{Fate, Meaning, Message};
use crate::domain::event::Event;
use crate::domain::event_type::EventType;
use crate::http::terms::{FateTerm, Term};
use crate::ingest::Outcome;
use crate::ingest::door::Read;
use crate::storage::unread_message::NewUnread;

/// A message on its way.
pub(super) struct Pushed {
    pub message: Message,
    /// What it makes, as it would be sent to `/v1/events`.
    made: Vec<Value>,
    /// Those that can be stored.
    pub events: Vec<Arc<Event>>,
    /// The first thing that is wrong: code and detail.
    wrong: Option<(String, String)>,
    pub stored: usize,
    /// Stored before; with another content too, since a time may be that of the receipt.
    pub repeated: usize,
}

/// A message with what it makes.
#[derive(Serialize, ToSchema)]
pub(crate) struct PushedMessage {
    /// What the platform calls its kind.
    pub tag: String,
    #[schema(required)]
    pub message_id: Option<String>,
    pub outcome: FateTerm,
    /// Why it is not understood, or why an event of it would be rejected; null where nothing is wrong.
    #[schema(required)]
    pub code: Option<String>,
    #[schema(required)]
    pub detail: Option<String>,
    /// The events that it makes, as they would be sent to `/v1/events`.
    #[schema(value_type = Vec<serde_json::Map<String, Value>>)]
    pub events: Vec<Value>,
}

impl From<Pushed> for PushedMessage {
    fn from(pushed: Pushed) -> PushedMessage {
        let outcome = Term(pushed.fate());
        let Pushed { message, made, wrong, .. } = pushed;
        let (code, detail) = wrong.unzip();
        PushedMessage { tag: message.tag, message_id: message.id, outcome, code, detail, events: made }
    }
}

impl Pushed {
    /// Reads the events that messages make.
    pub(super) fn of(messages: Vec<Message>, read: impl Fn(&[u8]) -> Read) -> Vec<Pushed> {
        messages.into_iter().map(|message| Pushed::of_one(message, &read)).collect()
    }

    fn of_one(message: Message, read: &impl Fn(&[u8]) -> Read) -> Pushed {
        let mut pushed = Pushed { message, made: Vec::new(), events: Vec::new(), wrong: None, stored: 0, repeated: 0 };
        match &pushed.message.meaning {
            // Parts are given their orders before.
            Meaning::Nothing | Meaning::OfParts(_) => {}
            Meaning::Unread(unread) => pushed.wrong = Some((unread.code.to_owned(), unread.detail.clone())),
            Meaning::Events(made) => pushed.made = made.iter().map(|event| event.value()).collect(),
        }
        for made in &pushed.made {
            match read(made.to_string().as_bytes()) {
                Ok(event) => pushed.events.push(event.event),
                Err(rejected) => {
                    let first = rejected.faults.first();
                    let told =
                        first.map(|fault| (fault.code.to_string(), format!("{}: {}", fault.pointer, fault.detail)));
                    pushed.wrong = pushed.wrong.take().or(told);
                }
            }
        }
        pushed
    }

    /// The product whose state it tells, and whether it is on the shelf.
    pub(super) fn told_product(&self) -> Option<(&str, &str, bool)> {
        let event = self.events.first().filter(|_| self.message.tells_state)?;
        let is_listed = event.fact.event_type() == EventType::ProductListed;
        Some((event.aggregate.shop_id.as_str(), event.aggregate.id.as_str(), is_listed))
    }

    /// Leaves its events out: they say nothing new.
    pub(super) fn forget_events(&mut self) {
        self.made.clear();
        self.events.clear();
    }

    /// Notes what became of its events, in their order.
    pub(super) fn note(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Accepted | Outcome::AcceptedWith(_) => self.stored += 1,
                Outcome::Duplicate | Outcome::Conflict => self.repeated += 1,
                rejected => {
                    let told = rejected.fault().map(|fault| (fault.code.to_string(), fault.detail));
                    self.wrong = self.wrong.take().or(told);
                }
            }
        }
    }

    pub(super) fn fate(&self) -> Fate {
        if self.wrong.is_some() {
            Fate::Unread
        } else if self.made.is_empty() {
            Fate::Ignored
        } else if self.stored == 0 && self.repeated > 0 {
            Fate::Repeated
        } else {
            Fate::Stored
        }
    }

    pub(super) fn rejected(&self) -> usize {
        self.made.len() - self.stored - self.repeated
    }

    /// The tag, as figures name it: those that no table has are one.
    pub(super) fn tag_shown(&self) -> &str {
        if self.message.is_known { &self.message.tag } else { "other" }
    }

    /// What is kept of it, where something is wrong.
    pub(super) fn unread(&self) -> Option<NewUnread> {
        let (code, detail) = self.wrong.clone()?;
        let Message { tag, id, text, .. } = &self.message;
        Some(NewUnread {
            tag: shortened(tag),
            message_id: id.as_deref().map(shortened),
            code,
            detail: shortened(&detail),
            message: text.clone(),
        })
    }
}

/// What a platform, or who says to be one, wrote where a word is expected.
fn shortened(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').take(256).collect()
}
