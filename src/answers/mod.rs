//! What is answered about scores, between HTTP and storage: published cards, the records and changes behind them, what is
//! coming, what would help. HTTP is not known here.
//!
//! Every answer is a plain value that is made from a [`source::Source`]; what is missing is a [`published::ReadError`].

pub mod advice;
pub mod benchmarks;
pub mod changes;
pub mod fleet;
pub mod freshness;
pub mod history;
pub mod outlook;
pub mod products;
pub mod published;
pub mod records;
mod recount;
pub mod source;
pub mod what_if;
