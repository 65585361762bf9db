//! Tools for agents, over the Model Context Protocol: read-only questions to the HTTP API, with the caller's key. [`tools`] is the table
//! of them, [`server`] answers the protocol; who carries the questions to the API is the matter of its users.

mod asking;
pub(crate) mod server;
mod tools;
