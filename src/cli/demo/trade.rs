//! What happens in the made-up marketplace, day by day: orders with all that follows, sessions, shelves.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::shops::{CATEGORIES, Shop, creator_id};
use crate::domain::calendar::Calendar;

/// Days of trade before today.
const DAYS: u64 = 120;
const PRODUCTS_PER_SHOP: usize = 12;

/// Collects events with the instants at which they happened.
pub(super) struct Writer {
    calendar: Calendar,
    today: NaiveDate,
    /// Facts after this are not known yet.
    end: DateTime<Utc>,
    events: Vec<(DateTime<Utc>, String)>,
    numbers: u64,
    /// Draws the facts that came with the rules of 2026, so that everything else stays as it is drawn without them.
    newer: ChaCha8Rng,
}

impl Writer {
    pub(super) fn new(calendar: Calendar, today: NaiveDate) -> Writer {
        let end = calendar.instant(today, NaiveTime::MIN);
        let newer = ChaCha8Rng::seed_from_u64(2026);
        Writer { calendar, today, end, events: Vec::new(), numbers: 0, newer }
    }

    pub(super) fn finish(mut self) -> Vec<String> {
        self.events.sort();
        self.events.into_iter().map(|(_, text)| text).collect()
    }

    fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn send(&mut self, shop: &Shop, event_type: &str, at: DateTime<Utc>, data: Value) {
        if at < self.end {
            let id = format!("e{}", self.next());
            let time = at.with_timezone(&self.calendar.zone()).to_rfc3339();
            let event = json!({"id": id, "type": event_type, "shop_id": shop.id, "time": time, "data": data});
            self.events.push((at, event.to_string()));
        }
    }

    pub(super) fn shop(&mut self, shop: &Shop, rng: &mut ChaCha8Rng) {
        self.shelf(shop, rng);
        for back in (1..=DAYS).rev() {
            let day = self.today - Days::new(back);
            let passed = 1.0 - back as f64 / DAYS as f64;
            let quality = shop.quality.0 + (shop.quality.1 - shop.quality.0) * passed;
            for _ in 0..count(shop.orders_per_day, rng) {
                self.order(shop, day, quality, rng);
            }
            for _ in 0..count(shop.orders_per_day * 0.4, rng) {
                self.session(shop, day, quality, rng);
            }
        }
    }

    fn shelf(&mut self, shop: &Shop, rng: &mut ChaCha8Rng) {
        let first = self.calendar.instant(self.today - Days::new(DAYS), NaiveTime::MIN);
        for product in 0..PRODUCTS_PER_SHOP {
            let data = json!({"product_id": product_id(product)});
            self.send(shop, "product.listed", first, data.clone());
            if rng.random_bool(0.1) {
                self.send(shop, "product.delisted", first + hours(rng.random_range(500.0..2900.0)), data);
            }
        }
    }

    fn order(&mut self, shop: &Shop, day: NaiveDate, quality: f64, rng: &mut ChaCha8Rng) {
        let order_id = format!("{}-{}", 4_900_000_000_000_u64 + self.next(), shop.id);
        let virtual_goods = CATEGORIES[shop.category].0 == "tickets";
        let paid = self.calendar.instant(day, NaiveTime::MIN) + TimeDelta::seconds(rng.random_range(0..86_400));
        let mut attributes =
            json!({"order_id": order_id, "product_id": product_id(rng.random_range(0..PRODUCTS_PER_SHOP))});
        if virtual_goods {
            attributes["kind"] = json!("virtual");
            attributes["needs_shipping"] = json!(false);
        }
        if let Some(creator) = shop.creator.filter(|_| rng.random_bool(0.3)) {
            attributes["creator_id"] = json!(creator_id(creator));
        }
        self.send(shop, "order.paid", paid, attributes);
        let of_order = || json!({"order_id": order_id});
        if rng.random_bool(0.03) {
            self.send(shop, "order.cancelled", paid + hours(rng.random_range(0.1..6.0)), of_order());
            return;
        }
        let mut signed = paid + hours(rng.random_range(1.0..48.0));
        let shipped = paid + hours(rng.random_range(2.0..14.0) + (1.0 - quality) * rng.random_range(0.0..30.0));
        if virtual_goods {
            self.send(shop, "order.confirmed", signed, of_order());
        } else {
            self.promise(shop, &order_id, paid);
            self.send(shop, "order.shipped", shipped, of_order());
            let picked_up = shipped + hours(rng.random_range(0.5..6.0));
            self.send(shop, "order.picked_up", picked_up, of_order());
            let days =
                CATEGORIES[shop.category].2 * rng.random_range(0.6..1.3) + (1.0 - quality) * rng.random_range(0.0..1.5);
            signed = picked_up + hours(24.0 * days);
            self.send(shop, "order.signed", signed, of_order());
        }
        self.review(shop, &order_id, signed, quality, rng);
        self.trouble(shop, &order_id, shipped, signed, quality, rng);
    }

