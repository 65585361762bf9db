//! The load: life cycles of many shops interleaved in time, seeded.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the load looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub seed: u64,
    pub events: usize,
    pub shops: usize,
    /// Share of events that arrive long after their neighbours in time.
    pub late: f64,
}

/// One event as the service and as the yardstick get it.
pub struct Line {
    pub json: String,
    /// Columns of the yardstick's table, tab-separated.
    pub row: String,
}

const CREATORS: u32 = 20_000;
const PRODUCTS_PER_SHOP: u32 = 20;
const DAYS: i64 = 100;

/// Events in the order in which they are sent.
pub fn generate(shape: Shape) -> Vec<Line> {
    let mut rng = ChaCha8Rng::seed_from_u64(shape.seed);
    let begin: DateTime<Utc> = "2026-07-10T00:00:00Z".parse().expect("a constant instant");
    // An order brings about 5.7 events, with its share of sessions and shelf marks 6.3.
    let orders = shape.events / 6 + 1;
    let mut events: Vec<(DateTime<Utc>, Line)> = Vec::with_capacity(shape.events + 16);
    let mut writer = Lines { number: 0 };
    for order in 0..orders {
        let shop = rng.random_range(0..shape.shops);
        let at = begin + TimeDelta::milliseconds(order as i64 * DAYS * 86_400_000 / orders as i64);
        let mut send = |rng: &mut ChaCha8Rng, code: i16, at: DateTime<Utc>, kind: i16, id: &str, data: String| {
            let arrival =
                if rng.random_bool(shape.late) { at + TimeDelta::hours(rng.random_range(24..720)) } else { at };
            events.push((arrival, writer.line(shop, code, at, kind, id, data)));
        };
        life_cycle(&mut rng, order, at, &mut send);
    }
    events.sort_by_key(|(arrival, _)| *arrival);
    events.truncate(shape.events);
    events.into_iter().map(|(_, line)| line).collect()
}

type Send<'a> = dyn FnMut(&mut ChaCha8Rng, i16, DateTime<Utc>, i16, &str, String) + 'a;

fn life_cycle(rng: &mut ChaCha8Rng, order: usize, paid: DateTime<Utc>, send: &mut Send<'_>) {
    let id = format!("{}", 4_900_000_000_000_u64 + order as u64);
    let product = rng.random_range(0..PRODUCTS_PER_SHOP);
    let mut data = format!(r#"{{"order_id":"{id}","product_id":"p-{product}""#);
    if rng.random_bool(0.3) {
        let _ = write!(data, r#","creator_id":"creator-{}""#, rng.random_range(0..CREATORS));
    }
    data.push('}');
    let of_order = || format!(r#"{{"order_id":"{id}"}}"#);
    let mut hours = |most: i64| TimeDelta::seconds(rng.random_range(60..most * 3600));
    let shipped = paid + hours(24);
    let picked_up = shipped + hours(8);
    let signed = picked_up + hours(90);
    let later = signed + hours(200);
    send(rng, 1, paid, 1, &id, data);
    send(rng, 2, shipped, 1, &id, of_order());
    send(rng, 3, picked_up, 1, &id, of_order());
    send(rng, 4, signed, 1, &id, of_order());
    if rng.random_bool(0.6) {
        send(rng, 5, later, 1, &id, of_order());
    }
    if rng.random_bool(0.35) {
        let (product_stars, service_stars) = (5 - rng.random_range(0..6_u32) / 5 * 3, rng.random_range(3..=5));
        let review = format!(
            r#"{{"order_id":"{id}","review_id":"r-{id}","product_stars":{product_stars},"service_stars":{service_stars}}}"#
        );
        send(rng, 7, later, 1, &id, review);
    }
    if rng.random_bool(0.08) {
        let case = |rest: &str| format!(r#"{{"order_id":"{id}","aftersale_id":"a-{id}"{rest}}}"#);
        send(rng, 9, later, 1, &id, case(r#","kind":"return_refund","reason":"quality""#));
        send(rng, 11, later + TimeDelta::hours(5), 1, &id, case(""));
        send(rng, 12, later + TimeDelta::hours(50), 1, &id, case(r#","outcome":"refunded""#));
    }
    if rng.random_bool(0.2) {
        let session = format!("s-{order}");
        let data = format!(r#"{{"session_id":"{session}"}}"#);
        send(rng, 16, paid, 2, &session, data.clone());
        send(rng, 17, paid + TimeDelta::seconds(90), 2, &session, data);
    }
    if rng.random_bool(0.01) {
        let product = format!("p-{product}");
        let mark = if rng.random_bool(0.5) { 19 } else { 20 };
        send(rng, mark, paid, 3, &product, format!(r#"{{"product_id":"{product}"}}"#));
    }
    // Keeps the streams of one order independent of how much the next one draws.
    rng.next_u64();
}

struct Lines {
    number: u64,
}

impl Lines {
    fn line(&mut self, shop: usize, code: i16, at: DateTime<Utc>, kind: i16, id: &str, data: String) -> Line {
        self.number += 1;
        let name = shopscore::domain::event::EventType::from_code(code).map_or("", |event_type| event_type.as_str());
        let time = at.format("%Y-%m-%dT%H:%M:%SZ");
        let number = self.number;
        Line {
            json: format!(
                r#"{{"id":"e-{number}","type":"{name}","shop_id":"shop-{shop:05}","time":"{time}","data":{data}}}"#
            ),
            row: format!("{time}\t{time}\t1\t\\N\t{kind}\t{code}\tshop-{shop:05}\t{id}\te-{number}\t{data}"),
        }
    }
}
