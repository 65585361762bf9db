//! The scoring law as pure functions and values.
//!
//! Nothing here performs I/O, reads a clock, awaits, or knows SQL or HTTP. What comes from outside is parsed into
//! these types at the door ([`parse`]) and not questioned again.
//!
//! The way of a fact: [`event`] → [`fold`] (one aggregate's events become tallies) → [`count`] (tallies become daily
//! counts) → [`window`] sums → [`metric`] values → [`score`] (standings, points, dimensions, score, tier).

// Facts: what arrives, and what of it can be told apart.
pub(crate) mod aggregate;
pub(crate) mod content;
pub mod event;
pub(crate) mod event_type;
pub(crate) mod event_words;
pub(crate) mod exclusion;
pub mod export;
pub(crate) mod fault;
pub(crate) mod fields;
pub(crate) mod hex;
pub mod id;
pub(crate) mod parse;
pub mod subject;
pub(crate) mod subject_counts;
pub(crate) mod words;

// Counting: what a set of facts counts for, on which day.
pub(crate) mod aftersale;
pub mod calendar;
pub mod count;
pub(crate) mod fold;
pub(crate) mod live;
pub mod measure;
pub(crate) mod members;
pub(crate) mod metric;
pub(crate) mod order;
pub(crate) mod order_facts;
pub(crate) mod plausible;
pub(crate) mod product;
pub(crate) mod session;
pub(crate) mod tally;
pub(crate) mod window;

// Rules: from counts to a score.
pub(crate) mod adjustment;
pub(crate) mod composed;
pub(crate) mod coverage;
pub(crate) mod curve;
pub mod decimal;
pub(crate) mod numbers;
pub(crate) mod peers;
pub(crate) mod quantiles;
pub mod rules;
pub mod run;
pub(crate) mod score;
pub mod slot;
pub(crate) mod tier;
pub(crate) mod weights;

// Insight: what a score is made of, and what would change it.
pub(crate) mod advice;
pub(crate) mod changes;
pub(crate) mod preview;
pub mod reference;
pub(crate) mod what_if;

// Telling: who is told what, and who changed what.
pub(crate) mod alert;
pub mod audit;
pub mod webhook;
