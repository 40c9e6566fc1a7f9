//! Third-party compilers and interpreters as engines: they show how long other implementations take for the same
//! programs, and each gives the oracle one more opinion. The
//! register allocator of one of them can be compared with ours. They are built only with the feature `peers`.

pub mod cranelift;
mod operations;
pub mod regalloc2;
mod wasm;
pub mod wasmi;
