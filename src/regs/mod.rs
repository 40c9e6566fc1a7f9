//! The register tier: values of the stack are kept in registers and constants are folded, in one pass over the bytecode.
//!
//! `summary` finds what loops and branches touch, and `homes` where values end in a loop. `lower` goes over the program:
//! `compute`, `branches` and `loops` make LIR on the abstract `stack` and the registers of `state`, and `moves` brings values in
//! line where ways meet.

mod branches;
mod compute;
mod homes;
mod loops;
mod lower;
mod moves;
mod stack;
mod state;
mod summary;

pub use lower::{Plan, lower};
