//! Executable memory, what generated code works on (the data stack, the memory cells, the control stack), the call into
//! generated code, child processes in which that code may crash, and commands of the user's. All system calls are here.
//!
//! This module knows nothing of the language. No mapping is ever writable and executable at once, and code can be
//! called only through [`Code`], which only sealing produces. The memory of an arena does have a writable mapping in
//! addition to its executable one. Only the arena knows the address of the writable mapping, inaccessible pages
//! surround both mappings, and a forked child does not inherit the writable one.
//!
//! # Memory for code
//!
//! Small pieces of code are in an *arena*, one per thread. Its regions of 1 MiB are mapped twice, once to write and
//! once to execute, so creating code, running it and dropping it takes no system call. A range is written only while no
//! [`Code`] uses it, and is filled with traps when it is freed. Large code has its own mapping, which is first writable
//! and then executable. If double mapping is not available, all code gets such a mapping. If the system does not let a
//! written page become executable, the code is written through a second mapping, which is unmapped before the code can
//! be called. [`code_memory`] determines whether double mapping is available: it writes three different functions at the
//! same address, one after another, through one mapping, and runs each through the other mapping before it writes the
//! next. If an older function runs instead, double mapping is not used. This happens in some emulators: in QEMU 7.2 in
//! user mode, and in valgrind without `--smc-check=all`.
//!
//! A forked child shares the existing regions with its parent. Both may execute the code in them, neither writes to
//! them again, and each opens its own regions for new code.
#![allow(unsafe_code, reason = "system calls, raw memory and calls into generated code are the task of this module")]

mod arena;
mod call;
mod cells;
mod clock;
mod code;
mod code_memory;
mod command;
mod control;
mod free_list;
mod icache;
mod interrupts;
mod memory;
mod process;
mod shared;
mod start;
mod store;
mod trampoline;

pub(crate) use call::{Entry, Exit, Requirements, State};
pub use clock::{children_processor_time, processor_time};
pub use code::Code;
pub use code_memory::{CodeMemory, can_execute, code_memory, disable_double_mapping};
pub use command::{End, Finished, run_command};
pub use interrupts::Interrupts;
pub use process::{Child, Ended, is_emulated, ready};
pub use shared::SharedNumber;
pub use start::{keep_ended_children, refuse_closed_stdin, stdout_was_closed, survive_file_size_limit};
pub use store::{Armor, Edge, Granted, Store, can_reserve};
