//! All tests that need a database, in one binary: one private server for all of them, a fresh database for each.

mod golden;
mod support;
