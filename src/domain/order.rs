//! Folding an order: what its facts count for (scoring law §4, §5).

use super::aftersale::{Case, Opened, events_by_case};
use super::calendar::Calendar;
use super::event::{AftersaleKind, AftersaleReason, Event, OrderKind};
use super::measure::{BAD_STARS_MAX, Measure};
use super::order_facts::OrderFacts;
use super::tally::{Folded, Sink, put, seconds_between};

/// A logistics return opens at most this long after the order was shipped: 14 days.
const LOGISTICS_RETURN_SECONDS_MAX: i64 = 14 * 24 * 3600;

/// Bands of payment → pick-up: hours, and the marks that an order in the band earns.
const PICKUP_BANDS: [(i64, i64); 3] = [(24, 70), (36, 20), (48, 10)];
/// The most marks that one order can earn.
pub(crate) const PICKUP_MARKS_MAX: i64 = PICKUP_BANDS[0].1;

/// Carriers pick nothing up from 18:00:00 to 05:59:59: an order that is paid then waits from the morning on (scoring law §10).
const PICKUP_NIGHT: (u32, u32) = (18, 6);

/// Folds the effective events of one order, which are sorted by (time, id).
pub(crate) fn fold(events: &[&Event], calendar: &Calendar, sink: &mut Sink<'_>) -> Folded {
    let by_case = events_by_case(events);
    let Some(facts) = OrderFacts::gather(events, &by_case) else {
        return Folded::default();
    };
    facts.tally(calendar, sink);
    Folded {
        creator_id: facts.attributes.creator_id.cloned(),
        product_id: facts.attributes.product_id.cloned(),
        ..Folded::default()
    }
}

impl<'a> OrderFacts<'a> {
    /// A case of kind return_refund for quality or logistics that ended in a refund.
    pub(crate) fn quality_return(&self) -> Option<&Case<'a>> {
        self.cases.iter().find(|case| case.is_quality_return())
    }

    /// A quality return for logistics, opened at or after shipping and at most 14 days after it.
    pub(crate) fn logistics_return(&self) -> Option<&Case<'a>> {
        let in_time = |case: &Case<'_>| {
            self.shipped.is_some_and(|shipped| {
                let opened = case.opened.opened;
                opened.time >= shipped.time
                    && seconds_between(shipped.time, opened.time) <= LOGISTICS_RETURN_SECONDS_MAX
            })
        };
        let logistics = |case: &&Case<'_>| case.is_quality_return() && case.is_for_logistics();
        self.cases.iter().filter(logistics).find(|case| in_time(case))
    }

    /// The case that was opened first, completed or not.
    fn first_case(&self) -> Option<&Opened<'a>> {
        self.opened.iter().min_by_key(|case| case.opened.precedence())
    }

    fn tally(&self, calendar: &Calendar, sink: &mut Sink<'_>) {
        self.tally_payment(sink);
        self.tally_pickup(calendar, sink);
        self.tally_promise(sink);
        if let Some(signed) = self.signed {
            self.tally_sign_off(signed, sink);
        }
        for case in &self.opened {
            case.tally(sink);
        }
        for case in &self.cases {
            case.tally(calendar, sink);
        }
    }

    fn tally_payment(&self, sink: &mut Sink<'_>) {
        let (paid, at) = (self.paid, self.paid.time);
        put(sink, at, Measure::PaidOrders, 1, None, &|| vec![paid]);
        if let Some(case) = self.quality_return() {
            put(sink, at, Measure::QualityReturns, 1, None, &|| [vec![paid], case.ends()].concat());
        }
        if let (Some(case), Some(shipped)) = (self.logistics_return(), self.shipped) {
            let facts = || [vec![paid, shipped], case.ends()].concat();
            put(sink, at, Measure::LogisticsReturns, 1, None, &facts);
        }
        let is_breakage =
            |case: &&Opened<'_>| case.kind == AftersaleKind::ReturnRefund && case.reason == AftersaleReason::Breakage;
        if let Some(case) = self.first_case().filter(is_breakage) {
            let facts = || [paid].into_iter().chain(case.words()).collect();
            put(sink, at, Measure::BreakageReturns, 1, None, &facts);
        }
        let facts = || [paid].into_iter().chain(self.complaints.iter().copied()).collect();
        put(sink, at, Measure::Complaints, self.complaints.len() as i64, None, &facts);
    }

    /// Pre-sale orders and orders that need no shipping are left out.
    fn tally_pickup(&self, calendar: &Calendar, sink: &mut Sink<'_>) {
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
        let waits_from = calendar.after_night(self.paid.time, PICKUP_NIGHT.0, PICKUP_NIGHT.1);
        let waited = seconds_between(waits_from, picked_up.time);
        put(sink, picked_up.time, Measure::PickupSeconds, waited, None, &facts);
    }

    /// Shipped physical orders with a promise, on the day that it names.
    fn tally_promise(&self, sink: &mut Sink<'_>) {
        let (Some((promised, deliver_by)), Some(shipped), OrderKind::Physical) =
            (self.promise, self.shipped, self.attributes.kind)
        else {
            return;
        };
        let facts = || [self.paid, promised, shipped].into_iter().chain(self.signed).collect();
        let is_on_time = self.signed.is_some_and(|signed| signed.time <= deliver_by);
        put(sink, deliver_by, Measure::PromisedOrders, 1, None, &facts);
        put(sink, deliver_by, Measure::OnTimeOrders, is_on_time.into(), None, &facts);
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
        if let Some(case) = self.first_case().filter(|case| case.reason == AftersaleReason::Quality) {
            let facts = || [signed].into_iter().chain(case.words()).collect();
            put(sink, at, Measure::FirstQualityReturns, 1, None, &facts);
        }
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
        let case = self.quality_return().map(Case::ends);
        let complaints = self.complaints.iter().copied();
        [signed].into_iter().chain(review).chain(case.into_iter().flatten()).chain(complaints).collect()
    }
}
