//! Room on the host's stack for functions that call themselves once for each nested body.
//!
//! The parser bounds nesting, so that their depth is bounded as well; but a host may give a thread little stack, as
//! `ulimit -s 128` does. Every public function that walks nested bodies does its work in [`with_room`].

/// More than a thousand nested bodies take in any walk, in builds without optimization too.
const MIN_BYTES_LEFT: usize = 1 << 20;

/// What is mapped where less is left.
const NEW_STACK_BYTES: usize = 4 << 20;

/// Does the work on this thread's stack, or on one of its own where little is left of that.
#[inline]
pub fn with_room<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(MIN_BYTES_LEFT, NEW_STACK_BYTES, work)
}
