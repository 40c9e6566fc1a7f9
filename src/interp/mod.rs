//! The interpreters: the naive referee and the fast one.

pub mod bytecode;
pub mod threaded;
pub mod tree;
