//! What is checked of events that could be read: whether their caller may send them, and whether their shops have categories.

use std::collections::HashSet;

use super::event_body::Parsed;
use crate::domain::event::Event;
use crate::domain::fault::{Code, Fault};
use crate::domain::id::Id;
use crate::domain::parse::Envelope;
use crate::http::auth::Caller;
use crate::ingest::door::{Read, ReadEvent, Rejected};

/// Rejects what the caller may not send, and what a strict sender would be warned of.
pub(super) fn check(parsed: &mut Parsed, caller: &Caller, is_strict: bool) {
    for read in &mut parsed.events {
        refuse_others(read, caller, parsed.envelope);
        let warnings = read.as_mut().ok().filter(|_| is_strict).map(|read| std::mem::take(&mut read.warnings));
        refuse(read, warnings.unwrap_or_default());
    }
}

/// An event in this service's own form, rejected where the caller may not send it.
pub(super) fn checked(mut read: Read, caller: &Caller) -> Read {
    refuse_others(&mut read, caller, Envelope::Native);
    read
}

fn refuse_others(read: &mut Read, caller: &Caller, envelope: Envelope) {
    let fault = read.as_ref().ok().and_then(|read| not_the_callers(&read.event, caller, envelope));
    refuse(read, fault.into_iter().collect());
}

/// A warning of the event's shop, once for each of those that have no category. It is no fault of the event, so it rejects
/// none.
pub(super) fn without_category(event: &Event, lacking: &mut HashSet<Id>, envelope: Envelope) -> Option<Fault> {
    let shop_id = &event.aggregate.shop_id;
    lacking.remove(shop_id).then(|| {
        let detail = format!(
            "the shop {shop_id} has no category, so it is compared with the whole market; PUT /v1/shops/{shop_id} sets it"
        );
        Fault::new(format!("/{}", envelope.shop_field()), Code::NoCategory, detail)
    })
}

/// Why a caller may not send an event, if that is so.
fn not_the_callers(event: &Event, caller: &Caller, envelope: Envelope) -> Option<Fault> {
    if !caller.may_write(&event.aggregate.shop_id) {
        return Some(Fault::new(
            format!("/{}", envelope.shop_field()),
            Code::ForbiddenShop,
            "the key is bound to other shops",
        ));
    }
    let event_type = event.fact.event_type();
    (!caller.relay().allows(event_type)).then(|| {
        let detail = format!("{} needs a key with the scope events:relay", event_type);
        Fault::new("/type", Code::ForbiddenType, detail)
    })
}

/// Rejects an event for faults, if there are any.
fn refuse(read: &mut Read, faults: Vec<Fault>) {
    if let (Ok(ReadEvent { event, .. }), false) = (&read, faults.is_empty()) {
        *read = Err(Rejected::of(event, faults));
    }
}
