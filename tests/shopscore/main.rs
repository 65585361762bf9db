//! All tests that need a database, in one binary: one private server for all of them, a fresh database for each.

mod changes;
mod contract;
mod events;
mod faults;
mod fleet;
mod golden;
mod kept;
mod key_commands;
mod key_events;
mod key_sharing;
mod keys;
mod laws;
mod outlook;
mod process;
mod products;
mod recent;
mod records;
mod retention;
mod rule_sets;
mod schema;
mod sliding;
mod slot;
mod structure;
mod support;
mod telemetry;
mod what_if;
