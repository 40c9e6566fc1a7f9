//! AArch64 (ARM64).

pub mod assemble;
pub mod emit;
pub mod encode;
pub mod regs;

pub use assemble::Assembler;
pub use emit::Emitter;
