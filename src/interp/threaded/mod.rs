//! The code that the engine `bytecode` runs: translated from the bytecode in one pass, and executed by handlers that
//! call each other.

mod code;
mod compute;
mod control;
pub mod handlers;
mod lower;
mod machine;
mod moves;
mod state;
mod tables;
mod watch;
mod window;
mod words;

pub use code::{Code, Line};
pub use lower::{listing, lower, lower_watched};
pub use machine::Machine;
pub use tables::PAIRS;
pub use watch::{Head, Watch};
