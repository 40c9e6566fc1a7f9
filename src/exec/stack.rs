//! The data stack: memory for up to a limit of values between inaccessible pages.

use std::io;

use super::memory::{Access, Mapping, page_bytes};

/// A stack of 64-bit integers that engines work on and that can be reused from run to run.
///
/// One spare slot lies under the bottom: an engine that keeps the top in a register may spill it there when the
/// stack is empty. The pages before and behind are inaccessible.
pub struct Stack {
    mapping: Mapping,
    capacity: usize,
    depth: usize,
}

impl Stack {
    /// Reserves memory for `capacity` values; what is never used costs no memory.
    ///
    /// # Errors
    /// The system's, where it has not so much address space to give.
    pub fn new(capacity: usize) -> io::Result<Stack> {
        let page = page_bytes();
        let bytes = capacity
            .checked_add(1)
            .and_then(|slots| slots.checked_mul(8))
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut mapping = Mapping::new(bytes + 2 * page, Access::None)?;
        mapping.protect(page, bytes, Access::ReadWrite)?;
        Ok(Stack { mapping, capacity, depth: 0 })
    }

    /// How many values it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The values, bottom first.
    pub fn values(&self) -> &[i64] {
        // SAFETY: the first `depth <= capacity` slots are mapped, readable and initialized (zero at first).
        unsafe { std::slice::from_raw_parts(self.bottom(), self.depth) }
    }

    /// Makes the values those given, bottom first.
    ///
    /// # Panics
    /// Where there are more values than the capacity.
    pub fn set(&mut self, values: &[i64]) {
        assert!(values.len() <= self.capacity, "the caller keeps to the stack's capacity");
        // SAFETY: there is room, and the source is not in our own mapping, since `&mut self` is exclusive.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.bottom(), values.len()) };
        self.depth = values.len();
    }

    /// Where the lowest value lies; the spare slot is directly before it.
    pub(crate) fn bottom(&self) -> *mut i64 {
        // SAFETY: the second page is mapped and holds the spare slot and the bottom.
        unsafe { self.mapping.start().as_ptr().add(page_bytes()).cast::<i64>().add(1) }
    }

    /// Says how many values an engine left.
    ///
    /// # Panics
    /// Where there cannot be so many: an engine is wrong.
    pub(crate) fn set_depth(&mut self, depth: usize) {
        assert!(depth <= self.capacity, "an engine left {depth} values on a stack for {}", self.capacity);
        self.depth = depth;
    }
}
