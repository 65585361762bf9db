//! What changes something: events, the registry, exclusions, adjustments, runs and keys.

mod adjustment_bodies;
pub(crate) mod adjustments;
pub(crate) mod alerts;
pub(crate) mod deliveries;
pub(crate) mod erasures;
mod event_answers;
mod event_body;
mod event_checks;
pub(crate) mod events;
mod exclusion_bodies;
pub(crate) mod exclusions;
pub(crate) mod exclusions_batch;
mod import_answers;
pub(crate) mod imports;
pub(crate) mod keys;
pub(crate) mod new_keys;
pub(crate) mod previews;
pub(crate) mod push;
mod push_outcome;
mod push_parts;
pub(crate) mod registry;
pub(crate) mod registry_batch;
pub(crate) mod runs;
mod webhook_bodies;
pub(crate) mod webhooks;
