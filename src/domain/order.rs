//! Folding an order: its facts, and what they count for (scoring law §4, §5).

use std::collections::BTreeMap;

use super::aftersale::{Case, CaseEvents, completed_case, events_by_case};
use super::event::{AftersaleReason, Event, Fact, OrderKind};
use super::fields::Stars;
use super::id::Id;
use super::measure::{BAD_STARS_MAX, Measure};
use super::tally::{Folded, Sink, put, seconds_between};

/// A logistics return opens at most this long after the order was shipped: 14 days.
const LOGISTICS_RETURN_SECONDS_MAX: i64 = 14 * 24 * 3600;

/// Bands of payment → pick-up: hours, and the marks that an order in the band earns.
const PICKUP_BANDS: [(i64, i64); 3] = [(24, 70), (36, 20), (48, 10)];
/// The most marks that one order can earn.
pub(crate) const PICKUP_MARKS_MAX: i64 = PICKUP_BANDS[0].1;

/// What its payment says of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderAttributes<'a> {
    pub product_id: &'a Id,
    pub kind: OrderKind,
    pub creator_id: Option<&'a Id>,
    pub presale: bool,
    pub needs_shipping: bool,
}

/// The earliest facts of an order whose payment is known.
#[derive(Debug)]
pub(crate) struct OrderFacts<'a> {
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
pub(crate) struct Review<'a> {
    pub posted: &'a Event,
    pub product_stars: Stars,
    pub service_stars: Option<Stars>,
}

/// Folds the effective events of one order, which are sorted by (time, id).
pub(crate) fn fold(events: &[&Event], sink: &mut Sink<'_>) -> Folded {
    let by_case = events_by_case(events);
    let Some(facts) = OrderFacts::gather(events, &by_case) else {
        return Folded::default();
    };
    facts.tally(sink);
    Folded {
        creator_id: facts.attributes.creator_id.cloned(),
        product_id: Some(facts.attributes.product_id.clone()),
        ..Folded::default()
    }
}

/// What is found in the events of one order: of most facts the earliest.
#[derive(Default)]
struct Found<'a> {
    paid: Option<(&'a Event, OrderAttributes<'a>)>,
    shipped: Option<&'a Event>,
    picked_up: Option<&'a Event>,
    signed: Option<&'a Event>,
    confirmed: Option<&'a Event>,
    review: Option<Review<'a>>,
    /// The earliest filing of every complaint, and whether it was withdrawn.
    complaints: BTreeMap<&'a Id, (Option<&'a Event>, bool)>,
}

impl<'a> Found<'a> {
    fn note(&mut self, event: &'a Event) {
        let first = |place: &mut Option<&'a Event>| {
            place.get_or_insert(event);
        };
        match &event.fact {
            Fact::OrderPaid { product_id, kind, creator_id, presale, needs_shipping } => {
                let (creator_id, kind, presale) = (creator_id.as_ref(), *kind, *presale);
                let needs_shipping = *needs_shipping;
                let attributes = OrderAttributes { product_id, kind, creator_id, presale, needs_shipping };
                self.paid.get_or_insert((event, attributes));
            }
            Fact::OrderShipped => first(&mut self.shipped),
            Fact::OrderPickedUp => first(&mut self.picked_up),
            Fact::OrderSigned => first(&mut self.signed),
            Fact::OrderConfirmed => first(&mut self.confirmed),
            Fact::ReviewPosted { product_stars, service_stars, .. } => {
                let (product_stars, service_stars) = (*product_stars, *service_stars);
                self.review.get_or_insert(Review { posted: event, product_stars, service_stars });
            }
            Fact::ComplaintFiled { complaint_id } => first(&mut self.complaints.entry(complaint_id).or_default().0),
            Fact::ComplaintWithdrawn { complaint_id } => self.complaints.entry(complaint_id).or_default().1 = true,
            // Recorded; they change no count.
            Fact::OrderCancelled | Fact::ReviewRevised { .. } => {}
            // Folded case by case, see `completed_case`.
            Fact::AftersaleOpened { .. }
            | Fact::AftersaleAwaitingMerchant { .. }
            | Fact::AftersaleMerchantResponded { .. }
            | Fact::AftersaleCompleted { .. }
            | Fact::ArbitrationDecided { .. } => {}
            // Not of an order, or not effective.
            Fact::SessionStarted { .. }
            | Fact::SessionReplied
            | Fact::SessionRated { .. }
            | Fact::ProductListed
            | Fact::ProductDelisted
            | Fact::Retracted { .. } => {}
        }
    }
}

