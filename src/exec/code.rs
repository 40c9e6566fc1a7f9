//! Sealed machine code: written once, then called.

use std::io;
use std::ptr::NonNull;

use super::arena::Piece;
use super::icache;
use super::memory::{Access, Mapping};

/// Sealed machine code: it can be called and can no longer be written. Dropping it frees its memory.
///
/// Not `Send`: another thread's processor would first have to synchronize its instruction stream.
pub struct Code {
    start: NonNull<u8>,
    used: usize,
    _memory: Memory,
}

/// The owner of the memory of a piece of code.
#[expect(dead_code, reason = "held only for their `Drop`")]
enum Memory {
    /// A piece of the thread's arena.
    Piece(Piece),
    /// A mapping of its own.
    Mapping(Mapping),
}

impl Code {
    /// Writes and seals a piece of code: in the thread's arena if the host allows that and the code is small, otherwise
    /// in its own mapping.
    ///
    /// # Errors
    /// The system's error, if the system has no memory or does not allow generated code.
    pub fn new(bytes: &[u8]) -> io::Result<Code> {
        match Piece::new(bytes) {
            Some(piece) => Ok(Code::in_piece(piece, bytes.len())),
            None => Code::in_own_mapping(bytes),
        }
    }

    /// Writes and seals a piece of code in its own mapping, which is first writable and then executable. This is for
    /// large code and for hosts without an arena: it costs three system calls and one page fault per page. If the
    /// system never lets a written page become executable, the code is written through a second mapping, which is then
    /// unmapped.
    ///
    /// # Errors
    /// The system's error, if the system has no memory or does not allow generated code.
    pub fn in_own_mapping(bytes: &[u8]) -> io::Result<Code> {
        let used = bytes.len();
        // The error of the first method is the clearer one.
        let mapping = written_then_executable(bytes).or_else(|error| Mapping::executable(bytes).map_err(|_| error))?;
        icache::flush(mapping.start().as_ptr(), used);
        Ok(Code { start: mapping.start(), used, _memory: Memory::Mapping(mapping) })
    }

    /// Code of `used` bytes in a piece of an arena.
    pub(super) fn in_piece(piece: Piece, used: usize) -> Code {
        Code { start: piece.start(), used, _memory: Memory::Piece(piece) }
    }

    /// The bytes of the code.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `used` bytes are mapped and readable, and nothing writes them before the drop.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }

    /// Calls the first instruction as a C function that takes one argument and returns one integer.
    ///
    /// # Safety
    /// The code must be for this machine, follow its C calling convention for `fn(u64) -> u64`, and do nothing that
    /// would break the guarantees of safe Rust.
    pub unsafe fn call(&self, argument: u64) -> u64 {
        // SAFETY: the caller guarantees it.
        unsafe { self.call_at(0, argument) }
    }

    /// The same, but calls the instruction at an offset.
    ///
    /// # Panics
    /// If the offset is not within the code.
    ///
    /// # Safety
    /// The same as for [`call`](Code::call). The instruction must be an entry of the code.
    pub unsafe fn call_at(&self, offset: usize, argument: u64) -> u64 {
        let first: *const u8 = &self.bytes()[offset];
        // SAFETY: the address points to sealed, executable memory; the caller guarantees what the code does.
        let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(first) };
        function(argument)
    }
}

/// Copies code to a mapping that is first writable and then executable.
fn written_then_executable(bytes: &[u8]) -> io::Result<Mapping> {
    let mut mapping = Mapping::new(bytes.len(), Access::ReadWrite)?;
    // SAFETY: the mapping has that many bytes, they are writable, and nothing else uses them.
    unsafe { mapping.start().copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    mapping.protect(0, mapping.bytes(), Access::ReadExecute)?;
    Ok(mapping)
}
