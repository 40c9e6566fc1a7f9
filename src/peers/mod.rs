//! Other people's compilers and interpreters as engines beside ours: what their work on the same programs takes, and one more
//! opinion each for the oracle. They are built with the feature `peers` alone.

pub mod cranelift;
mod operations;
mod wasm;
pub mod wasmi;
