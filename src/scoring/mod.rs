//! Computing scores: runs and their publication, sums that slide, the daily slot, rebuilds, previews of draft rules. HTTP is not known here.

pub(crate) mod erasure;
pub mod inputs;
pub mod preview;
pub mod rebuild;
pub(crate) mod removal;
pub mod retention;
pub mod rule_sets;
pub mod run;
pub(crate) mod schedule;
pub(crate) mod scorer;
pub mod settled;
