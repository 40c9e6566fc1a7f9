//! jitduel sets a just-in-time compiler against an interpreter on a small stack language.

pub mod bytecode;
pub mod cli;
pub mod corpus;
pub mod engine;
pub mod exec;
pub mod interp;
pub mod isa;
pub mod jit;
pub mod lang;
pub mod lir;
pub mod oracle;
pub mod outcome;
pub mod registry;
