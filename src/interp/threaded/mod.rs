//! The code that the engine `bytecode` runs: translated from the bytecode in one pass, and executed by handlers that
//! call each other.

mod code;
mod compute;
mod control;
pub mod handlers;
mod lower;
mod moves;
mod state;
mod tables;
mod window;
mod words;

pub use code::{Code, Line};
pub use control::Control;
pub use lower::{listing, lower};
pub use tables::PAIRS;
