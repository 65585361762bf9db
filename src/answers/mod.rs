//! What is answered about scores, between HTTP and storage: published cards, the records and changes behind them, what
//! is coming, what would help. HTTP is not known here.
//!
//! Every answer is a plain value that is made from a [`source::Source`]; what is missing is a [`published::ReadError`].

pub(crate) mod advice;
pub(crate) mod benchmarks;
pub(crate) mod changes;
pub(crate) mod export;
pub(crate) mod fleet;
pub(crate) mod freshness;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod lookup;
pub(crate) mod outlook;
mod parquet_file;
pub(crate) mod products;
pub(crate) mod published;
mod qualifying;
pub(crate) mod record_changes;
pub(crate) mod records;
mod recount;
pub(crate) mod rule_sets;
pub(crate) mod source;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod unpack;
pub(crate) mod what_if;
