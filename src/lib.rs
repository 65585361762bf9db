//! shopscore: the open engine for a marketplace's shop experience score.
//!
//! See `ARCHITECTURE.md` for the shape; the binary is a thin caller of [`cli`].

pub mod access;
pub mod answers;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod domain;
pub mod http;
pub mod ingest;
pub mod scoring;
pub mod service;
pub mod storage;
