//! A made-up marketplace: shops of several kinds, good and bad, with creators, over about 120 days. Seeded.

use chrono::NaiveDate;
use chrono_tz::Tz;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::shops::{CATEGORIES, CREATORS, Shop, creator_id, shop};
use super::trade::Writer;
use crate::domain::calendar::Calendar;

#[derive(Clone, Debug)]
pub(super) struct MarketPlan {
    pub seed: u64,
    pub shops: usize,
    pub today: NaiveDate,
    pub zone: Tz,
}

/// What the demo registers and sends. `events` are JSON texts in the order in which they happened.
pub(super) struct Market {
    pub shops: Vec<Value>,
    pub creators: Vec<Value>,
    pub events: Vec<String>,
}

impl Market {
    pub(super) fn generate(plan: &MarketPlan) -> Market {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let shops: Vec<Shop> = (0..plan.shops).map(|index| shop(index, &mut rng)).collect();
        let mut writer = Writer::new(Calendar::new(plan.zone), plan.today);
        for shop in &shops {
            let mut rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
            writer.shop(shop, &mut rng);
        }
        let entry = |shop: &Shop| {
            json!({"shop_id": shop.id, "name": format!("{} {}", CATEGORIES[shop.category].1, shop.id),
                   "category_id": CATEGORIES[shop.category].0})
        };
        let creator = |index| json!({"creator_id": creator_id(index), "category_id": CATEGORIES[index % 5].0});
        Market {
            shops: shops.iter().map(entry).collect(),
            creators: (0..CREATORS).map(creator).collect(),
            events: writer.finish(),
        }
    }
}
