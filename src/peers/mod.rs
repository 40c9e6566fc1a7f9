//! Third-party compilers and interpreters as engines: they show how long other implementations take for the same
//! programs, and each gives the oracle one more opinion. They are built only with the feature `peers`.

pub mod cranelift;
mod operations;
mod wasm;
pub mod wasmi;
