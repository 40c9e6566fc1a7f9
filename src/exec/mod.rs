//! Memory that is executed, memory that executed code works on, the call into it, and processes that may crash in it:
//! all the system calls.
//!
//! Knows nothing of the language. No mapping is ever writable and executable at once, and code can be called
//! only through [`Code`], which sealing alone produces. The memory of an arena does have a writable mapping beside its
//! executable one. Only the arena knows where it is, inaccessible pages enclose both, and a forked child does not have it.
//!
//! # Memory for code
//!
//! A small piece of code lies in an *arena*, one for each thread: in regions of a MiB that are mapped twice, once to be written
//! and once to be executed, so that to make code, run it and drop it takes no system call. A range is written only while no
//! [`Code`] of it lives; then it is full of traps. Large code, and all code where the double mapping is not to be had, has a
//! mapping of its own that is first writable and then executable; or, where the system forbids that, an executable one that
//! was written through another, which is gone by the time the code can be called. [`code_memory`] finds out which it is: it writes a function
//! through one mapping and runs it through the other, three times at the same address. Emulators may run what was there
//! before: the user mode of QEMU 7.2 does, and valgrind unless it is told `--smc-check=all`.
//!
//! A forked child shares the regions that there are with its parent. Both may run what is in them, neither writes to them
//! again, and each opens regions of its own for what it makes then.
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
mod shared;
mod stack;
mod start;
mod trampoline;

pub use call::{Demands, Entry, Exit};
pub use clock::{children_processor_time, processor_time};
pub use code::Code;
pub use code_memory::{CodeMemory, can_execute, code_memory, keep_apart};
pub use process::{Child, Ended, is_emulated, ready};
pub use shared::SharedNumber;
pub use stack::{Armor, Edge, Stack};
pub use start::{stdout_was_closed, survive_file_size_limit};
