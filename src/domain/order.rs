//! Folding an order: its facts, and what they count for (scoring law §4, §5).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::event::{AftersaleKind, AftersaleOutcome, AftersaleReason, Event, Fact, Liable, OrderKind, Part};
use super::fields::Stars;
use super::id::Id;
use super::measure::{BAD_STARS_MAX, Measure};
use super::tally::{Folded, Tally, Teller, seconds_between};

/// A logistics return opens at most this long after the order was shipped: 14 days.
const LOGISTICS_RETURN_SECONDS_MAX: i64 = 14 * 24 * 3600;

/// Bands of payment → pick-up: hours, and the marks that an order in the band earns.
const PICKUP_BANDS: [(i64, i64); 3] = [(24, 70), (36, 20), (48, 10)];
/// The most marks that one order can earn.
pub const PICKUP_MARKS_MAX: i64 = PICKUP_BANDS[0].1;

/// What its payment says of an order.
#[derive(Clone, Copy, Debug)]
pub struct OrderAttributes<'a> {
    pub product_id: &'a Id,
    pub kind: OrderKind,
    pub creator_id: Option<&'a Id>,
    pub presale: bool,
    pub needs_shipping: bool,
}

/// The earliest facts of an order whose payment is known.
#[derive(Debug)]
pub struct OrderFacts<'a> {
    pub paid: &'a Event,
    pub attributes: OrderAttributes<'a>,
    pub shipped: Option<&'a Event>,
    /// Physical goods only.
    pub picked_up: Option<&'a Event>,
    /// Courier sign-off for physical goods, the consumer's confirmation for virtual ones.
    pub signed: Option<&'a Event>,
    pub review: Option<Review<'a>>,
    /// Cases that are complete: opened and completed.
    pub cases: Vec<Case<'a>>,
    /// Complaints that were filed and not withdrawn.
    pub complaints: Vec<&'a Event>,
}

#[derive(Clone, Copy, Debug)]
pub struct Review<'a> {
    pub posted: &'a Event,
    pub product_stars: Stars,
    pub service_stars: Option<Stars>,
}

/// A completed after-sale case.
#[derive(Clone, Debug)]
pub struct Case<'a> {
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

/// Folds the standing events of one order, which are sorted by (time, id).
pub fn fold(events: &[&Event], tell: &mut Teller<'_>) -> Folded {
    let by_case = events_by_case(events);
    let Some(facts) = OrderFacts::gather(events, &by_case) else {
        return Folded::default();
    };
    facts.tally(tell);
    Folded {
        creator_id: facts.attributes.creator_id.cloned(),
        product_id: Some(facts.attributes.product_id.clone()),
        ..Folded::default()
    }
}

