//! The two instruction sets, as twin rooms.

pub mod aarch64;
pub mod x86_64;
