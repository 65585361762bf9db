//! The HTTP contract: routes, wire structs, problems, caching. Handlers are thin; what they answer is decided in
//! [`crate::ingest`] and [`crate::scoring`].

pub mod advice;
pub mod answer;
pub mod asked;
pub mod auth;
pub mod benchmarks;
pub mod changes;
pub mod docs;
pub mod events;
pub mod exclusions;
pub mod figures;
pub mod fleet;
pub mod health;
pub mod history;
pub mod keys;
pub mod media;
pub mod middleware;
pub mod outlook;
pub mod page;
pub mod params;
pub mod problem;
pub mod products;
pub mod reads;
pub mod records;
pub mod registry;
pub mod routes;
pub mod rule_sets;
pub mod runs;
pub mod state;
pub mod telemetry;
pub mod turnover;
pub mod what_if;
pub mod wire;