impl<'a> OrderFacts<'a> {
    /// `None` until the payment is known.
    pub fn gather(events: &[&'a Event], by_case: &'a CaseEvents<'a>) -> Option<OrderFacts<'a>> {
        let earliest = |wanted: Fact| events.iter().copied().find(|event| event.fact == wanted);
        let (paid, attributes) = events.iter().find_map(|event| match &event.fact {
            Fact::OrderPaid { product_id, kind, creator_id, presale, needs_shipping } => {
                let (creator_id, kind, presale) = (creator_id.as_ref(), *kind, *presale);
                let needs_shipping = *needs_shipping;
                Some((*event, OrderAttributes { product_id, kind, creator_id, presale, needs_shipping }))
            }
            _ => None,
        })?;
        let (picked_up, signed) = match attributes.kind {
            OrderKind::Physical => (earliest(Fact::OrderPickedUp), earliest(Fact::OrderSigned)),
            OrderKind::Virtual => (None, earliest(Fact::OrderConfirmed)),
        };
        let review = events.iter().find_map(|event| match event.fact {
            Fact::ReviewPosted { product_stars, service_stars, .. } => {
                Some(Review { posted: event, product_stars, service_stars })
            }
            _ => None,
        });
        Some(OrderFacts {
            paid,
            attributes,
            shipped: earliest(Fact::OrderShipped),
            picked_up,
            signed,
            review,
            cases: by_case.iter().filter_map(|(id, events)| completed_case(id, events)).collect(),
            complaints: counted_complaints(events),
        })
    }

    /// A case of kind return_refund for quality or logistics that ended in a refund.
    pub fn quality_return(&self) -> Option<&Case<'a>> {
        self.cases.iter().find(|case| case.is_quality_return())
    }

    /// A quality return for logistics, opened at or after shipping and at most 14 days after it.
    pub fn logistics_return(&self) -> Option<&Case<'a>> {
        let in_time = |case: &Case<'_>| {
            self.shipped.is_some_and(|shipped| {
                case.opened.time >= shipped.time
                    && seconds_between(shipped.time, case.opened.time) <= LOGISTICS_RETURN_SECONDS_MAX
            })
        };
        let logistics = |case: &&Case<'_>| case.is_quality_return() && case.reason == AftersaleReason::Logistics;
        self.cases.iter().filter(logistics).find(|case| in_time(case))
    }

    fn tally(&self, tell: &mut Teller<'_>) {
        self.tally_payment(tell);
        self.tally_pickup(tell);
        if let Some(signed) = self.signed {
            self.tally_sign_off(signed, tell);
        }
        for case in &self.cases {
            case.tally(tell);
        }
    }

    fn tally_payment(&self, tell: &mut Teller<'_>) {
        let (paid, at) = (self.paid, self.paid.time);
        put(tell, at, Measure::PaidOrders, 1, None, &|| vec![paid]);
        if let Some(case) = self.quality_return() {
            put(tell, at, Measure::QualityReturns, 1, None, &|| vec![paid, case.opened, case.completed]);
        }
        if let (Some(case), Some(shipped)) = (self.logistics_return(), self.shipped) {
            let facts = || vec![paid, shipped, case.opened, case.completed];
            put(tell, at, Measure::LogisticsReturns, 1, None, &facts);
        }
        let facts = || [paid].into_iter().chain(self.complaints.iter().copied()).collect();
        put(tell, at, Measure::Complaints, self.complaints.len() as i64, None, &facts);
    }

    /// Pre-sale orders and orders that need no shipping are left out.
    fn tally_pickup(&self, tell: &mut Teller<'_>) {
        let timed = !self.attributes.presale && self.attributes.needs_shipping;
        let (Some(picked_up), true) = (self.picked_up, timed) else {
            return;
        };
        let seconds = seconds_between(self.paid.time, picked_up.time);
        let band = PICKUP_BANDS.iter().find(|(hours, _)| seconds <= hours * 3600);
        let marks = band.map_or(0, |(_, marks)| *marks);
        let facts = || vec![self.paid, picked_up];
        put(tell, picked_up.time, Measure::PickedUpOrders, 1, None, &facts);
        put(tell, picked_up.time, Measure::PickupMarks, marks, None, &facts);
    }

    fn tally_sign_off(&self, signed: &'a Event, tell: &mut Teller<'_>) {
        let at = signed.time;
        put(tell, at, Measure::SignedOrders, 1, None, &|| vec![self.paid, signed]);
        if let Some(picked_up) = self.picked_up {
            let facts = || vec![picked_up, signed];
            put(tell, at, Measure::DeliveredOrders, 1, None, &facts);
            put(tell, at, Measure::DeliverySeconds, seconds_between(picked_up.time, at), None, &facts);
        }
        let with_review = || [Some(signed), self.review.map(|review| review.posted)].into_iter().flatten().collect();
        let product_stars = self.review.map(|review| review.product_stars);
        let service_stars = self.review.and_then(|review| review.service_stars);
        if let Some(stars) = product_stars {
            put(tell, at, Measure::Reviews, 1, None, &with_review);
            put(tell, at, Measure::ProductStars, stars.number().into(), None, &with_review);
        }
        put(tell, at, Measure::ServiceReviews, service_stars.is_some().into(), None, &with_review);
        let at_fault = !self.complaints.is_empty() || self.quality_return().is_some();
        for bound in 1..=BAD_STARS_MAX {
            let index = usize::from(bound - 1);
            let bad_product = product_stars.is_some_and(|stars| stars.number() <= bound);
            let bad_service = service_stars.is_some_and(|stars| stars.number() <= bound);
            put(tell, at, Measure::BAD_REVIEWS[index], bad_product.into(), None, &with_review);
            put(tell, at, Measure::BAD_SERVICE_REVIEWS[index], bad_service.into(), None, &with_review);
            let negative = i64::from(bad_product || at_fault);
            let facts = || self.negative_facts(signed, bad_product);
            put(tell, at, Measure::NEGATIVE_ORDERS[index], negative, None, &facts);
        }
    }

    fn negative_facts(&self, signed: &'a Event, bad_product: bool) -> Vec<&'a Event> {
        let review = self.review.filter(|_| bad_product).map(|review| review.posted);
        let case = self.quality_return().map(|case| [case.opened, case.completed]);
        let complaints = self.complaints.iter().copied();
        [signed].into_iter().chain(review).chain(case.into_iter().flatten()).chain(complaints).collect()
    }
}

