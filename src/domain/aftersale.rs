//! Folding the after-sale cases of an order (scoring law §4).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::calendar::Calendar;
use super::event::{AftersaleKind, AftersaleOutcome, AftersaleReason, Event, Fact, Liable, Part};
use super::id::Id;
use super::measure::Measure;
use super::tally::{Sink, put, seconds_between};

/// The human desk reviews no case from 23:00:00 to 07:59:59: one that opens then waits from the morning on (scoring law §10).
const REVIEW_NIGHT: (u32, u32) = (23, 8);

/// An after-sale case, completed or not.
#[derive(Clone, Debug)]
pub(crate) struct Opened<'a> {
    pub aftersale_id: &'a Id,
    pub opened: &'a Event,
    /// The last word on what it is, up to its completion.
    pub kind: AftersaleKind,
    pub reason: AftersaleReason,
    /// The events that said so, beside the opening.
    modified: Vec<&'a Event>,
    /// The earliest call for the platform, or its ruling.
    pub platform: Option<&'a Event>,
    /// Where the opening and the completion stand among the events of the case.
    opening: usize,
    completion: Option<usize>,
    events: &'a [&'a Event],
}

impl<'a> Opened<'a> {
    /// `None` for a case that was not opened. `events` are those of the case, sorted by (time, id).
    fn of(aftersale_id: &'a Id, events: &'a [&'a Event]) -> Option<Opened<'a>> {
        let (opening, mut kind, mut reason) =
            events.iter().enumerate().find_map(|(index, event)| match event.fact {
                Fact::AftersaleOpened { kind, reason, .. } => Some((index, kind, reason)),
                _ => None,
            })?;
        let completion = events.iter().position(|event| matches!(event.fact, Fact::AftersaleCompleted { .. }));
        let mut modified = Vec::new();
        for event in events.get(opening + 1..completion.unwrap_or(events.len())).unwrap_or_default() {
            if let Fact::AftersaleModified { kind: now_kind, reason: now_reason, .. } = event.fact {
                (kind, reason) = (now_kind.unwrap_or(kind), now_reason.unwrap_or(reason));
                modified.push(*event);
            }
        }
        let platform = events
            .iter()
            .copied()
            .find(|event| matches!(event.fact, Fact::ArbitrationOpened { .. } | Fact::ArbitrationDecided { .. }));
        let opened = events[opening];
        Some(Opened { aftersale_id, opened, kind, reason, modified, platform, opening, completion, events })
    }

    /// What says what the case is about.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'a Event> {
        [self.opened].into_iter().chain(self.modified.clone())
    }

    pub(super) fn tally(&self, sink: &mut Sink<'_>) {
        let (at, id) = (self.opened.time, Some(self.aftersale_id));
        put(sink, at, Measure::OpenedCases, 1, id, &|| vec![self.opened]);
        let facts = || [self.opened].into_iter().chain(self.platform).collect();
        put(sink, at, Measure::PlatformCases, self.platform.is_some().into(), id, &facts);
    }
}

/// A completed after-sale case.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub opened: Opened<'a>,
    pub completed: &'a Event,
    /// The waiting marks between opening and completion.
    pub marks: &'a [&'a Event],
    pub ruling: Option<&'a Event>,
    pub outcome: AftersaleOutcome,
    pub merchant_liable: bool,
    pub wait_seconds: i64,
}

impl<'a> Case<'a> {
    /// A return for the quality of the goods or their delivery that ended in a refund.
    pub(crate) fn is_quality_return(&self) -> bool {
        self.opened.kind == AftersaleKind::ReturnRefund
            && (self.opened.reason == AftersaleReason::Quality || self.is_for_logistics())
            && self.outcome == AftersaleOutcome::Refunded
    }

    /// Goods that arrived broken are the carrier's fault as well.
    pub(crate) fn is_for_logistics(&self) -> bool {
        matches!(self.opened.reason, AftersaleReason::Logistics | AftersaleReason::Breakage)
    }