    /// What the carrier promises when an order is paid.
    fn promise(&mut self, shop: &Shop, order_id: &str, paid: DateTime<Utc>) {
        let days = CATEGORIES[shop.category].2 * 1.2 + self.newer.random_range(0.8..2.0);
        let deliver_by = (paid + hours(24.0 * days)).with_timezone(&self.calendar.zone()).to_rfc3339();
        let data = json!({"order_id": order_id, "deliver_by": deliver_by});
        self.send(shop, "order.promised", paid + TimeDelta::minutes(1), data);
    }

    fn review(&mut self, shop: &Shop, order_id: &str, signed: DateTime<Utc>, quality: f64, rng: &mut ChaCha8Rng) {
        if !rng.random_bool(0.35) {
            return;
        }
        let stars = |rng: &mut ChaCha8Rng| {
            if rng.random_bool(0.005 + 0.09 * (1.0 - quality)) {
                rng.random_range(1..=2)
            } else {
                if rng.random_bool(0.5 + 0.45 * quality) { 5 } else { rng.random_range(3..=4) }
            }
        };
        let mut data = json!({"order_id": order_id, "review_id": format!("r-{order_id}"), "product_stars": stars(rng)});
        if rng.random_bool(0.8) {
            data["service_stars"] = json!(stars(rng));
            data["logistics_stars"] = json!(stars(rng));
        }
        let at = signed + hours(rng.random_range(1.0..200.0));
        let unhappy = data["product_stars"].as_u64().is_some_and(|stars| stars <= 2);
        self.send(shop, "review.posted", at, data.clone());
        if unhappy && rng.random_bool(0.1) {
            data["product_stars"] = json!(4);
            self.send(shop, "review.revised", at + hours(48.0), data);
        }
    }

