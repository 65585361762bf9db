//! Random streams of events that press on every rule: ties, late and contradictory facts, odd orders, shared creators.

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Events without conflicts, and the subjects that they name.
#[derive(Clone)]
pub struct Stream {
    pub shops: Vec<String>,
    pub creators: Vec<String>,
    pub events: Vec<String>,
}

impl Stream {
    /// The same stream with other shop ids. Order and session ids stay.
    pub fn renamed(&self, from: &str, to: &str) -> Stream {
        let rename = |texts: &[String]| texts.iter().map(|text| text.replace(from, to)).collect();
        Stream { shops: rename(&self.shops), creators: self.creators.clone(), events: rename(&self.events) }
    }
}

/// Twelve shops (enough for a peer group of the market), three of them in no category, and four creators.
pub fn random_stream(rng: &mut ChaCha8Rng) -> Stream {
    let shops: Vec<String> = (0..12).map(|index| format!("shop-{index}")).collect();
    let creators: Vec<String> = (0..4).map(|index| format!("creator-{index}")).collect();
    let mut writer = Writer { rng, events: Vec::new(), creators: &creators };
    for shop in &shops {
        let orders = writer.rng.random_range(25..60);
        for order in 0..orders {
            writer.order(shop, &format!("o{order}"));
        }
        for session in 0..writer.rng.random_range(0..15) {
            writer.session(shop, &format!("s{session}"));
        }
        for product in 0..4 {
            writer.shelf(shop, &format!("p{product}"));
        }
    }
    let events = writer.events;
    Stream { shops, creators, events }
}

struct Writer<'a> {
    rng: &'a mut ChaCha8Rng,
    events: Vec<String>,
    creators: &'a [String],
}

