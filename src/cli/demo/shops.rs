//! The shops of the made-up marketplace: what they sell, how much, and how well.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub(super) const CREATORS: usize = 40;
/// Shops with a story of their own.
pub(super) const FALLING_SHOP: &str = "shop-falling";
pub(super) const RECOVERING_SHOP: &str = "shop-recovering";

/// Category, its name, and the days that its parcels travel.
pub(super) const CATEGORIES: [(&str, &str, f64); 6] = [
    ("apparel", "Apparel", 2.6),
    ("beauty", "Beauty", 2.2),
    ("food", "Food", 1.8),
    ("digital", "Digital", 2.0),
    ("home", "Home", 3.4),
    ("tickets", "Tickets", 0.0),
];

pub(super) struct Shop {
    pub(super) id: String,
    pub(super) category: usize,
    pub(super) orders_per_day: f64,
    /// From 0 (hopeless) to 1 (excellent), at the first day and today; linear between.
    pub(super) quality: (f64, f64),
    pub(super) creator: Option<usize>,
}

pub(super) fn creator_id(index: usize) -> String {
    format!("creator-{index:02}")
}

pub(super) fn shop(index: usize, rng: &mut ChaCha8Rng) -> Shop {
    let middling: f64 = (rng.random::<f64>() + rng.random::<f64>() + rng.random::<f64>()) / 3.0;
    let quality = match index {
        0 => (0.9, 0.05),
        1 => (0.1, 0.95),
        _ => (middling, (middling + rng.random_range(-0.1..0.1)).clamp(0.0, 1.0)),
    };
    let id = match index {
        0 => FALLING_SHOP.to_owned(),
        1 => RECOVERING_SHOP.to_owned(),
        _ => format!("shop-{index:03}"),
    };
    // A few shops are large, many are small, and some are too small to be scored.
    let size: f64 = rng.random();
    let orders_per_day = if index < 2 { 6.0 } else { 0.3 + 7.0 * size.powi(4) };
    let category = if index < 2 { 0 } else { rng.random_range(0..CATEGORIES.len()) };
    let creator = rng.random_bool(0.5).then(|| rng.random_range(0..CREATORS));
    Shop { id, category, orders_per_day, quality, creator }
}
