//! The code that the engine `bytecode` runs: translated from the bytecode in one pass, and executed by handlers that
//! call each other.

mod code;
mod compute;
mod control;
pub mod handlers;
mod lower;
mod moves;
mod state;
mod machine;
mod tables;
mod watch;
mod window;
mod words;

pub use code::{Code, Line};
pub use lower::{listing, lower, lower_watched};
pub use machine::Machine;
pub use watch::{Head, Watch};
pub use tables::PAIRS;
