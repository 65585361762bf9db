//! The HTTP contract. Handlers parse, call and write down; what they answer is decided in [`crate::ingest`],
//! [`crate::scoring`] and [`crate::answers`].

// Routes, by what they are for.
pub mod reads;
pub mod service;
pub mod writes;

// What handlers take, and what they share.
pub mod auth;
pub mod cursor;
pub mod media;
pub mod page;
pub mod param_types;
pub mod params;
pub mod state;

// Answers and problems.
pub mod answer;
pub mod asked;
pub mod problem;
pub mod problem_responses;

// Around the routes.
pub mod middleware;
pub mod routes;
pub mod telemetry;