    /// After-sale cases, rulings and complaints.
    fn trouble(
        &mut self,
        shop: &Shop,
        order_id: &str,
        shipped: DateTime<Utc>,
        signed: DateTime<Utc>,
        quality: f64,
        rng: &mut ChaCha8Rng,
    ) {
        if rng.random_bool(0.05 + 0.05 * (1.0 - quality)) {
            let kind = ["refund_only", "return_refund", "return_refund", "exchange"][rng.random_range(0..4)];
            let at_fault = rng.random_bool(0.1 + 0.6 * (1.0 - quality));
            let reason = if at_fault {
                ["quality", "quality", "logistics"][rng.random_range(0..3)]
            } else {
                ["no_longer_wanted", "other", "wrong_item"][rng.random_range(0..3)]
            };
            let case = |extra: Value| {
                let mut data = json!({"order_id": order_id, "aftersale_id": format!("a-{order_id}")});
                if let (Some(data), Value::Object(extra)) = (data.as_object_mut(), extra) {
                    data.extend(extra);
                }
                data
            };
            let opened = (if kind == "refund_only" { shipped } else { signed }) + hours(rng.random_range(2.0..90.0));
            let answered = opened + hours(rng.random_range(0.5..10.0) + (1.0 - quality) * rng.random_range(0.0..40.0));
            self.send(shop, "aftersale.opened", opened, case(json!({"kind": kind, "reason": reason})));
            if reason == "logistics" && self.newer.random_bool(0.6) {
                self.send(shop, "aftersale.modified", opened + hours(0.2), case(json!({"reason": "breakage"})));
            }
            self.send(shop, "aftersale.merchant_responded", answered, case(json!({})));
            let again = answered + hours(rng.random_range(20.0..60.0));
            let mut completed = answered + hours(1.0);
            if kind != "refund_only" {
                self.send(shop, "aftersale.awaiting_merchant", again, case(json!({})));
                completed = again + hours(rng.random_range(1.0..12.0) + (1.0 - quality) * rng.random_range(0.0..40.0));
            }
            if rng.random_bool(0.08) {
                let liable = if rng.random_bool(0.2 + 0.6 * (1.0 - quality)) { "merchant" } else { "buyer" };
                self.send(shop, "arbitration.decided", completed - hours(0.5), case(json!({"liable": liable})));
            }
            if self.newer.random_bool(0.01 + 0.08 * (1.0 - quality)) {
                self.send(shop, "arbitration.opened", completed - hours(0.7), case(json!({})));
            }
            let outcome = if kind == "exchange" { "exchanged" } else { "refunded" };
            self.send(shop, "aftersale.completed", completed, case(json!({"outcome": outcome})));
        }
        if rng.random_bool(0.001 + 0.02 * (1.0 - quality)) {
            let data = json!({"order_id": order_id, "complaint_id": format!("c-{order_id}")});
            let at = signed + hours(rng.random_range(1.0..150.0));
            self.send(shop, "complaint.filed", at, data.clone());
            if rng.random_bool(0.15) {
                self.send(shop, "complaint.withdrawn", at + hours(30.0), data);
            }
        }
    }

    fn session(&mut self, shop: &Shop, day: NaiveDate, quality: f64, rng: &mut ChaCha8Rng) {
        let session_id = format!("s-{}-{}", self.next(), shop.id);
        let start = self.calendar.instant(day, NaiveTime::MIN) + TimeDelta::seconds(rng.random_range(25_000..86_000));
        let channel = if rng.random_bool(0.15) { "bot" } else { "human" };
        self.send(shop, "im.session_started", start, json!({"session_id": session_id, "channel": channel}));
        let of_session = json!({"session_id": session_id});
        if rng.random_bool(0.9) {
            let limit = if rng.random_bool(0.4 + 0.58 * quality) { 170 } else { 1_500 };
            let replied = start + TimeDelta::seconds(rng.random_range(5..limit));
            self.send(shop, "im.replied", replied, of_session.clone());
            self.further_rounds(shop, replied, quality, &of_session);
        }
        if rng.random_bool(0.3) {
            let stars = if rng.random_bool(0.04 + 0.3 * (1.0 - quality)) {
                rng.random_range(1..=3)
            } else {
                rng.random_range(4..=5)
            };
            let data = json!({"session_id": session_id, "stars": stars});
            self.send(shop, "im.rated", start + hours(1.0), data);
        }
    }

    /// The buyer asks again, and is answered.
    fn further_rounds(&mut self, shop: &Shop, replied: DateTime<Utc>, quality: f64, of_session: &Value) {
        let mut last = replied;
        for _ in 0..self.newer.random_range(0..3) {
            let asked = last + TimeDelta::seconds(self.newer.random_range(20..300));
            let slowest = 15 + (120.0 * (1.0 - quality)) as i64;
            last = asked + TimeDelta::seconds(self.newer.random_range(5..slowest.max(10)));
            self.send(shop, "im.asked", asked, of_session.clone());
            self.send(shop, "im.replied", last, of_session.clone());
        }
    }
}

fn product_id(product: usize) -> String {
    format!("p-{product}")
}

fn hours(hours: f64) -> TimeDelta {
    TimeDelta::milliseconds((hours * 3_600_000.0) as i64)
}

/// A whole number around a mean.
fn count(mean: f64, rng: &mut ChaCha8Rng) -> u64 {
    let scattered = mean * rng.random_range(0.5..1.5);
    scattered.floor() as u64 + u64::from(rng.random_bool(scattered.fract()))
}