impl Writer<'_> {
    fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    fn send(&mut self, shop: &str, event_type: &str, at: DateTime<Utc>, data: Value) {
        let id = format!("e{}", self.events.len());
        self.send_as(&id, shop, event_type, at, data);
    }

    fn send_as(&mut self, id: &str, shop: &str, event_type: &str, at: DateTime<Utc>, data: Value) {
        let now: DateTime<Utc> = "2026-11-20T02:00:00Z".parse().expect("instant");
        let event = json!({"id": id, "type": event_type, "shop_id": shop, "time": at.min(now), "data": data});
        self.events.push(event.to_string());
    }

    fn hours(&mut self, most: f64) -> TimeDelta {
        TimeDelta::milliseconds((self.rng.random_range(0.0..most) * 3_600_000.0) as i64)
    }

    /// An instant inside the windows, and a little beyond their ends.
    fn instant(&mut self) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2026-08-05T00:00:00Z".parse().expect("instant");
        first + self.hours(107.0 * 24.0)
    }

    fn order(&mut self, shop: &str, order_id: &str) {
        let of_order = json!({"order_id": order_id});
        let paid = self.instant();
        if !self.chance(0.05) {
            let mut data = json!({"order_id": order_id});
            if self.chance(0.9) {
                data["product_id"] = json!(format!("p{}", self.rng.random_range(0..4)));
            }
            if self.chance(0.2) {
                data["kind"] = json!("virtual");
            }
            if self.chance(0.9) {
                data["presale"] = json!(self.chance(0.1));
            }
            if self.chance(0.9) {
                data["needs_shipping"] = json!(!self.chance(0.1));
            }
            if self.chance(0.5) {
                data["creator_id"] = json!(self.creators.choose(self.rng));
            }
            self.send(shop, "order.paid", paid, data.clone());
            if self.chance(0.1) {
                data["creator_id"] = json!(self.creators.choose(self.rng));
                let again = paid + self.hours(2.0);
                self.send(shop, "order.paid", again, data);
            }
        }
        for _ in 0..self.rng.random_range(0..2) {
            self.description(shop, order_id, paid);
        }
        let shipped = paid + self.hours(40.0);
        let picked_up = paid - TimeDelta::hours(3) + self.hours(60.0);
        let signed = picked_up - TimeDelta::hours(5) + self.hours(150.0);
        for (event_type, at, probability) in [
            ("order.shipped", shipped, 0.9),
            ("order.picked_up", picked_up, 0.9),
            ("order.picked_up", picked_up + TimeDelta::hours(1), 0.1),
            ("order.signed", signed, 0.9),
            ("order.signed", signed + TimeDelta::hours(9), 0.1),
            ("order.confirmed", signed + TimeDelta::hours(5), 0.6),
            ("order.cancelled", shipped, 0.05),
        ] {
            if self.chance(probability) {
                self.send(shop, event_type, at, of_order.clone());
            }
        }
        for _ in 0..self.rng.random_range(0..3) {
            let deliver_by = signed - TimeDelta::hours(60) + self.hours(120.0);
            let at = paid + self.hours(200.0);
            self.send(shop, "order.promised", at, json!({"order_id": order_id, "deliver_by": deliver_by}));
        }
        for review in 0..self.rng.random_range(0..3) {
            let at = signed + self.hours(300.0);
            self.review(shop, order_id, review, at);
        }
        for case in 0..self.rng.random_range(0..3) {
            self.case(shop, order_id, case, shipped);
        }
        for complaint in 0..self.rng.random_range(0..3) {
            let data = json!({"order_id": order_id, "complaint_id": format!("c{complaint}")});
            let at = paid + self.hours(400.0);
            if self.chance(0.2) {
                self.send(shop, "complaint.filed", at, data.clone());
            }
            if self.chance(0.1) {
                self.send(shop, "complaint.withdrawn", at, data);
            }
        }
        self.maybe_retract(shop, "order_id", order_id);
    }

    /// What was looked up of an order, at any time.
    fn description(&mut self, shop: &str, order_id: &str, paid: DateTime<Utc>) {
        let mut data = json!({"order_id": order_id});
        if self.chance(0.7) {
            data["product_id"] = json!(format!("p{}", self.rng.random_range(0..4)));
        }
        if self.chance(0.5) {
            data["creator_id"] = json!(self.creators.choose(self.rng));
        }
        if self.chance(0.3) {
            data["kind"] = json!("virtual");
        }
        if self.chance(0.3) {
            data["presale"] = json!(self.chance(0.5));
        }
        if self.chance(0.3) {
            data["needs_shipping"] = json!(self.chance(0.5));
        }
        let at = paid - TimeDelta::hours(5) + self.hours(400.0);
        self.send(shop, "order.described", at, data);
    }

    fn review(&mut self, shop: &str, order_id: &str, review: usize, at: DateTime<Utc>) {
        let mut data = json!({"order_id": order_id, "review_id": format!("r{review}"),
                              "product_stars": self.rng.random_range(1..=5)});
        if self.chance(0.7) {
            data["service_stars"] = json!(self.rng.random_range(1..=5));
        }
        self.send(shop, "review.posted", at, data.clone());
        if self.chance(0.2) {
            data["product_stars"] = json!(5);
            self.send(shop, "review.revised", at + TimeDelta::hours(1), data);
        }
    }

    fn case(&mut self, shop: &str, order_id: &str, case: usize, shipped: DateTime<Utc>) {
        let data = json!({"order_id": order_id, "aftersale_id": format!("a{case}")});
        let with = |extra: Value| {
            let mut data = data.clone();
            data.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
            data
        };
        let opened = shipped - TimeDelta::hours(2) + self.hours(380.0);
        let kind = ["refund_only", "return_refund", "exchange"][self.rng.random_range(0..3)];
        let reason = self.reason();
        if self.chance(0.9) {
            self.send(shop, "aftersale.opened", opened, with(json!({"kind": kind, "reason": reason})));
        }
        for _ in 0..self.rng.random_range(0..5) {
            let mark = ["aftersale.awaiting_merchant", "aftersale.merchant_responded"][self.rng.random_range(0..2)];
            let at = opened - TimeDelta::hours(1) + self.hours(60.0);
            self.send(shop, mark, at, data.clone());
        }
        if self.chance(0.8) {
            let outcome = ["refunded", "exchanged", "rejected", "withdrawn"][self.rng.random_range(0..4)];
            let at = opened + self.hours(70.0);
            self.send(shop, "aftersale.completed", at, with(json!({"outcome": outcome})));
        }
        if self.chance(0.3) {
            let mut now = json!({});
            if self.chance(0.6) {
                now["kind"] = json!(["refund_only", "return_refund", "exchange"][self.rng.random_range(0..3)]);
            }
            if now.get("kind").is_none() || self.chance(0.5) {
                now["reason"] = json!(self.reason());
            }
            let at = opened - TimeDelta::hours(1) + self.hours(70.0);
            self.send(shop, "aftersale.modified", at, with(now));
        }
        if self.chance(0.1) {
            let at = opened + self.hours(70.0);
            self.send(shop, "arbitration.opened", at, data.clone());
        }
        if self.chance(0.2) {
            let liable = ["merchant", "buyer", "platform", "none"][self.rng.random_range(0..4)];
            let at = opened + self.hours(70.0);
            self.send(shop, "arbitration.decided", at, with(json!({"liable": liable})));
        }
    }

    fn reason(&mut self) -> &'static str {
        let reasons = ["quality", "logistics", "breakage", "wrong_item", "no_longer_wanted", "other"];
        reasons[self.rng.random_range(0..reasons.len())]
    }

    fn session(&mut self, shop: &str, session_id: &str) {
        let data = json!({"session_id": session_id});
        let start = self.instant();
        if self.chance(0.95) {
            let mut attributes = data.clone();
            if self.chance(0.2) {
                attributes["channel"] = json!("bot");
            }
            if self.chance(0.3) {
                attributes["creator_id"] = json!(self.creators.choose(self.rng));
            }
            self.send(shop, "im.session_started", start, attributes);
        }
        for _ in 0..self.rng.random_range(0..3) {
            let at = start + TimeDelta::seconds(self.rng.random_range(-60..400));
            self.send(shop, "im.replied", at, data.clone());
        }
        for _ in 0..self.rng.random_range(0..3) {
            let at = start + TimeDelta::seconds(self.rng.random_range(-60..900));
            let mark = if self.chance(0.3) { "im.handed_over" } else { "im.asked" };
            self.send(shop, mark, at, data.clone());
        }
        if self.chance(0.6) {
            let stars = self.rng.random_range(1..=5);
            self.send(shop, "im.rated", start + TimeDelta::hours(1), json!({"session_id": session_id, "stars": stars}));
        }
        self.maybe_retract(shop, "session_id", session_id);
    }

    fn shelf(&mut self, shop: &str, product_id: &str) {
        for _ in 0..self.rng.random_range(0..4) {
            let mark = ["product.listed", "product.delisted"][self.rng.random_range(0..2)];
            let at = self.instant();
            self.send(shop, mark, at, json!({"product_id": product_id}));
        }
    }

    /// Sometimes retracts one of the last events, which may or may not be of this aggregate.
    fn maybe_retract(&mut self, shop: &str, field: &str, aggregate_id: &str) {
        if self.chance(0.1) {
            let newest = self.events.len();
            let victim = format!("e{}", self.rng.random_range(newest.saturating_sub(8)..newest));
            let at = self.instant();
            let id = format!("retraction-{newest}");
            self.send_as(&id, shop, "event.retracted", at, json!({"event_id": victim, field: aggregate_id}));
        }
    }
}
