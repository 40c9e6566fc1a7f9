//! The interpreters: the naive referee, the fast one, and one that needs no preparation.

pub mod bytecode;
pub mod switch;
pub mod threaded;
pub mod tree;
