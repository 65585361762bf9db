//! What may happen: the event types of the law (scoring law §3).
//!
//! The table below has one row for each type; names, codes, parsing, permissions and documentation all come from it.

use chrono::{DateTime, Utc};

use super::aggregate::AggregateKind;
use super::event_words::{AftersaleKind, AftersaleOutcome, AftersaleReason, Channel, Liable, OrderKind};
use super::fields::{Field, FieldDefinition, Fields, Presence, Stars};
use super::id::Id;
use super::words::words;

/// The part of an order that an event speaks of, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Review(&'a Id),
    Aftersale(&'a Id),
    Complaint(&'a Id),
}

/// Who can know that something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Merchant,
    /// Buyers or the platform. Keys bound to shops need the scope `events:relay` to send it.
    Others,
    /// The speaker of the event that is taken back.
    WhoSaidIt,
}

/// An event type as documentation describes it.
#[derive(Clone, Debug)]
pub struct EventDefinition {
    pub event_type: EventType,
    /// What happened, in a sentence.
    pub about: &'static str,
    /// The fields of `data` beside the one that names the aggregate.
    pub fields: Vec<FieldDefinition>,
}

/// Defines the event types. A row has: what happened; the type; its code, the number under which rows keep the type,
/// which never changes; its name on the wire; the kind of aggregate that it speaks of; who says it; the part of an
/// order that it speaks of, and the field that names the part; and the fields that the law reads, each with its type
/// and, where it may be absent and that means something, `=` its default, or `=>` what is meant where no other event says
/// it either.
macro_rules! events {
    ($(
        $(#[doc = $about:literal])+
        $type:ident = $code:literal, $name:literal, $aggregate:ident, $speaker:ident, $part:ident$(($part_id:ident))?
        $({ $($(#[doc = $of_field:literal])+ $field:ident: $value:ty $(= $default:expr)? $(=> $usual:expr)?,)+ })?;
    )+) => {
        words! {
            /// The event types, by their names on the wire.
            pub enum EventType { $($(#[doc = $about])+ $type = $name,)+ }
        }

        /// The content of an event by type, as far as the law reads it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact { $($(#[doc = $about])+ $type $({ $($(#[doc = $of_field])+ $field: $value,)+ })?,)+ }

        impl EventType {
            /// The number under which rows keep the type.
            pub fn code(self) -> i16 {
                match self { $(EventType::$type => $code,)+ }
            }

            pub fn from_code(code: i16) -> Option<EventType> {
                match code {
                    $($code => Some(EventType::$type),)+
                    _ => None,
                }
            }

            /// What events of this type speak of; `None` for a retraction, which names its aggregate by the field that
            /// it carries.
            pub fn aggregate_kind(self) -> Option<AggregateKind> {
                match self { $(EventType::$type => aggregate!($aggregate),)+ }
            }

            pub fn speaker(self) -> Speaker {
                match self { $(EventType::$type => Speaker::$speaker,)+ }
            }

            /// The fact of every event of this type, where the type says it all.
            pub fn bare_fact(self) -> Option<Fact> {
                match self { $(EventType::$type => bare!($type $($($field)+)?),)+ }
            }

            /// Reads the fact of an event of this type; what is wrong is noted in `fields`.
            pub(super) fn read_fact(self, fields: &mut Fields<'_>) -> Option<Fact> {
                match self { $(EventType::$type => {
                    $($(let $field = read!(fields, $field, $value $(, $default)?);)+)?
                    Some(Fact::$type $({ $($field: $field?,)+ })?)
                })+ }
            }

            /// Whether events of this type may have a member of this name in `data`.
            pub fn knows(self, member: &str) -> bool {
                let is_field = match self { $(EventType::$type => {
                    let fields: &[&str] = &[$($(stringify!($field),)+)?];
                    fields.contains(&member)
                })+ };
                let names_aggregate = || match self.aggregate_kind() {
                    Some(kind) => kind.field() == member,
                    None => AggregateKind::ALL.iter().any(|kind| kind.field() == member),
                };
                is_field || names_aggregate()
            }

            pub fn definition(self) -> EventDefinition {
                match self { $(EventType::$type => EventDefinition {
                    event_type: self,
                    about: concat!($($about),+).trim_ascii(),
                    fields: vec![$($(FieldDefinition {
                        name: stringify!($field),
                        about: concat!($($of_field),+).trim_ascii(),
                        shape: <$value as Field>::SHAPE,
                        presence: presence!($value $(, $default)? $(, $usual)?),
                    },)+)?],
                },)+ }
            }
        }

        impl Fact {
            pub fn event_type(&self) -> EventType {
                match self { $(Fact::$type { .. } => EventType::$type,)+ }
            }

            /// The part of its order that the fact speaks of.
            pub fn part(&self) -> Option<Part<'_>> {
                match self { $(Fact::$type { $($part_id,)? .. } => part!($part $($part_id)?),)+ }
            }
        }
    };
}

macro_rules! aggregate {
    (Named) => {
        None
    };
    ($kind:ident) => {
        Some(AggregateKind::$kind)
    };
}

macro_rules! part {
    (Whole) => {
        None
    };
    ($part:ident $id:ident) => {
        Some(Part::$part($id))
    };
}

macro_rules! bare {
    ($type:ident) => {
        Some(Fact::$type)
    };
    ($type:ident $($field:ident)+) => {
        None
    };
}

macro_rules! read {
    ($fields:ident, $field:ident, $value:ty) => {
        <$value as Field>::read($fields, stringify!($field))
    };
    ($fields:ident, $field:ident, $value:ty, $default:expr) => {
        $fields.or::<$value>(stringify!($field), $default)
    };
}

macro_rules! presence {
    ($value:ty) => {
        if <$value as Field>::IS_OPTIONAL { Presence::Optional } else { Presence::Required }
    };
    ($value:ty, $default:expr) => {
        Presence::Default(Field::shown(&$default))
    };
}

events! {
    /// The payment succeeded. Carries the order's attributes; an order counts only once its payment is known.
    OrderPaid = 1, "order.paid", Order, Merchant, Whole {
        /// What was sold. An order without a product counts for everything but its product.
        product_id: Option<Id>,
        /// Goods that are shipped, or virtual ones that the buyer confirms.
        kind: Option<OrderKind> => OrderKind::Physical,
        /// The creator whose sharing brought the order; it counts for the creator too.
        creator_id: Option<Id>,
        /// Sold before it is in stock; left out of `pickup_timeliness` and `pickup_duration`.
        presale: Option<bool> => false,
        /// Whether a parcel has to be picked up; if not, the order is left out of `pickup_timeliness` and `pickup_duration`.
        needs_shipping: Option<bool> => true,
    };
    /// The shop handed the parcel over, or entered its waybill.
    OrderShipped = 2, "order.shipped", Order, Merchant, Whole;
    /// The courier's first scan (揽收).
    OrderPickedUp = 3, "order.picked_up", Order, Merchant, Whole;
    /// The courier's sign-off (物流签收); from then on a physical order counts as signed.
    OrderSigned = 4, "order.signed", Order, Merchant, Whole;
    /// The buyer confirmed receipt (确认收货); from then on a virtual order counts as signed.
    OrderConfirmed = 5, "order.confirmed", Order, Merchant, Whole;
    /// The order was cancelled. Recorded; changes no metric of the shipped rule sets.
    OrderCancelled = 6, "order.cancelled", Order, Merchant, Whole;
    /// A review. The order's earliest one counts.
    ReviewPosted = 7, "review.posted", Order, Others, Review(review_id) {
        /// The platform's id of the review.
        review_id: Id,
        /// Stars for the goods.
        product_stars: Stars,
        /// Stars for the service, where the buyer gave any.
        service_stars: Option<Stars>,
        /// Stars for the delivery; recorded.
        logistics_stars: Option<Stars>,
    };
    /// A review was changed. Recorded; the first review stays the one that counts.
    ReviewRevised = 8, "review.revised", Order, Others, Review(review_id) {
        /// The platform's id of the review.
        review_id: Id,
        /// Stars for the goods, now.
        product_stars: Stars,
        /// Stars for the service, now.
        service_stars: Option<Stars>,
        /// Stars for the delivery, now.
        logistics_stars: Option<Stars>,
    };
    /// An after-sale case opens, and waits for the merchant.
    AftersaleOpened = 9, "aftersale.opened", Order, Others, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
        /// What the buyer asks for.
        kind: AftersaleKind,
        /// Why.
        reason: AftersaleReason,
    };
    /// The case waits for the merchant again.
    AftersaleAwaitingMerchant = 10, "aftersale.awaiting_merchant", Order, Merchant, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
    };
    /// The merchant acted on the case, so that it no longer waits for the merchant.
    AftersaleMerchantResponded = 11, "aftersale.merchant_responded", Order, Merchant, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
    };
    /// The case ended (完结).
    AftersaleCompleted = 12, "aftersale.completed", Order, Others, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
        /// How it ended.
        outcome: AftersaleOutcome,
    };
    /// The platform ruled on a case (仲裁).
    ArbitrationDecided = 13, "arbitration.decided", Order, Others, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
        /// Who is to blame.
        liable: Liable,
    };
    /// A complaint (投诉).
    ComplaintFiled = 14, "complaint.filed", Order, Others, Complaint(complaint_id) {
        /// The platform's id of the complaint.
        complaint_id: Id,
    };
    /// The complaint was withdrawn or dismissed; it never counts again.
    ComplaintWithdrawn = 15, "complaint.withdrawn", Order, Others, Complaint(complaint_id) {
        /// The platform's id of the complaint.
        complaint_id: Id,
    };
    /// The user's first message to the service desk.
    SessionStarted = 16, "im.session_started", Session, Merchant, Whole {
        /// Who answers. Sessions with a bot do not count.
        channel: Channel = Channel::Human,
        /// The creator to whom the session counts too.
        creator_id: Option<Id>,
    };
    /// A human answered.
    SessionReplied = 17, "im.replied", Session, Merchant, Whole;
    /// The user rated the session.
    SessionRated = 18, "im.rated", Session, Others, Whole {
        /// Stars for the session.
        stars: Stars,
    };
    /// The product is on the shelf from now on.
    ProductListed = 19, "product.listed", Product, Merchant, Whole;
    /// The product is off the shelf from now on.
    ProductDelisted = 20, "product.delisted", Product, Merchant, Whole;
    /// The promise for the parcel (承诺送达). The last promise before the sign-off counts.
    OrderPromised = 22, "order.promised", Order, Merchant, Whole {
        /// The promised moment of delivery, at most 366 days after the event's time.
        deliver_by: DateTime<Utc>,
    };
    /// A further message of the user to the human desk.
    SessionAsked = 23, "im.asked", Session, Others, Whole;
    /// A bot handed the session to the human desk (转人工): from then on it is a human session. On a human session it means nothing.
    SessionHandedOver = 24, "im.handed_over", Session, Merchant, Whole;
    /// The buyer asked the platform to step in (平台求助).
    ArbitrationOpened = 25, "arbitration.opened", Order, Others, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
    };
    /// What the message of the payment did not say and was looked up later. What the payment says stays.
    OrderDescribed = 26, "order.described", Order, Merchant, Whole {
        /// What was sold.
        product_id: Option<Id>,
        /// Goods that are shipped, or virtual ones that the buyer confirms.
        kind: Option<OrderKind>,
        /// The creator whose sharing brought the order.
        creator_id: Option<Id>,
        /// Sold before it is in stock.
        presale: Option<bool>,
        /// Whether a parcel has to be picked up.
        needs_shipping: Option<bool>,
    };
    /// The case became another one. Names a kind, a reason or both.
    AftersaleModified = 27, "aftersale.modified", Order, Others, Aftersale(aftersale_id) {
        /// The platform's id of the case.
        aftersale_id: Id,
        /// What the buyer asks for, now.
        kind: Option<AftersaleKind>,
        /// Why, now.
        reason: Option<AftersaleReason>,
    };
    /// Voids an event. Also names the `order_id`, `session_id` or `product_id` of that event.
    Retracted = 21, "event.retracted", Named, WhoSaidIt, Whole {
        /// The id of the event, in the same order, session or product.
        event_id: Id,
    };
}

#[cfg(test)]
mod tests {
    use super::EventType;

    #[test]
    fn every_event_type_has_a_code_of_its_own_and_says_what_it_is() {
        for event_type in EventType::ALL {
            assert_eq!(EventType::from_code(event_type.code()), Some(event_type));
            let definition = event_type.definition();
            assert!(definition.about.ends_with('.'), "{event_type}");
            assert_eq!(definition.fields.is_empty(), event_type.bare_fact().is_some(), "{event_type}");
        }
    }
}
