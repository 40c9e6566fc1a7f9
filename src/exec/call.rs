//! The call into generated code, and what comes back from it.

use std::mem::offset_of;

use super::{Code, Stack};
use crate::lir::frame;

/// What generated code is given, by reference, and leaves its results in.
#[repr(C)]
struct Context {
    bottom: *mut i64,
    limit: *mut i64,
    pointer: *mut i64,
    fuel: u64,
}

const _: () = assert!(offset_of!(Context, bottom) == frame::BOTTOM as usize);
const _: () = assert!(offset_of!(Context, limit) == frame::LIMIT as usize);
const _: () = assert!(offset_of!(Context, pointer) == frame::POINTER as usize);
const _: () = assert!(offset_of!(Context, fuel) == frame::FUEL as usize);

/// Sealed code that an emitter of this crate has made for this machine.
pub struct Entry {
    code: Code,
}

/// How generated code came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended, with so many values on the stack.
    Done,
    /// It left through the exit of a trap site.
    Trap {
        /// The number of the site.
        site: u32,
        /// Where the data-stack pointer stood, in slots above the bottom.
        pointer: i64,
    },
}

impl Entry {
    /// Takes code that may be called with every stack: what can go wrong in it leaves through a trap exit.
    /// Only emitters make such code, so only this crate may say that it has some.
    pub(crate) fn new(code: Code) -> Entry {
        Entry { code }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Runs the code on a stack of which at most `limit` values may be used, with `fuel` passes of loops.
    ///
    /// # Panics
    /// Where the stack is smaller than `limit`.
    pub fn run(&self, stack: &mut Stack, limit: usize, fuel: u64) -> Exit {
        assert!(limit <= stack.capacity(), "the stack has room for the limit");
        let bottom = stack.bottom();
        let mut context = Context { bottom, limit: bottom.wrapping_add(limit), pointer: bottom, fuel };
        let argument = (&raw mut context).expose_provenance() as u64;
        // SAFETY: by the contract of `new` the code keeps to the calling convention, reads and writes nothing
        // but the context, its own frame and the stack between the spare slot and the limit.
        let status = unsafe { self.code.call(argument) };
        let pointer = (context.pointer as isize).wrapping_sub(bottom as isize) / 8;
        match status.checked_sub(1) {
            None => {
                stack.set_depth(usize::try_from(pointer).expect("the stack's end is not below its bottom"));
                Exit::Done
            }
            Some(site) => Exit::Trap {
                site: u32::try_from(site).expect("a trap exit returns a number of 32 bits"),
                pointer: pointer as i64,
            },
        }
    }
}
