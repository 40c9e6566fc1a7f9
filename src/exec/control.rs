//! The control stack: where generated code keeps return addresses and the frame slots of its activations.

use std::io;

use super::memory::{Access, Mapping, page_bytes};

/// The control stack. It grows downward. The pages before and after it are inaccessible, and memory is committed only as it is
/// used.
pub(super) struct ControlStack {
    /// `None` until a program has calls.
    mapping: Option<Mapping>,
    bytes: usize,
}

/// Room that every control stack has besides the room for activations, for signal handlers that run on it.
const HEADROOM: usize = 64 * 1024;

impl ControlStack {
    pub fn new() -> ControlStack {
        ControlStack { mapping: None, bytes: 0 }
    }

    /// Makes room for activations of `bytes` bytes in all. Zero bytes need no control stack.
    ///
    /// # Errors
    /// The system's error if there is not enough address space.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let page = page_bytes();
        let all = bytes
            .checked_add(HEADROOM)
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|bytes| bytes.checked_add(2 * page).is_some_and(|all| all <= isize::MAX as usize))
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        self.mapping = None;
        self.bytes = 0;
        let mut mapping = Mapping::new(all + 2 * page, Access::None)?;
        mapping.protect(page, all, Access::ReadWrite)?;
        (self.mapping, self.bytes) = (Some(mapping), bytes);
        Ok(())
    }

    /// The address after the control stack; dangling if none is reserved. A multiple of 16.
    pub fn end(&self) -> *mut u8 {
        match &self.mapping {
            None => std::ptr::dangling_mut(),
            // SAFETY: the last page of the mapping is the inaccessible one.
            Some(mapping) => unsafe { mapping.start().as_ptr().add(mapping.bytes() - page_bytes()) },
        }
    }
}
