//! Connectors: what platforms push, in their own words, becomes events. [`file`] says which connectors there are; each platform
//! has a module that is a pure function of a message's headers and body. [`table`] makes events of tables. HTTP and the database are
//! not known here.

pub mod connector;
mod doudian;
pub mod file;
mod making;
mod members;
pub(crate) mod message;
pub(crate) mod platform;
mod shopify;
pub(crate) mod signature;
pub mod table;
mod tiktok;
