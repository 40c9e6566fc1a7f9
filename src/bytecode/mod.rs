//! The bytecode: a verified program as a flat list of operations, with every remaining run-time check as an operation of its
//! own, and the region table, which keeps the structure of loops and branches.

mod dump;
mod lower;
pub mod op;
mod region;

pub use lower::{TooLarge, lower};
pub use op::{Bytecode, Check, CheckGroup, CheckKind, Counter, Op, Pc, TrapSite};
pub use region::{Region, RegionId, RegionKind};
