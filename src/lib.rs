//! shopscore: the open engine for a marketplace's shop experience score.
//!
//! See `ARCHITECTURE.md` for the shape; the binary is a thin caller of [`cli`].
//! Tests and benches see what they need; all else is private to the crate, so that the compiler finds what is unused.

// What is printed goes through `cli::report`: a reader that is gone must not end a command.
#![warn(unreachable_pub, clippy::print_stdout, clippy::print_stderr)]

pub mod access;
pub(crate) mod answers;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod context;
pub mod domain;
pub mod http;
pub(crate) mod ingest;
pub mod mcp;
pub mod otel;
pub mod scoring;
pub mod service;
pub mod storage;
pub mod webhooks;
