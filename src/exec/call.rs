//! The call into generated code, and what comes back from it.

use super::{Code, Stack};
use crate::lir::frame;

/// Sealed code that an emitter of this crate has made for this machine, with the frame that it is given.
pub struct Entry {
    code: Code,
    /// The layout is that of [`frame`], in cells of 8 bytes.
    frame: Box<[u64]>,
}

const BOTTOM: usize = frame::BOTTOM as usize / 8;
const LIMIT: usize = frame::LIMIT as usize / 8;
const POINTER: usize = frame::POINTER as usize / 8;
const FUEL: usize = frame::FUEL as usize / 8;
const SLOTS: usize = frame::SLOTS as usize / 8;

/// How generated code came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended; the stack knows how many values it left.
    Done,
    /// It left through the exit of a trap site.
    Trap {
        /// The number of the site.
        site: u32,
        /// Where the data-stack pointer stood, in slots above the bottom.
        pointer: i64,
    },
}

impl Entry {
    /// Takes code that may be called with every stack: what can go wrong in it leaves through a trap exit. Only
    /// emitters make such code, so only this crate may say that it has some. The code uses at most `slots` frame
    /// slots.
    pub(crate) fn new(code: Code, slots: usize) -> Entry {
        Entry { code, frame: vec![0; SLOTS + slots].into() }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Runs the code on a stack of which at most `limit` values may be used, with `fuel` passes of loops. On an armed
    /// stack, all that the code may not rely on is poison: registers, frame slots, where it is to say how far it came.
    ///
    /// # Panics
    /// Where the stack is smaller than `limit`. On an armed stack also where the code does not keep to the calling
    /// convention.
    pub fn run(&mut self, stack: &mut Stack, limit: usize, fuel: u64) -> Exit {
        assert!(limit <= stack.capacity(), "the stack has room for the limit");
        let bottom = stack.bottom();
        self.frame[BOTTOM] = bottom.expose_provenance() as u64;
        self.frame[LIMIT] = bottom.wrapping_add(limit).expose_provenance() as u64;
        self.frame[FUEL] = fuel;
        // SAFETY: by the contract of `new` the code keeps to the calling convention, reads and writes nothing
        // but the frame, registers saved on the machine stack, and the data stack between the spare slot and the
        // limit.
        let status = unsafe {
            match stack.poison() {
                None => self.code.call(self.frame.as_mut_ptr().expose_provenance() as u64),
                Some(poison) => self.call_poisoned(poison),
            }
        };
        let pointer = (self.frame[POINTER].wrapping_sub(self.frame[BOTTOM]) as i64) / 8;
        match status.checked_sub(1) {
            None => {
                stack.set_depth(usize::try_from(pointer).expect("the stack's end is not below its bottom"));
                Exit::Done
            }
            Some(site) => {
                Exit::Trap { site: u32::try_from(site).expect("a trap exit returns a number of 32 bits"), pointer }
            }
        }
    }

    /// Calls the code with poison in the cells of the frame that it is to write, and in registers.
    ///
    /// # Safety
    /// As of [`Code::call`], with the frame.
    unsafe fn call_poisoned(&mut self, poison: u64) -> u64 {
        // Odd, so that none of them is the address of a slot.
        let cell = |index: usize| poison.wrapping_add((index as u64).wrapping_mul(0x94d0_49bb_1331_11eb)) | 1;
        for index in std::iter::once(POINTER).chain(SLOTS..self.frame.len()) {
            self.frame[index] = cell(index);
        }
        let frame = self.frame.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the caller's promise.
        #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
        return unsafe { self.code.call_poisoned(frame, poison) };
        #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
        unreachable!("no emitter makes code for this machine, to be given {frame:x}")
    }
}
