//! The engines on the host: every operation, branch and short program, random programs, and the interfaces that run them.

#[path = "../binary/mod.rs"]
mod binary;

mod branches;
mod calls;
mod calls_and_memory;
mod exhaustive;
mod interpreter;
mod lir_calls;
mod lir_ops;
mod oracle;
mod perf_map;
mod registers;
mod ssa;
mod targets;
mod tiered;
