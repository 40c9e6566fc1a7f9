//! A number that a process and its forked children share. Updating it takes no system call and wakes no process.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Mapping;

/// A number in memory that a forked child does not copy: each process sees what the others write. It starts as 0.
pub struct SharedNumber {
    mapping: Mapping,
}

impl SharedNumber {
    /// Creates a number that this process shares with the children that it forks from now on.
    ///
    /// # Errors
    /// The system's error, if the system has no free page.
    pub fn new() -> io::Result<SharedNumber> {
        Mapping::shared(size_of::<AtomicU64>()).map(|mapping| SharedNumber { mapping })
    }

    /// The value that was written last.
    pub fn get(&self) -> u64 {
        self.number().load(Ordering::Relaxed)
    }

    /// Writes a new value.
    pub fn set(&self, number: u64) {
        self.number().store(number, Ordering::Relaxed);
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped as long as `self` lives, its start is aligned, any bits are a valid number, and
        // all sharers access it atomically.
        unsafe { AtomicU64::from_ptr(self.mapping.start().as_ptr().cast()) }
    }
}