impl<'a> Case<'a> {
    fn is_quality_return(&self) -> bool {
        self.kind == AftersaleKind::ReturnRefund
            && matches!(self.reason, AftersaleReason::Quality | AftersaleReason::Logistics)
            && self.outcome == AftersaleOutcome::Refunded
    }

    fn tally(&self, tell: &mut Teller<'_>) {
        let (cases, wait_seconds) = match self.kind {
            AftersaleKind::RefundOnly => (Measure::RefundOnlyCases, Measure::RefundOnlyWaitSeconds),
            AftersaleKind::ReturnRefund | AftersaleKind::Exchange => {
                (Measure::ReturnRefundCases, Measure::ReturnRefundWaitSeconds)
            }
        };
        let (at, id) = (self.completed.time, Some(self.aftersale_id));
        let ends = || vec![self.opened, self.completed];
        put(tell, at, cases, 1, id, &ends);
        let waiting = || {
            let is_mark = |event: &&Event| {
                matches!(event.fact, Fact::AftersaleAwaitingMerchant { .. } | Fact::AftersaleMerchantResponded { .. })
            };
            let marks = self.marks.iter().copied().filter(is_mark);
            [self.opened].into_iter().chain(marks).chain([self.completed]).collect()
        };
        put(tell, at, wait_seconds, self.wait_seconds, id, &waiting);
        let ruled = || [self.opened, self.completed].into_iter().chain(self.ruling).collect();
        put(tell, at, Measure::MerchantLiableCases, self.merchant_liable.into(), id, &ruled);
    }
}

fn put<'e>(
    tell: &mut Teller<'_>,
    at: DateTime<Utc>,
    measure: Measure,
    amount: i64,
    aftersale_id: Option<&'e Id>,
    facts: &dyn Fn() -> Vec<&'e Event>,
) {
    if amount != 0 {
        tell(Tally { at, measure, amount }, aftersale_id, facts);
    }
}

/// The earliest filing of every complaint that was not withdrawn.
fn counted_complaints<'a>(events: &[&'a Event]) -> Vec<&'a Event> {
    let mut complaints: BTreeMap<&Id, (Option<&'a Event>, bool)> = BTreeMap::new();
    for event in events {
        match &event.fact {
            Fact::ComplaintFiled { complaint_id } => {
                complaints.entry(complaint_id).or_default().0.get_or_insert(event);
            }
            Fact::ComplaintWithdrawn { complaint_id } => complaints.entry(complaint_id).or_default().1 = true,
            _ => {}
        }
    }
    complaints.into_values().filter_map(|(filed, withdrawn)| filed.filter(|_| !withdrawn)).collect()
}

/// The events of each after-sale case, sorted by (time, id).
pub type CaseEvents<'a> = BTreeMap<&'a Id, Vec<&'a Event>>;

fn events_by_case<'a>(events: &[&'a Event]) -> CaseEvents<'a> {
    let mut by_case = CaseEvents::new();
    for event in events {
        if let Some(Part::Aftersale(aftersale_id)) = event.fact.part() {
            by_case.entry(aftersale_id).or_default().push(event);
        }
    }
    by_case
}

/// `None` for a case that is not both opened and completed. `events` are sorted by (time, id).
fn completed_case<'a>(aftersale_id: &'a Id, events: &'a [&'a Event]) -> Option<Case<'a>> {
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
