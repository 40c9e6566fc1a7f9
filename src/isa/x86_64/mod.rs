//! x86-64: its registers and the encoding of the instructions we use.

pub mod encode;
pub mod regs;
