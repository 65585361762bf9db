//! The scoring law as pure functions and values.
//!
//! Nothing here performs I/O, reads a clock, awaits, or knows SQL or HTTP. What comes from outside is parsed into
//! these types at the door ([`parse`]) and not questioned again.
//!
//! The way of a fact: [`event`] → [`fold`] (one aggregate's events become tallies) → [`count`] (tallies become daily
//! counts) → [`window`] sums → [`metric`] values → [`score`] (standings, points, dimensions, score, tier).

// Facts: what arrives, and what of it can be told apart.
pub mod aggregate;
pub mod content;
pub mod event;
pub mod event_type;
pub mod event_words;
pub mod exclusion;
pub mod fault;
pub mod fields;
pub mod id;
pub mod parse;
pub mod subject;
pub mod words;

// Counting: what a set of facts counts for, on which day.
pub mod aftersale;
pub mod calendar;
pub mod count;
pub mod fold;
pub mod live;
pub mod measure;
pub mod metric;
pub mod order;
pub mod product;
pub mod session;
pub mod tally;
pub mod window;

// Rules: from counts to a score.
pub mod curve;
pub mod decimal;
pub mod peers;
pub mod rules;
pub mod run;
pub mod score;
pub mod slot;
pub mod tier;
pub mod weights;

// Insight: what a score is made of, and what would change it.
pub mod advice;
pub mod changes;
pub mod reference;
pub mod what_if;
