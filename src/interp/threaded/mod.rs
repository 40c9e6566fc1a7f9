//! The code that the engine `bytecode` runs: translated from the bytecode in one pass, and executed by handlers that
//! call each other.

mod code;
mod compute;
mod control;
pub(crate) mod handlers;
mod lower;
mod machine;
mod moves;
mod state;
mod tables;
mod watch;
mod window;
mod words;

pub use code::Line;
pub use lower::listing;
pub(crate) use lower::{lower, lower_watched};
pub(crate) use machine::Machine;
pub use tables::PAIRS;
pub(crate) use watch::Head;
