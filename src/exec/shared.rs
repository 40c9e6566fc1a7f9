//! A number that a process and its forked children share: to say it takes no system call, and wakes nobody.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Mapping;

/// A number in memory that a forked child does not copy: what either writes, the other reads. At first 0.
pub struct SharedNumber {
    mapping: Mapping,
}

impl SharedNumber {
    /// A number for this process and the children that it forks from now on.
    ///
    /// # Errors
    /// The system's, where it has no page to give.
    pub fn new() -> io::Result<SharedNumber> {
        Mapping::shared(size_of::<AtomicU64>()).map(|mapping| SharedNumber { mapping })
    }

    /// What was written last.
    pub fn get(&self) -> u64 {
        self.number().load(Ordering::Relaxed)
    }

    /// Writes another.
    pub fn set(&self, number: u64) {
        self.number().store(number, Ordering::Relaxed);
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped as long as we live, its begin is aligned, any bits are a number, and whoever shares it
        // reads and writes all of it at once.
        unsafe { AtomicU64::from_ptr(self.mapping.start().as_ptr().cast()) }
    }
}