impl<'a> OrderFacts<'a> {
    /// `None` until the payment is known.
    pub(crate) fn gather(events: &[&'a Event], by_case: &'a CaseEvents<'a>) -> Option<OrderFacts<'a>> {
        let mut found = Found::default();
        events.iter().for_each(|event| found.note(event));
        let (paid, attributes) = found.paid?;
        let (picked_up, signed) = match attributes.kind {
            OrderKind::Physical => (found.picked_up, found.signed),
            OrderKind::Virtual => (None, found.confirmed),
        };
        let filed = |(filed, is_withdrawn): (Option<&'a Event>, bool)| filed.filter(|_| !is_withdrawn);
        Some(OrderFacts {
            paid,
            attributes,
            shipped: found.shipped,
            picked_up,
            signed,
            review: found.review,
            cases: by_case.iter().filter_map(|(id, events)| completed_case(id, events)).collect(),
            complaints: found.complaints.into_values().filter_map(filed).collect(),
        })
    }

    /// A case of kind return_refund for quality or logistics that ended in a refund.
    pub(crate) fn quality_return(&self) -> Option<&Case<'a>> {
        self.cases.iter().find(|case| case.is_quality_return())
    }

    /// A quality return for logistics, opened at or after shipping and at most 14 days after it.
    pub(crate) fn logistics_return(&self) -> Option<&Case<'a>> {
        let in_time = |case: &Case<'_>| {
            self.shipped.is_some_and(|shipped| {
                case.opened.time >= shipped.time
                    && seconds_between(shipped.time, case.opened.time) <= LOGISTICS_RETURN_SECONDS_MAX
            })
        };
        let logistics = |case: &&Case<'_>| case.is_quality_return() && case.reason == AftersaleReason::Logistics;
        self.cases.iter().filter(logistics).find(|case| in_time(case))
    }

    fn tally(&self, sink: &mut Sink<'_>) {
        self.tally_payment(sink);
        self.tally_pickup(sink);
        if let Some(signed) = self.signed {
            self.tally_sign_off(signed, sink);
        }
        for case in &self.cases {
            case.tally(sink);
        }
    }

    fn tally_payment(&self, sink: &mut Sink<'_>) {
        let (paid, at) = (self.paid, self.paid.time);
        put(sink, at, Measure::PaidOrders, 1, None, &|| vec![paid]);
        if let Some(case) = self.quality_return() {
            put(sink, at, Measure::QualityReturns, 1, None, &|| vec![paid, case.opened, case.completed]);
        }
        if let (Some(case), Some(shipped)) = (self.logistics_return(), self.shipped) {
            let facts = || vec![paid, shipped, case.opened, case.completed];
            put(sink, at, Measure::LogisticsReturns, 1, None, &facts);
        }
        let facts = || [paid].into_iter().chain(self.complaints.iter().copied()).collect();
        put(sink, at, Measure::Complaints, self.complaints.len() as i64, None, &facts);
    }

    /// Pre-sale orders and orders that need no shipping are left out.
    fn tally_pickup(&self, sink: &mut Sink<'_>) {
        let timed = !self.attributes.presale && self.attributes.needs_shipping;
        let (Some(picked_up), true) = (self.picked_up, timed) else {
            return;
        };
        let seconds = seconds_between(self.paid.time, picked_up.time);
        let band = PICKUP_BANDS.iter().find(|(hours, _)| seconds <= hours * 3600);
        let marks = band.map_or(0, |(_, marks)| *marks);
        let facts = || vec![self.paid, picked_up];
        put(sink, picked_up.time, Measure::PickedUpOrders, 1, None, &facts);
        put(sink, picked_up.time, Measure::PickupMarks, marks, None, &facts);
    }

    fn tally_sign_off(&self, signed: &'a Event, sink: &mut Sink<'_>) {
        let at = signed.time;
        put(sink, at, Measure::SignedOrders, 1, None, &|| vec![self.paid, signed]);
        if let Some(picked_up) = self.picked_up {
            let facts = || vec![picked_up, signed];
            put(sink, at, Measure::DeliveredOrders, 1, None, &facts);
            put(sink, at, Measure::DeliverySeconds, seconds_between(picked_up.time, at), None, &facts);
        }
        let with_review = || [Some(signed), self.review.map(|review| review.posted)].into_iter().flatten().collect();
        let product_stars = self.review.map(|review| review.product_stars);
        let service_stars = self.review.and_then(|review| review.service_stars);
        if let Some(stars) = product_stars {
            put(sink, at, Measure::Reviews, 1, None, &with_review);
            put(sink, at, Measure::ProductStars, stars.number().into(), None, &with_review);
        }
        put(sink, at, Measure::ServiceReviews, service_stars.is_some().into(), None, &with_review);
        let at_fault = !self.complaints.is_empty() || self.quality_return().is_some();
        for bound in 1..=BAD_STARS_MAX {
            let index = usize::from(bound - 1);
            let bad_product = product_stars.is_some_and(|stars| stars.number() <= bound);
            let bad_service = service_stars.is_some_and(|stars| stars.number() <= bound);
            put(sink, at, Measure::BAD_REVIEWS[index], bad_product.into(), None, &with_review);
            put(sink, at, Measure::BAD_SERVICE_REVIEWS[index], bad_service.into(), None, &with_review);
            let negative = i64::from(bad_product || at_fault);
            let facts = || self.negative_facts(signed, bad_product);
            put(sink, at, Measure::NEGATIVE_ORDERS[index], negative, None, &facts);
        }
    }

    fn negative_facts(&self, signed: &'a Event, bad_product: bool) -> Vec<&'a Event> {
        let review = self.review.filter(|_| bad_product).map(|review| review.posted);
        let case = self.quality_return().map(|case| [case.opened, case.completed]);
        let complaints = self.complaints.iter().copied();
        [signed].into_iter().chain(review).chain(case.into_iter().flatten()).chain(complaints).collect()
    }
}
