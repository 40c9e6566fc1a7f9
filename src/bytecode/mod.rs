//! The bytecode: a program made flat, with every remaining run-time check as an operation of its own.

mod dump;
mod lower;
pub mod op;

pub use lower::{TooLarge, lower};
pub use op::{Bytecode, Check, CheckGroup, CheckKind, Counter, Op, Pc, TrapSite};
