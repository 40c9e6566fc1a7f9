//! Host stack space for functions that recurse once for each nested body.
//!
//! The parser bounds nesting, so their recursion is bounded too. But a host may give a thread only a small stack, as
//! `ulimit -s 128` does. Every public function that walks nested bodies runs inside [`with_room`]. The interpreter's handlers do
//! so too, because an unoptimized build needs the stack for each instruction between two pauses.

/// The bytes of stack that must be left. No walk needs more for a thousand nested bodies, even in unoptimized builds.
const MIN_BYTES_LEFT: usize = 1 << 20;

/// The size in bytes of the new stack that is mapped if fewer than [`MIN_BYTES_LEFT`] are left.
const NEW_STACK_BYTES: usize = 4 << 20;

/// Runs `work` on this thread's stack, or on a new one if little of it is left.
#[inline]
pub fn with_room<R>(work: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(MIN_BYTES_LEFT, NEW_STACK_BYTES, work)
}
