//! The bytecode: a verified program as a flat list of operations and a region table.
//!
//! Every run-time check that the verifier could not remove is a separate operation. The region table keeps the
//! structure of loops and branches.

mod calls;
mod dump;
mod inline;
mod lower;
pub mod op;
mod region;
mod unit;

pub use dump::SourceLines;
pub use inline::Inlined;
pub use lower::{Limits, TooLarge, lower};
pub use op::{Bytecode, Check, CheckGroup, CheckKind, Counter, Function, FunctionId, Op, Pc, TrapSite};
pub use region::{Region, RegionId, RegionKind};
pub(crate) use unit::{Unit, unit_length};
