//! All tests that need a database, in one binary: one private server for all of them, a fresh database for each.

mod contract;
mod events;
mod faults;
mod golden;
mod laws;
mod process;
mod rule_sets;
mod slot;
mod stream;
mod structure;
mod support;
