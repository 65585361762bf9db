//! The HTTP contract. Handlers parse, call and write down; what they answer is decided in [`crate::ingest`],
//! [`crate::scoring`] and [`crate::answers`].

// Routes, by what they are for.
pub(crate) mod reads;
pub mod service;
pub(crate) mod writes;

// What handlers take, and what they share.
pub(crate) mod auth;
pub mod bodies;
mod csv_columns;
mod csv_lists;
pub(crate) mod cursor;
mod json_body;
mod mcp;
pub(crate) mod media;
pub(crate) mod page;
pub(crate) mod param_types;
pub(crate) mod params;
pub(crate) mod state;
pub(crate) mod subject_params;
pub(crate) mod terms;

// Answers and problems.
pub(crate) mod answer;
pub(crate) mod asked;
mod preferences;
pub(crate) mod problem;
mod problem_kind;
pub(crate) mod problem_responses;

// Around the routes.
mod addressee;
pub(crate) mod connections;
mod decoding;
mod description;
mod event_schemas;
pub(crate) mod limits;
pub(crate) mod middleware;
pub mod remembered;
pub mod routes;
pub(crate) mod telemetry;
