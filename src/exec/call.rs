//! The call into generated code and its result.

use super::{Code, Store};
use crate::lir::frame;

/// Sealed code that an emitter of this crate produced for this machine, with the frame that it receives.
pub struct Entry {
    code: Code,
    /// The layout is that of [`frame`], in cells of 8 bytes.
    frame: Box<[u64]>,
    requirements: Requirements,
}

/// What generated code relies on when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// The number of frame slots that the main program uses.
    pub frame_slots: usize,
    /// The number of values on the stack at entry.
    pub inputs: usize,
    /// The greatest number of values on the stack. The code checks it only where it could be exceeded.
    pub stack_limit: usize,
    /// The number of memory cells.
    pub cells: usize,
    /// The number of bytes of the control stack that all activations together need, a multiple of 8. At least 8 if the code
    /// runs on the control stack.
    pub control_bytes: usize,
    /// The greatest number of active calls.
    pub depth: u64,
}

const BOTTOM: usize = frame::BOTTOM as usize / 8;
const LIMIT: usize = frame::LIMIT as usize / 8;
const POINTER: usize = frame::POINTER as usize / 8;
const FUEL: usize = frame::FUEL as usize / 8;
const MEMORY: usize = frame::MEMORY as usize / 8;
const CONTROL: usize = frame::CONTROL as usize / 8;
const DEPTH: usize = frame::DEPTH as usize / 8;
const HOST: usize = frame::HOST as usize / 8;
const BASE: usize = frame::BASE as usize / 8;
const SLOTS: usize = frame::SLOTS as usize / 8;

/// How generated code returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It finished; the stack holds the number of values that it left.
    Done,
    /// It returned through the exit of a trap site.
    Trap {
        /// The number of the site.
        site: u32,
        /// The final data-stack pointer, in slots above the bottom.
        pointer: i64,
        /// The base of the function that trapped, in slots above the bottom, if a check against it failed.
        base: i64,
    },
}

impl Entry {
    /// Wraps code together with its requirements.
    ///
    /// # Safety
    /// The code must be for this machine and follow its C calling convention for `fn(u64) -> u64`. Called with the
    /// address of a [`frame`] that meets the requirements, it must read and write only that frame, the machine stack, the
    /// control stack, the memory cells, and the data stack from the spare slot up to the limit, for any values on the
    /// stack. It must return 0 after setting the pointer to a height between 0 and the limit, or return the status of a
    /// [`Site`](crate::lir::Site).
    pub(crate) unsafe fn new(code: Code, requirements: Requirements) -> Entry {
        Entry { code, frame: vec![0; SLOTS + requirements.frame_slots].into(), requirements }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Runs the code on a stack that holds its inputs, with fuel for `fuel` loop iterations and calls. On an armored stack,
    /// everything that the code must not rely on is poisoned: registers, frame slots, the control stack, and the cells that
    /// the code itself writes.
    ///
    /// # Panics
    /// If the number of values on the stack is not the number of inputs, the stack is smaller than the code's limit, or the
    /// system has no memory left for the cells and the control stack. On an armored stack, also if the code violates the
    /// calling convention.
    pub fn run(&mut self, stack: &mut Store, fuel: u64) -> Exit {
        let Requirements { inputs, stack_limit, cells, control_bytes, depth, .. } = self.requirements;
        assert_eq!(stack.values().len(), inputs, "the stack does not hold exactly the inputs");
        assert!(stack_limit <= stack.capacity(), "the stack is smaller than the stack limit");
        let bottom = stack.bottom();
        self.frame[BOTTOM] = bottom.expose_provenance() as u64;
        self.frame[LIMIT] = bottom.wrapping_add(stack_limit).expose_provenance() as u64;
        self.frame[FUEL] = fuel;
        self.frame[DEPTH] = depth;
        if cells > 0 || control_bytes > 0 {
            stack.reserve(cells, control_bytes).expect("the memory was available when the program was prepared");
            stack.clear_memory(cells);
            stack.clear_control(control_bytes);
            self.frame[MEMORY] = stack.memory_start().expose_provenance() as u64;
            self.frame[CONTROL] = stack.control_end().expose_provenance() as u64;
        } else {
            stack.clear_memory(0);
        }
        // SAFETY: the caller of `new` promised what the code does with a frame, and the stack has room for the limit.
        let status = unsafe {
            match stack.poison() {
                None => self.code.call(self.frame.as_mut_ptr().expose_provenance() as u64),
                Some(poison) => self.call_poisoned(poison),
            }
        };
        let above_bottom = |cell: usize| (self.frame[cell].wrapping_sub(self.frame[BOTTOM]) as i64) / 8;
        let pointer = above_bottom(POINTER);
        match status.checked_sub(1) {
            None => {
                stack.set_depth(usize::try_from(pointer).expect("the stack pointer is not below the bottom"));
                Exit::Done
            }
            Some(site) => {
                let site = u32::try_from(site).expect("a trap exit returns a 32-bit number");
                Exit::Trap { site, pointer, base: above_bottom(BASE) }
            }
        }
    }

    /// Calls the code with poison in registers and in the cells of the frame that the code must write before it reads
    /// them.
    ///
    /// # Safety
    /// The same as for [`Code::call`], with the frame as its argument.
    unsafe fn call_poisoned(&mut self, poison: u64) -> u64 {
        // Values are odd, so that no cell holds the address of a slot.
        let cell = |index: usize| poison.wrapping_add((index as u64).wrapping_mul(0x94d0_49bb_1331_11eb)) | 1;
        for index in [POINTER, HOST, BASE].into_iter().chain(SLOTS..self.frame.len()) {
            self.frame[index] = cell(index);
        }
        let frame = self.frame.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the caller guarantees it.
        #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
        return unsafe { self.code.call_poisoned(frame, poison) };
        #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
        unreachable!("no emitter produces code for this machine (frame {frame:x})")
    }
}
