//! All tests that need a database, in one binary: one private server for all of them, a fresh database for each.

mod answers;
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
mod records;
mod retention;
mod rule_sets;
mod slot;
mod still;
mod stream;
mod structure;
mod support;
mod telemetry;
mod what_if;
