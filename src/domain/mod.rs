//! The scoring law as pure functions and values.
//!
//! Nothing here performs I/O, reads a clock, awaits, or knows SQL or HTTP. What comes from outside is parsed into
//! these types at the door ([`parse`]) and not questioned again.
//!
//! The way of a fact: [`event`] → [`fold`] (one aggregate's events become tallies) → [`count`] (tallies become daily
//! counts) → [`window`] sums → [`metric`] values → [`score`] (standings, points, dimensions, score, tier).

pub mod advice;
pub mod calendar;
pub mod changes;
pub mod content;
pub mod count;
pub mod curve;
pub mod decimal;
pub mod event;
pub mod exclusion;
mod fields;
pub mod fold;
pub mod id;
pub mod live;
pub mod measure;
pub mod metric;
pub mod order;
pub mod parse;
pub mod peers;
pub mod product;
pub mod rules;
pub mod score;
pub mod session;
pub mod subject;
pub mod what_if;
pub mod window;
