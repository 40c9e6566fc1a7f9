//! The memory that code is written to: the same for both instruction sets.

/// Bytes that grow at their end.
///
/// Writing is hot. So that it takes one comparison and one store of a fixed number of bytes, what lies behind the end is
/// initialized already, and may be written beyond what counts.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Where the next byte goes.
    end: usize,
}

impl Buffer {
    /// An empty one in memory that may be reused, with so many bytes reserved.
    pub fn new(mut memory: Vec<u8>, reserved: usize) -> Buffer {
        memory.reserve(reserved.saturating_sub(memory.len()));
        Buffer { bytes: memory, end: 0 }
    }

    /// How many bytes there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end
    }

    /// Appends the first `count` bytes of some.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N], count: usize) {
        // One branch that is never taken when memory is reused.
        if self.bytes.len() < self.end + N {
            self.grow();
        }
        self.bytes[self.end..self.end + N].copy_from_slice(&bytes);
        self.end += count;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        // A quarter more, and not all of the capacity, so that little is initialized in vain.
        let more = (self.end / 4).max(256);
        self.bytes.resize(self.end + more, 0);
    }

    /// What was written so far, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }

    /// Hands out what was written.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.end);
        self.bytes
    }
}
