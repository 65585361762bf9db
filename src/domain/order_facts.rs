//! The facts of an order: what its events say, of most facts the earliest (scoring law §4, §10).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::aftersale::{Case, CaseEvents, Opened, completed_case, opened_cases};
use super::event::{Event, Fact, OrderKind};
use super::fields::Stars;
use super::id::Id;

/// What its payment says of an order; where that is silent, what the earliest description that names it says; else what is
/// usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderAttributes<'a> {
    pub product_id: Option<&'a Id>,
    pub kind: OrderKind,
    pub creator_id: Option<&'a Id>,
    pub presale: bool,
    pub needs_shipping: bool,
}

/// What one event says of an order.
#[derive(Clone, Copy, Debug, Default)]
struct Said<'a> {
    product_id: Option<&'a Id>,
    kind: Option<OrderKind>,
    creator_id: Option<&'a Id>,
    presale: Option<bool>,
    needs_shipping: Option<bool>,
}

impl<'a> Said<'a> {
    /// This, and of what it does not say what another event says.
    fn or(self, other: Said<'a>) -> Said<'a> {
        Said {
            product_id: self.product_id.or(other.product_id),
            kind: self.kind.or(other.kind),
            creator_id: self.creator_id.or(other.creator_id),
            presale: self.presale.or(other.presale),
            needs_shipping: self.needs_shipping.or(other.needs_shipping),
        }
    }

    fn attributes(self) -> OrderAttributes<'a> {
        OrderAttributes {
            product_id: self.product_id,
            kind: self.kind.unwrap_or(OrderKind::Physical),
            creator_id: self.creator_id,
            presale: self.presale.unwrap_or(false),
            needs_shipping: self.needs_shipping.unwrap_or(true),
        }
    }
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
    /// The last promise up to the sign-off, and the moment that it names.
    pub promise: Option<(&'a Event, DateTime<Utc>)>,
    /// Cases that were opened.
    pub opened: Vec<Opened<'a>>,
    /// Those of them that are completed.
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

/// What is found in the events of one order: of most facts the earliest.
#[derive(Default)]
struct Found<'a> {
    paid: Option<(&'a Event, Said<'a>)>,
    /// What descriptions say, of each attribute the earliest.
    described: Said<'a>,
    /// All promises, and the place of each among the order's events.
    promises: Vec<(usize, &'a Event, DateTime<Utc>)>,
    shipped: Option<&'a Event>,
    picked_up: Option<&'a Event>,
    signed: Option<&'a Event>,
    /// The place of the sign-off among the order's events.
    signed_place: Option<usize>,
    confirmed: Option<&'a Event>,
    review: Option<Review<'a>>,
    /// The earliest filing of every complaint, and whether it was withdrawn.
    complaints: BTreeMap<&'a Id, (Option<&'a Event>, bool)>,
}

impl<'a> Found<'a> {
    fn note(&mut self, place: usize, event: &'a Event) {
        let first = |place: &mut Option<&'a Event>| {
            place.get_or_insert(event);
        };
        match &event.fact {
            Fact::OrderPaid { product_id, kind, creator_id, presale, needs_shipping } => {
                let said = said(product_id, *kind, creator_id, *presale, *needs_shipping);
                self.paid.get_or_insert((event, said));
            }
            Fact::OrderDescribed { product_id, kind, creator_id, presale, needs_shipping } => {
                self.described = self.described.or(said(product_id, *kind, creator_id, *presale, *needs_shipping));
            }
            Fact::OrderPromised { deliver_by } => self.promises.push((place, event, *deliver_by)),
            Fact::OrderShipped => first(&mut self.shipped),
            Fact::OrderPickedUp => first(&mut self.picked_up),
            Fact::OrderSigned => {
                self.signed_place.get_or_insert(place);
                first(&mut self.signed);
            }
            Fact::OrderConfirmed => first(&mut self.confirmed),
            Fact::ReviewPosted { product_stars, service_stars, .. } => {
                let (product_stars, service_stars) = (*product_stars, *service_stars);
                self.review.get_or_insert(Review { posted: event, product_stars, service_stars });
            }
            Fact::ComplaintFiled { complaint_id } => first(&mut self.complaints.entry(complaint_id).or_default().0),
            Fact::ComplaintWithdrawn { complaint_id } => self.complaints.entry(complaint_id).or_default().1 = true,
            // Recorded; they change no count.
            Fact::OrderCancelled | Fact::ReviewRevised { .. } => {}
            // Folded case by case, see `aftersale`.
            Fact::AftersaleOpened { .. }
            | Fact::AftersaleModified { .. }
            | Fact::ArbitrationOpened { .. }
            | Fact::AftersaleAwaitingMerchant { .. }
            | Fact::AftersaleMerchantResponded { .. }
            | Fact::AftersaleCompleted { .. }
            | Fact::ArbitrationDecided { .. } => {}
            // Not of an order, or not effective.
            Fact::SessionStarted { .. }
            | Fact::SessionHandedOver
            | Fact::SessionAsked
            | Fact::SessionReplied
            | Fact::SessionRated { .. }
            | Fact::ProductListed
            | Fact::ProductDelisted
            | Fact::Retracted { .. } => {}
        }
    }
}

fn said<'a>(
    product_id: &'a Option<Id>,
    kind: Option<OrderKind>,
    creator_id: &'a Option<Id>,
    presale: Option<bool>,
    needs_shipping: Option<bool>,
) -> Said<'a> {
    Said { product_id: product_id.as_ref(), kind, creator_id: creator_id.as_ref(), presale, needs_shipping }
}

impl<'a> OrderFacts<'a> {
    /// `None` until the payment is known.
    pub(crate) fn gather(events: &[&'a Event], by_case: &'a CaseEvents<'a>) -> Option<OrderFacts<'a>> {
        let mut found = Found::default();
        events.iter().enumerate().for_each(|(place, event)| found.note(place, event));
        let (paid, said) = found.paid?;
        let attributes = said.or(found.described).attributes();
        let (picked_up, signed) = match attributes.kind {
            OrderKind::Physical => (found.picked_up, found.signed),
            OrderKind::Virtual => (None, found.confirmed),
        };
        // Of virtual goods nothing is delivered, so nothing that is promised is late.
        let is_in_time = |place: usize| found.signed_place.is_none_or(|signed| place < signed);
        let promise = found.promises.into_iter().rfind(|(place, ..)| is_in_time(*place));
        let opened = opened_cases(by_case);
        let filed = |(filed, is_withdrawn): (Option<&'a Event>, bool)| filed.filter(|_| !is_withdrawn);
        Some(OrderFacts {
            paid,
            attributes,
            shipped: found.shipped,
            picked_up,
            signed,
            review: found.review,
            promise: promise.map(|(_, event, deliver_by)| (event, deliver_by)),
            cases: opened.iter().filter_map(completed_case).collect(),
            opened,
            complaints: found.complaints.into_values().filter_map(filed).collect(),
        })
    }
}
