//! What changes something: events, the registry, exclusions, runs and keys.

pub mod events;
pub mod exclusions;
pub mod keys;
pub mod registry;
pub mod runs;
