//! The call into generated code, and what comes back from it.

use super::{Code, Stack};
use crate::lir::frame;

/// Sealed code that an emitter of this crate has made for this machine, with the frame that it is given.
pub struct Entry {
    code: Code,
    /// The layout is that of [`frame`], in cells of 8 bytes.
    frame: Box<[u64]>,
    inputs: usize,
    stack_limit: usize,
}

/// What generated code relies on when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demands {
    /// The number of frame slots that it uses at most.
    pub frame_slots: usize,
    /// The number of values on the stack.
    pub inputs: usize,
    /// The greatest number of values on the stack; the code makes sure of it only where it could be exceeded.
    pub stack_limit: usize,
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
    /// Takes code with what it relies on.
    ///
    /// # Safety
    /// The code is for this machine and keeps to its C calling convention for `fn(u64) -> u64`. Given the address of a
    /// [`frame`], and what it demands, it reads and writes only that frame, the machine stack, and the data stack from the
    /// spare slot up to the limit, whatever the values on the stack are. It returns 0 after it has set the pointer to a depth
    /// between 0 and the limit, or the status of a [`Site`](crate::lir::Site).
    pub(crate) unsafe fn new(code: Code, demands: Demands) -> Entry {
        let Demands { frame_slots, inputs, stack_limit } = demands;
        Entry { code, frame: vec![0; SLOTS + frame_slots].into(), inputs, stack_limit }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Runs the code on a stack that holds its inputs, with fuel for so many iterations of loops. On an armed stack, all that
    /// the code may not rely on is poison: registers, frame slots, where it is to say how far it came.
    ///
    /// # Panics
    /// If the stack holds another number of values than the code demands, or is smaller than its limit. On an armed stack
    /// also if the code does not keep to the calling convention.
    pub fn run(&mut self, stack: &mut Stack, fuel: u64) -> Exit {
        assert_eq!(stack.values().len(), self.inputs, "the stack holds the inputs");
        assert!(self.stack_limit <= stack.capacity(), "the stack has room for the limit");
        let bottom = stack.bottom();
        self.frame[BOTTOM] = bottom.expose_provenance() as u64;
        self.frame[LIMIT] = bottom.wrapping_add(self.stack_limit).expose_provenance() as u64;
        self.frame[FUEL] = fuel;
        // SAFETY: whoever made this entry promised what the code does with a frame, and the stack has room for the limit.
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
