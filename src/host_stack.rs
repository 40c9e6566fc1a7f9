//! Room on the host's stack for functions that recurse once for each nested body.
//!
//! The parser bounds nesting, which bounds the recursion as well. But a thread may have little stack, for example under
//! `ulimit -s 128`. Every public function that walks nested bodies therefore does its work in [`with_room`].

/// The stack required, in bytes: more than any walk over a thousand nested bodies uses, even in builds without optimization.
const NEEDED: usize = 1 << 20;

/// The size in bytes of the stack that is mapped if less than [`NEEDED`] is left.
const GIVEN: usize = 4 << 20;

/// Does the work on this thread's stack, or on a new stack if too little is left.
#[inline]
pub fn with_room<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(NEEDED, GIVEN, work)
}
