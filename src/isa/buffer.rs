//! The memory that code is written to, for both instruction sets.

/// Bytes that grow at their end.
///
/// Writing is hot. To make it one comparison and one store of a fixed number of bytes, the memory after the end is
/// already initialized, and a write may extend past the bytes that it appends.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// The offset of the next byte.
    end: usize,
}

impl Buffer {
    /// An empty buffer in memory that may be reused, with this many bytes reserved.
    pub fn new(mut memory: Vec<u8>, reserved: usize) -> Buffer {
        memory.reserve(reserved.saturating_sub(memory.len()));
        Buffer { bytes: memory, end: 0 }
    }

    /// The number of bytes written.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.end
    }

    /// Appends the first `count` bytes of `bytes`.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N], count: usize) {
        // One branch, which is never taken when memory is reused.
        if self.bytes.len() < self.end + N {
            self.grow();
        }
        self.bytes[self.end..self.end + N].copy_from_slice(&bytes);
        self.end += count;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        // Grows by a quarter and not to the whole capacity, so that little memory is initialized unnecessarily.
        let more = (self.end / 4).max(256);
        self.bytes.resize(self.end + more, 0);
    }

    /// The bytes written so far, for patching.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.end]
    }

    /// Returns the bytes written.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.end);
        self.bytes
    }
}
