//! Reads: of published scores and of all that explains them, and of who changed what.

pub(crate) mod advice;
mod assessment_wire;
pub(crate) mod audit;
pub(crate) mod benchmarks;
mod category_rule_wire;
pub(crate) mod changes;
pub(crate) mod exports;
pub(crate) mod fleet;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod lookup;
pub(crate) mod outlook;
pub(crate) mod preview_scores;
pub(crate) mod previews;
pub(crate) mod products;
pub(crate) mod record_changes;
pub(crate) mod records;
mod rule_set_wire;
pub(crate) mod rule_sets;
pub(crate) mod score;
pub(crate) mod summary;
pub(crate) mod unread;
pub(crate) mod what_if;
mod wire;
mod wire_tier;
