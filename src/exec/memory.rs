//! Mappings: reserved from the system, given back on drop; and code, first writable, then sealed.

use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;

use super::icache;

/// A range of whole pages of our own.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

/// What may be done with pages.
#[derive(Clone, Copy)]
pub(super) enum Access {
    None,
    ReadWrite,
    ReadExecute,
}

impl Access {
    fn flags(self) -> libc::c_int {
        match self {
            Access::None => libc::PROT_NONE,
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// The size of a page in bytes.
pub(super) fn page_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // SAFETY: sysconf only reads a constant of the system.
        let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(bytes).expect("every system has a page size")
    })
}

impl Mapping {
    /// Maps at least `bytes` of zeros, rounded up to whole pages. Pages cost memory from their first use on.
    pub(super) fn new(bytes: usize, access: Access) -> io::Result<Mapping> {
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = bytes.max(1).checked_next_multiple_of(page_bytes()).ok_or_else(out_of_memory)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the system's choice touches no memory of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access.flags(), flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(out_of_memory)?;
        Ok(Mapping { start, bytes })
    }

    /// Changes what may be done with `bytes` from `offset` on, both multiples of the page size.
    pub(super) fn protect(&mut self, offset: usize, bytes: usize, access: Access) -> io::Result<()> {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "the range lies in the mapping");
        // SAFETY: the range lies in a mapping that is ours alone, and `&mut self` says that nobody uses it now.
        let result = unsafe { libc::mprotect(self.start.as_ptr().add(offset).cast(), bytes, access.flags()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrows it any longer.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(result, 0, "unmapping our own mapping cannot fail");
    }
}

/// Memory to write machine code into; it cannot be called.
pub struct CodeBuffer {
    mapping: Mapping,
    used: usize,
}

/// Sealed machine code: it can be called and can no longer be written. Unmapped on drop.
///
/// Not `Send`: another thread's processor would have to synchronize its instruction stream first.
pub struct Code {
    mapping: Mapping,
    used: usize,
}

impl CodeBuffer {
    /// Maps memory for `bytes` bytes of code.
    ///
    /// # Errors
    /// The system's, where it has no memory to give.
    pub fn new(bytes: usize) -> io::Result<CodeBuffer> {
        Ok(CodeBuffer { mapping: Mapping::new(bytes, Access::ReadWrite)?, used: bytes })
    }

    /// The memory, zero at first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `used` bytes are mapped, readable, writable and borrowed through `&mut self` alone.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.start().as_ptr(), self.used) }
    }

    /// Makes the memory executable and no longer writable, and the instruction cache agree with it.
    ///
    /// # Errors
    /// The system's, where it does not allow generated code.
    pub fn seal(mut self) -> io::Result<Code> {
        let bytes = self.mapping.bytes();
        self.mapping.protect(0, bytes, Access::ReadExecute)?;
        icache::flush(self.mapping.start().as_ptr(), self.used);
        Ok(Code { mapping: self.mapping, used: self.used })
    }
}

impl Code {
    /// Maps, writes and seals a whole piece of code.
    ///
    /// # Errors
    /// The system's, where it has no memory to give or does not allow generated code.
    pub fn new(bytes: &[u8]) -> io::Result<Code> {
        let mut buffer = CodeBuffer::new(bytes.len())?;
        buffer.bytes_mut().copy_from_slice(bytes);
        buffer.seal()
    }

    /// The code.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `used` bytes are mapped and readable, and nothing writes them before the drop.
        unsafe { std::slice::from_raw_parts(self.mapping.start().as_ptr(), self.used) }
    }

    /// Calls the first instruction as a C function of one argument, which returns one integer.
    ///
    /// # Safety
    /// The code must be made for this machine, keep to its C calling convention for `fn(u64) -> u64`, and do
    /// nothing that safe code may rely on it not to do.
    pub unsafe fn call(&self, argument: u64) -> u64 {
        // SAFETY: the address is that of sealed, executable memory; what is there is the caller's promise.
        let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(self.mapping.start().as_ptr()) };
        function(argument)
    }
}
