//! The register tier: values of the stack are kept in registers and constants are folded, in one pass over the bytecode.
//!
//! `summary` finds what each region touches, and `homes` where values end in a loop. `lower` walks the bytecode. For words it
//! calls `compute` and `test`, for regions `loops` and `branches`: these emit LIR, using the `state` of the abstract `stack` and
//! its registers, and know nothing of the walk. `moves` reconciles two states where paths meet.

mod branches;
mod compute;
mod homes;
mod loops;
mod lower;
mod moves;
mod stack;
mod state;
mod summary;
mod test;

pub use lower::{Plan, lower};
