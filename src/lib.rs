//! jitduel sets a just-in-time compiler against an interpreter on a small stack language.

pub mod isa;
pub mod lang;
pub mod lir;
pub mod outcome;
