//! Sealed machine code: written once, then called.

use std::io;
use std::ptr::NonNull;

use super::arena::Piece;
use super::icache;
use super::memory::{Access, Mapping};

/// Sealed machine code: it can be called and can no longer be written. Its memory is given back on drop.
///
/// Not `Send`: another thread's processor would have to synchronize its instruction stream first.
pub struct Code {
    start: NonNull<u8>,
    used: usize,
    _memory: Memory,
}

/// What keeps the memory of a piece of code.
#[expect(dead_code, reason = "they are kept for what they do when they are dropped")]
enum Memory {
    /// A piece of the thread's arena.
    Piece(Piece),
    /// A mapping of its own.
    Mapping(Mapping),
}

impl Code {
    /// Writes and seals a whole piece of code: in the thread's arena, where the host allows that and the code is not
    /// large, else in a mapping of its own.
    ///
    /// # Errors
    /// The system's, where it has no memory to give or does not allow generated code.
    pub fn new(bytes: &[u8]) -> io::Result<Code> {
        match Piece::new(bytes) {
            Some(piece) => Ok(Code::in_piece(piece, bytes.len())),
            None => Code::apart(bytes),
        }
    }

    /// Writes and seals a whole piece of code in a mapping of its own, which is first writable and then executable. For
    /// code that is large, or for a host that has no arena: three system calls and a page fault for every page. Where the
    /// system never lets a page that was written be executed, it is written through a second mapping, which is then given
    /// back.
    ///
    /// # Errors
    /// The system's, where it has no memory to give or does not allow generated code.
    pub fn apart(bytes: &[u8]) -> io::Result<Code> {
        let used = bytes.len();
        // What it said to the first way is the plainer reason.
        let mapping = written_then_executable(bytes).or_else(|error| Mapping::executable(bytes).map_err(|_| error))?;
        icache::flush(mapping.start().as_ptr(), used);
        Ok(Code { start: mapping.start(), used, _memory: Memory::Mapping(mapping) })
    }

    /// The code of `used` bytes that a piece of an arena was made of.
    pub(super) fn in_piece(piece: Piece, used: usize) -> Code {
        Code { start: piece.start(), used, _memory: Memory::Piece(piece) }
    }

    /// The code.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `used` bytes are mapped and readable, and nothing writes them before the drop.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }

    /// Calls the first instruction as a C function of one argument, which returns one integer.
    ///
    /// # Safety
    /// The code must be made for this machine, keep to its C calling convention for `fn(u64) -> u64`, and do
    /// nothing that safe code may rely on it not to do.
    pub unsafe fn call(&self, argument: u64) -> u64 {
        // SAFETY: the address is that of sealed, executable memory; what is there is the caller's promise.
        let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(self.start.as_ptr()) };
        function(argument)
    }
}

/// Code in a mapping that is first writable and then executable.
fn written_then_executable(bytes: &[u8]) -> io::Result<Mapping> {
    let mut mapping = Mapping::new(bytes.len(), Access::ReadWrite)?;
    // SAFETY: there are so many bytes, they are writable, and nobody else knows them.
    unsafe { mapping.start().copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    mapping.protect(0, mapping.bytes(), Access::ReadExecute)?;
    Ok(mapping)
}
