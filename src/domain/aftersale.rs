//! Folding the after-sale cases of an order (scoring law §4).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::event::{AftersaleKind, AftersaleOutcome, AftersaleReason, Event, Fact, Liable, Part};
use super::id::Id;
use super::measure::Measure;
use super::tally::{Sink, put, seconds_between};

/// A completed after-sale case.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub aftersale_id: &'a Id,
    pub opened: &'a Event,
    pub completed: &'a Event,
    /// The waiting marks between the two.
    pub marks: &'a [&'a Event],
    pub ruling: Option<&'a Event>,
    pub kind: AftersaleKind,
    pub reason: AftersaleReason,
    pub outcome: AftersaleOutcome,
    pub merchant_liable: bool,
    pub wait_seconds: i64,
}

impl<'a> Case<'a> {
    /// A return for the quality of the goods or their delivery that ended in a refund.
    pub(crate) fn is_quality_return(&self) -> bool {
        self.kind == AftersaleKind::ReturnRefund
            && matches!(self.reason, AftersaleReason::Quality | AftersaleReason::Logistics)
            && self.outcome == AftersaleOutcome::Refunded
    }

    pub(super) fn tally(&self, sink: &mut Sink<'_>) {
        let (cases, wait_seconds) = match self.kind {
            AftersaleKind::RefundOnly => (Measure::RefundOnlyCases, Measure::RefundOnlyWaitSeconds),
            AftersaleKind::ReturnRefund | AftersaleKind::Exchange => {
                (Measure::ReturnRefundCases, Measure::ReturnRefundWaitSeconds)
            }
        };
        let (at, id) = (self.completed.time, Some(self.aftersale_id));
        let ends = || vec![self.opened, self.completed];
        put(sink, at, cases, 1, id, &ends);
        let waiting = || {
            let is_mark = |event: &&Event| {
                matches!(event.fact, Fact::AftersaleAwaitingMerchant { .. } | Fact::AftersaleMerchantResponded { .. })
            };
            let marks = self.marks.iter().copied().filter(is_mark);
            [self.opened].into_iter().chain(marks).chain([self.completed]).collect()
        };
        put(sink, at, wait_seconds, self.wait_seconds, id, &waiting);
        let ruled = || [self.opened, self.completed].into_iter().chain(self.ruling).collect();
        put(sink, at, Measure::MerchantLiableCases, self.merchant_liable.into(), id, &ruled);
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

/// `None` for a case that is not both opened and completed. `events` are sorted by (time, id).
pub(super) fn completed_case<'a>(aftersale_id: &'a Id, events: &'a [&'a Event]) -> Option<Case<'a>> {
    let (opening, kind, reason) = events.iter().enumerate().find_map(|(index, event)| match event.fact {
        Fact::AftersaleOpened { kind, reason, .. } => Some((index, kind, reason)),
        _ => None,
    })?;
    let (completion, outcome) = events.iter().enumerate().find_map(|(index, event)| match event.fact {
        Fact::AftersaleCompleted { outcome, .. } => Some((index, outcome)),
        _ => None,
    })?;
    let ruling = events.iter().find_map(|event| match event.fact {
        Fact::ArbitrationDecided { liable, .. } => Some((*event, liable)),
        _ => None,
    });
    let marks = events.get(opening + 1..completion).unwrap_or_default();
    let (opened, completed) = (events[opening], events[completion]);
    Some(Case {
        aftersale_id,
        opened,
        completed,
        marks,
        ruling: ruling.map(|(event, _)| event),
        kind,
        reason,
        outcome,
        merchant_liable: ruling.is_some_and(|(_, liable)| liable == Liable::Merchant),
        wait_seconds: wait_seconds(opened.time, marks, completed.time),
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
