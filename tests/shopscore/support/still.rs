//! A market in which everybody but one shop and one creator stands still: the facts of all others lie where no window
//! of the dates in question begins or ends, so that from date to date only the free two move.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::TestService;
use crate::support::answers::{Scored, retraction, scored, send, service_with_few};
use crate::support::stream::{Stream, random_stream};

const FREE_SHOP: &str = "shop-free";
const FREE_CREATOR: &str = "creator-free";
/// The days that random streams spread their facts over, and the first of them.
const STREAM_DAYS: i64 = 107;
const STREAM_BEGINS: &str = "2026-08-05T00:00:00Z";

pub struct StillMarket {
    /// Those who stand still.
    peers: Stream,
    /// Facts of the free two, on any day.
    pub own: Vec<String>,
    /// Facts of the free two to be sent later: new orders, late facts of old ones, retractions.
    pub further: Vec<String>,
}

impl StillMarket {
    /// A market whose peers stand still from a score date to another, less than two months later.
    pub fn random(rng: &mut ChaCha8Rng, first: NaiveDate, last: NaiveDate) -> StillMarket {
        let mut peers = random_stream(rng);
        // On the last date the near window still reaches back to these days; on the first one the mature window ends
        // after them. Two days at each end are left for facts that lie a little beyond.
        let (from, until) = (last - Days::new(88), first - Days::new(17));
        peers.events = peers.events.iter().map(|event| pressed(event, from, until)).collect();
        let drawn = random_stream(rng);
        let (mut own, mut further) = (Vec::new(), Vec::new());
        for event in &drawn.events {
            let event: Value = serde_json::from_str(event).expect("an event");
            let later = match event["shop_id"].as_str() {
                Some("shop-0" | "shop-1" | "shop-2") => rng.random_bool(0.1),
                Some("shop-3") => true,
                _ => continue,
            };
            if later { further.push(adopted(event)) } else { own.push(adopted(event)) }
        }
        let retractions: Vec<String> =
            own.iter().filter(|_| rng.random_bool(0.03)).map(|event| retraction(event)).collect();
        further.extend(retractions);
        further.shuffle(rng);
        StillMarket { peers, own, further }
    }

    /// A service that knows the peers and the free two's own facts; the latter are in a category or in none.
    pub async fn open(&self, category_id: Option<&str>) -> TestService {
        let service = service_with_few().await;
        service.register(&self.peers.shops, &self.peers.creators).await;
        place_free_two(&service, category_id).await;
        send(&service, &self.peers.events).await;
        send(&service, &self.own).await;
        service
    }

    /// The peers under every rule set.
    pub fn others(&self) -> Vec<Scored> {
        scored(&self.peers.shops, &self.peers.creators)
    }
}

/// The free two under every rule set.
pub fn free_two() -> Vec<Scored> {
    scored(&[FREE_SHOP.to_owned()], &[FREE_CREATOR.to_owned()])
}

/// Puts the free two into a category, or into none.
pub async fn place_free_two(service: &TestService, category_id: Option<&str>) {
    for (kind, field, id) in [("shops", "shop_id", FREE_SHOP), ("creators", "creator_id", FREE_CREATOR)] {
        let entries = json!({kind: [{field: id, "category_id": category_id}]});
        let (status, answer) = service.post(&format!("/v1/{kind}:batch"), &entries).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// The event at its place in a shorter span of days. What came earlier still does.
fn pressed(event: &str, from: NaiveDate, until: NaiveDate) -> String {
    let mut event: Value = serde_json::from_str(event).expect("an event");
    let time: DateTime<Utc> = event["time"].as_str().expect("time").parse().expect("an instant");
    let begins: DateTime<Utc> = STREAM_BEGINS.parse().expect("an instant");
    let passed = (time - begins).num_milliseconds() * (until - from).num_days() / STREAM_DAYS;
    event["time"] = json!(from.and_time(NaiveTime::MIN).and_utc() + TimeDelta::milliseconds(passed));
    event.to_string()
}

/// The event as one of the free shop's. Orders and sessions of different shops stay different ones; creators become the
/// free one or none.
fn adopted(mut event: Value) -> String {
    let shop = event["shop_id"].as_str().expect("shop_id").to_owned();
    event["shop_id"] = json!(FREE_SHOP);
    for field in ["order_id", "session_id"] {
        let renamed = event["data"][field].as_str().map(|id| format!("{shop}-{id}"));
        if let Some(renamed) = renamed {
            event["data"][field] = json!(renamed);
        }
    }
    let named = event["data"]["creator_id"].as_str().map(|id| (id != "creator-3").then_some(FREE_CREATOR));
    if let Some(creator) = named {
        event["data"]["creator_id"] = json!(creator);
    }
    event.to_string()
}
