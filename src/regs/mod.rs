//! The register tier: values of the stack are kept in registers and constants are folded, in one pass over the bytecode.
//!
//! `summary` finds what loops and branches touch, `lower` makes LIR on the abstract stack of `state`, `moves` brings values
//! in line where ways meet.

mod lower;
mod moves;
mod state;
mod summary;
mod words;

pub use lower::{Plan, lower};
