//! x86-64 (AMD64), for the System V calling convention.

pub mod assemble;
pub mod emit;
pub mod encode;
pub mod regs;

pub use assemble::Assembler;
pub use emit::Emitter;
