//! Folding an order: its facts, and what they count for (scoring law §4, §5).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::event::{AftersaleKind, AftersaleOutcome, AftersaleReason, Event, Fact, Liable, OrderAttributes, OrderKind};
use super::fold::{Folded, Tally, seconds_between};
use super::id::Id;
use super::measure::{BAD_STARS_MAX, Measure};

/// A logistics return opens at most this long after the order was shipped: 14 days.
const LOGISTICS_RETURN_SECONDS_MAX: i64 = 14 * 24 * 3600;

/// Bands of payment → pick-up: hours, and the marks that an order in the band earns.
const PICKUP_BANDS: [(i64, i64); 3] = [(24, 70), (36, 20), (48, 10)];

/// The earliest facts of an order whose payment is known.
#[derive(Debug)]
pub struct OrderFacts<'a> {
    pub paid_at: DateTime<Utc>,
    pub attributes: &'a OrderAttributes,
    pub shipped_at: Option<DateTime<Utc>>,
    /// Physical goods only.
    pub picked_up_at: Option<DateTime<Utc>>,
    /// Courier sign-off for physical goods, the consumer's confirmation for virtual ones.
    pub signed_at: Option<DateTime<Utc>>,
    pub review: Option<Review>,
    /// Cases that are complete: opened and completed.
    pub cases: Vec<Case>,
    /// Complaints that were filed and not withdrawn.
    pub complaints: i64,
}

#[derive(Clone, Copy, Debug)]
pub struct Review {
    pub product_stars: u8,
    pub service_stars: Option<u8>,
}

/// A completed after-sale case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub opened_at: DateTime<Utc>,
    pub completed_at: DateTime<Utc>,
    pub kind: AftersaleKind,
    pub reason: AftersaleReason,
    pub outcome: AftersaleOutcome,
    pub merchant_liable: bool,
    pub wait_seconds: i64,
}

/// Folds the standing events of one order, which are sorted by (time, id).
pub fn fold(events: &[&Event]) -> Folded {
    let Some(facts) = OrderFacts::gather(events) else {
        return Folded::default();
    };
    Folded {
        creator_id: facts.attributes.creator_id.clone(),
        product_id: Some(facts.attributes.product_id.clone()),
        tallies: facts.tallies(),
        off_shelf: Vec::new(),
    }
}