    /// What says what the case is about, and how it ended.
    pub(crate) fn ends(&self) -> Vec<&'a Event> {
        self.opened.words().chain([self.completed]).collect()
    }

    pub(super) fn tally(&self, calendar: &Calendar, sink: &mut Sink<'_>) {
        let (cases, wait_seconds) = match self.opened.kind {
            AftersaleKind::RefundOnly => (Measure::RefundOnlyCases, Measure::RefundOnlyWaitSeconds),
            AftersaleKind::ReturnRefund | AftersaleKind::Exchange => {
                (Measure::ReturnRefundCases, Measure::ReturnRefundWaitSeconds)
            }
        };
        let (at, id) = (self.completed.time, Some(self.opened.aftersale_id));
        put(sink, at, cases, 1, id, &|| self.ends());
        let waiting = || {
            let is_mark = |event: &&Event| {
                matches!(event.fact, Fact::AftersaleAwaitingMerchant { .. } | Fact::AftersaleMerchantResponded { .. })
            };
            let marks = self.marks.iter().copied().filter(is_mark);
            self.opened.words().chain(marks).chain([self.completed]).collect()
        };
        put(sink, at, wait_seconds, self.wait_seconds, id, &waiting);
        let ruled = || self.ends().into_iter().chain(self.ruling).collect();
        put(sink, at, Measure::MerchantLiableCases, self.merchant_liable.into(), id, &ruled);
        if self.outcome == AftersaleOutcome::Refunded {
            put(sink, at, Measure::RefundedCases, 1, id, &|| self.ends());
            let (seconds, response) = self.review(calendar);
            let facts = || [self.opened.opened].into_iter().chain(response).chain([self.completed]).collect();
            put(sink, at, Measure::AftersaleReviewSeconds, seconds, id, &facts);
        }
    }

    /// The seconds from the opening, by the night clock, to the merchant's first response, which is told; to the completion
    /// where there was none.
    fn review(&self, calendar: &Calendar) -> (i64, Option<&'a Event>) {
        let is_response = |event: &&Event| matches!(event.fact, Fact::AftersaleMerchantResponded { .. });
        let response = self.marks.iter().copied().find(is_response);
        let (from, until) = REVIEW_NIGHT;
        let waits_from = calendar.after_night(self.opened.opened.time, from, until);
        (seconds_between(waits_from, response.unwrap_or(self.completed).time), response)
    }
}

/// The events of each after-sale case, sorted by (time, id).
pub(crate) type CaseEvents<'a> = BTreeMap<&'a Id, Vec<&'a Event>>;

pub(super) fn events_by_case<'a>(events: &[&'a Event]) -> CaseEvents<'a> {
    let mut by_case = CaseEvents::new();
    for event in events {
        if let Some(Part::Aftersale(aftersale_id)) = event.fact.part() {
            by_case.entry(aftersale_id).or_default().push(event);
        }
    }
    by_case
}

/// The cases that were opened, by their ids.
pub(super) fn opened_cases<'a>(by_case: &'a CaseEvents<'a>) -> Vec<Opened<'a>> {
    by_case.iter().filter_map(|(aftersale_id, events)| Opened::of(aftersale_id, events)).collect()
}

/// `None` for a case that is not completed.
pub(super) fn completed_case<'a>(opened: &Opened<'a>) -> Option<Case<'a>> {
    let (events, completion) = (opened.events, opened.completion?);
    let completed = events[completion];
    let Fact::AftersaleCompleted { outcome, .. } = completed.fact else { return None };
    let ruling = events.iter().find_map(|event| match event.fact {
        Fact::ArbitrationDecided { liable, .. } => Some((*event, liable)),
        _ => None,
    });
    let marks = events.get(opened.opening + 1..completion).unwrap_or_default();
    Some(Case {
        opened: opened.clone(),
        completed,
        marks,
        ruling: ruling.map(|(event, _)| event),
        outcome,
        merchant_liable: ruling.is_some_and(|(_, liable)| liable == Liable::Merchant),
        wait_seconds: wait_seconds(opened.opened.time, marks, completed.time),
    })
}

/// Σ of the spans in which the case waited for the merchant, each rounded down by itself.
fn wait_seconds(opened_at: DateTime<Utc>, marks: &[&Event], completed_at: DateTime<Utc>) -> i64 {
    let mut waiting_since = Some(opened_at);
    let mut seconds = 0;
    for mark in marks {
        match mark.fact {
            Fact::AftersaleAwaitingMerchant { .. } => waiting_since = waiting_since.or(Some(mark.time)),
            Fact::AftersaleMerchantResponded { .. } => {
                seconds += waiting_since.take().map_or(0, |since| seconds_between(since, mark.time));
            }
            _ => {}
        }
    }
    seconds + waiting_since.map_or(0, |since| seconds_between(since, completed_at))
}
