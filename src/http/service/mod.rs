//! The process itself: its health, its figures, and the description of the contract.

pub(crate) mod caller;
pub mod dashboard;
pub mod docs;
pub(crate) mod event_types;
pub(crate) mod figures;
pub(crate) mod health;
pub mod pages;