impl<'a> OrderFacts<'a> {
    /// `None` until the payment is known.
    pub fn gather(events: &[&'a Event]) -> Option<OrderFacts<'a>> {
        let earliest = |wanted: Fact| events.iter().find(|event| event.fact == wanted).map(|event| event.time);
        let (paid_at, attributes) = events.iter().find_map(|event| match &event.fact {
            Fact::OrderPaid(attributes) => Some((event.time, attributes)),
            _ => None,
        })?;
        let (picked_up_at, signed_at) = match attributes.kind {
            OrderKind::Physical => (earliest(Fact::OrderPickedUp), earliest(Fact::OrderSigned)),
            OrderKind::Virtual => (None, earliest(Fact::OrderConfirmed)),
        };
        let review = events.iter().find_map(|event| match event.fact {
            Fact::ReviewPosted { product_stars, service_stars, .. } => Some(Review { product_stars, service_stars }),
            _ => None,
        });
        Some(OrderFacts {
            paid_at,
            attributes,
            shipped_at: earliest(Fact::OrderShipped),
            picked_up_at,
            signed_at,
            review,
            cases: completed_cases(events),
            complaints: counted_complaints(events),
        })
    }

    /// A case of kind return_refund for quality or logistics that ended in a refund.
    pub fn has_quality_return(&self) -> bool {
        self.cases.iter().any(Case::is_quality_return)
    }

    /// A quality return for logistics, opened at or after shipping and at most 14 days after it.
    pub fn has_logistics_return(&self) -> bool {
        let in_time = |case: &Case| {
            self.shipped_at.is_some_and(|shipped_at| {
                case.opened_at >= shipped_at
                    && seconds_between(shipped_at, case.opened_at) <= LOGISTICS_RETURN_SECONDS_MAX
            })
        };
        self.cases
            .iter()
            .any(|case| case.is_quality_return() && case.reason == AftersaleReason::Logistics && in_time(case))
    }

    fn tallies(&self) -> Vec<Tally> {
        let mut tallies = Vec::with_capacity(8);
        self.tally_payment(&mut tallies);
        self.tally_pickup(&mut tallies);
        if let Some(signed_at) = self.signed_at {
            self.tally_sign_off(signed_at, &mut tallies);
        }
        for case in &self.cases {
            case.tally(&mut tallies);
        }
        tallies
    }

    fn tally_payment(&self, tallies: &mut Vec<Tally>) {
        let mut add = |measure, amount| push(tallies, self.paid_at, measure, amount);
        add(Measure::PaidOrders, 1);
        add(Measure::QualityReturns, self.has_quality_return().into());
        add(Measure::LogisticsReturns, self.has_logistics_return().into());
        add(Measure::Complaints, self.complaints);
    }

    /// Pre-sale orders and orders that need no shipping are left out.
    fn tally_pickup(&self, tallies: &mut Vec<Tally>) {
        let timed = !self.attributes.presale && self.attributes.needs_shipping;
        let Some(picked_up_at) = self.picked_up_at.filter(|_| timed) else {
            return;
        };
        let seconds = seconds_between(self.paid_at, picked_up_at);
        let band = PICKUP_BANDS.iter().find(|(hours, _)| seconds <= hours * 3600);
        push(tallies, picked_up_at, Measure::PickedUpOrders, 1);
        push(tallies, picked_up_at, Measure::PickupMarks, band.map_or(0, |(_, marks)| *marks));
    }

    fn tally_sign_off(&self, signed_at: DateTime<Utc>, tallies: &mut Vec<Tally>) {
        let mut add = |measure, amount| push(tallies, signed_at, measure, amount);
        add(Measure::SignedOrders, 1);
        if let Some(picked_up_at) = self.picked_up_at {
            add(Measure::DeliveredOrders, 1);
            add(Measure::DeliverySeconds, seconds_between(picked_up_at, signed_at));
        }
        let product_stars = self.review.map(|review| review.product_stars);
        let service_stars = self.review.and_then(|review| review.service_stars);
        if let Some(stars) = product_stars {
            add(Measure::Reviews, 1);
            add(Measure::ProductStars, stars.into());
        }
        add(Measure::ServiceReviews, service_stars.is_some().into());
        let at_fault = self.complaints > 0 || self.has_quality_return();
        for bound in 1..=BAD_STARS_MAX {
            let index = usize::from(bound - 1);
            let bad_product = product_stars.is_some_and(|stars| stars <= bound);
            let bad_service = service_stars.is_some_and(|stars| stars <= bound);
            add(Measure::BAD_REVIEWS[index], bad_product.into());
            add(Measure::BAD_SERVICE_REVIEWS[index], bad_service.into());
            add(Measure::NEGATIVE_ORDERS[index], (bad_product || at_fault).into());
        }
    }
}

impl Case {
    fn is_quality_return(&self) -> bool {
        self.kind == AftersaleKind::ReturnRefund
            && matches!(self.reason, AftersaleReason::Quality | AftersaleReason::Logistics)
            && self.outcome == AftersaleOutcome::Refunded
    }

    fn tally(&self, tallies: &mut Vec<Tally>) {
        let (cases, wait_seconds) = match self.kind {
            AftersaleKind::RefundOnly => (Measure::RefundOnlyCases, Measure::RefundOnlyWaitSeconds),
            AftersaleKind::ReturnRefund | AftersaleKind::Exchange => {
                (Measure::ReturnRefundCases, Measure::ReturnRefundWaitSeconds)
            }
        };
        push(tallies, self.completed_at, cases, 1);
        push(tallies, self.completed_at, wait_seconds, self.wait_seconds);
        push(tallies, self.completed_at, Measure::MerchantLiableCases, self.merchant_liable.into());
    }
}

fn push(tallies: &mut Vec<Tally>, at: DateTime<Utc>, measure: Measure, amount: i64) {
    if amount != 0 {
        tallies.push(Tally { at, measure, amount });
    }
}

fn counted_complaints(events: &[&Event]) -> i64 {
    // One state per complaint: filed so far, withdrawn so far.
    let mut complaints: BTreeMap<&Id, (bool, bool)> = BTreeMap::new();
    for event in events {
        match &event.fact {
            Fact::ComplaintFiled { complaint_id } => complaints.entry(complaint_id).or_default().0 = true,
            Fact::ComplaintWithdrawn { complaint_id } => complaints.entry(complaint_id).or_default().1 = true,
            _ => {}
        }
    }
    complaints.values().filter(|(filed, withdrawn)| *filed && !withdrawn).count() as i64
}

fn completed_cases(events: &[&Event]) -> Vec<Case> {
    let mut by_case: BTreeMap<&Id, Vec<&Event>> = BTreeMap::new();
    for event in events {
        match &event.fact {
            Fact::AftersaleOpened { aftersale_id, .. }
            | Fact::AftersaleAwaitingMerchant { aftersale_id }
            | Fact::AftersaleMerchantResponded { aftersale_id }
            | Fact::AftersaleCompleted { aftersale_id, .. }
            | Fact::ArbitrationDecided { aftersale_id, .. } => by_case.entry(aftersale_id).or_default().push(event),
            _ => {}
        }
    }
    by_case.values().filter_map(|events| completed_case(events)).collect()
}

/// `None` for a case that is not both opened and completed. `events` are sorted by (time, id).
fn completed_case(events: &[&Event]) -> Option<Case> {
    let (opening, kind, reason) = events.iter().enumerate().find_map(|(index, event)| match event.fact {
        Fact::AftersaleOpened { kind, reason, .. } => Some((index, kind, reason)),
        _ => None,
    })?;
    let (completion, outcome) = events.iter().enumerate().find_map(|(index, event)| match event.fact {
        Fact::AftersaleCompleted { outcome, .. } => Some((index, outcome)),
        _ => None,
    })?;
    let ruling = events.iter().find_map(|event| match event.fact {
        Fact::ArbitrationDecided { liable, .. } => Some(liable),
        _ => None,
    });
    let marks = events.get(opening + 1..completion).unwrap_or_default();
    let (opened_at, completed_at) = (events[opening].time, events[completion].time);
    Some(Case {
        opened_at,
        completed_at,
        kind,
        reason,
        outcome,
        merchant_liable: ruling == Some(Liable::Merchant),
        wait_seconds: wait_seconds(opened_at, marks, completed_at),
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
