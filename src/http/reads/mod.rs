//! Reads of published scores and of all that explains them.

pub mod advice;
pub mod benchmarks;
pub mod changes;
pub mod fleet;
pub mod history;
pub mod outlook;
pub mod products;
pub mod records;
pub mod rule_sets;
pub mod score;
pub mod what_if;
mod wire;
