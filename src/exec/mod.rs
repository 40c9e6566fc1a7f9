//! Memory that is executed, memory that executed code works on, the call into it, and processes that may crash in it:
//! all the system calls.
//!
//! Knows nothing of the language. No mapping is ever writable and executable at once, and code can be called
//! only through [`Code`], which sealing alone produces.
#![allow(unsafe_code, reason = "system calls, raw memory and calls into generated code are this room's task")]

mod arena;
mod call;
mod clock;
mod code;
mod code_memory;
mod holes;
mod icache;
mod memory;
mod process;
mod stack;
mod trampoline;

pub use call::{Entry, Exit};
pub use clock::{children_processor_time, processor_time};
pub use code::Code;
pub use code_memory::{CodeMemory, code_memory};
pub use process::{Child, Ended, is_emulated, ready};
pub use stack::{Armor, Edge, Stack};
