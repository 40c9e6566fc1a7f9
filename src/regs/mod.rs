//! The register tier: lowers bytecode to LIR in one pass, keeps stack values in registers and folds constants.
//!
//! Two walks prepare the lowering: `summary` records which slots each region touches, and `homes` finds the slot in which a value ends an
//! iteration. `lower` then walks the bytecode. It calls `compute` and `test` for words, `loops` and `branches` for regions, `calls` for
//! functions, and `entry` for a second entry at a loop. These emit LIR and know nothing of the walk. They share `state`, which holds the
//! abstract `stack` and the registers. `moves` reconciles the abstract stack with the one that a join or a loop header expects.

mod branches;
mod calls;
mod compute;
mod entry;
mod homes;
mod loops;
mod lower;
mod moves;
mod stack;
mod state;
mod summary;
mod test;

pub use lower::{Plan, lower};
