//! What the benches share: the service under test, its market, a client and a load that cost little.

#![allow(dead_code, reason = "every bench uses a part of this")]

pub mod client;
pub mod load;
pub mod market;
pub mod service;

use std::error::Error;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
