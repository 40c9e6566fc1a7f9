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

/// A state in which another engine leaves the execution to the code.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The offset of the entry.
    pub offset: usize,
    /// The address of the lowest value of the function that the code begins with.
    pub base: *mut i64,
    /// The address after the topmost value.
    pub pointer: *mut i64,
    /// The number of loop iterations and calls that may still start.
    pub fuel: u64,
    /// The number of calls that may still begin while the present ones are active.
    pub depth: u64,
    /// The counters of the open loops, by number.
    pub counters: &'a [Option<i64>],
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
    /// If the number of values on the stack is not the number of inputs or exceeds the code's stack limit, the stack is smaller than that
    /// limit, or the system has no memory left for the cells and the control stack. On an armored stack, also if the code violates
    /// the calling convention.
    pub fn run(&mut self, stack: &mut Store, fuel: u64) -> Exit {
        let Requirements { inputs, stack_limit, cells, depth, .. } = self.requirements;
        assert_eq!(stack.values().len(), inputs, "the stack does not hold exactly the inputs");
        // The checks in the code assume that no stack is deeper than the limit.
        assert!(inputs <= stack_limit, "the inputs exceed the stack limit");
        self.reserve(stack);
        stack.clear_memory(cells);
        self.begin(stack, stack.bottom(), fuel, depth);
        // SAFETY: the stack holds the inputs, which are within the limit, and has room for the limit. `reserve` has made room for the cells
        // and the control stack, and the frame has the slots.
        let exit = unsafe { self.call(stack, 0) };
        if exit == Exit::Done {
            let values = self.above_bottom(POINTER);
            stack.set_depth(usize::try_from(values).expect("the stack pointer is not below the bottom"));
        }
        exit
    }

    /// Runs the code in the middle of an execution that another engine began on this stack. Leaves the memory and the number of
    /// values on the stack as they are. [`pointer`](Entry::pointer) and [`fuel`](Entry::fuel) then say where the code stopped.
    ///
    /// # Panics
    /// The same as for [`run`](Entry::run), and if there are more counters than frame slots.
    ///
    /// # Safety
    /// The state must be one that the program can have at this entry.
    pub(crate) unsafe fn resume(&mut self, stack: &mut Store, state: &State) -> Exit {
        let State { offset, base, pointer, fuel, depth, counters } = *state;
        self.reserve(stack);
        self.begin(stack, base, fuel, depth);
        self.frame[POINTER] = pointer.expose_provenance() as u64;
        for (cell, counter) in self.frame[SLOTS..].iter_mut().zip(counters) {
            if let Some(counter) = *counter {
                *cell = counter as u64;
            }
        }
        // SAFETY: the caller guarantees it.
        unsafe { self.call(stack, offset) }
    }

    /// The address after the topmost value, after the code has run to its end.
    pub(crate) fn pointer(&self) -> *mut i64 {
        std::ptr::with_exposed_provenance_mut(self.frame[POINTER] as usize)
    }

    /// The fuel that the code has left, if its last operation before its end was [`SaveFuel`](crate::lir::Op::SaveFuel).
    pub(crate) fn fuel(&self) -> u64 {
        self.frame[FUEL]
    }

    /// A frame slot, after the code has stopped.
    pub(crate) fn slot(&self, slot: usize) -> i64 {
        self.frame[SLOTS + slot] as i64
    }

    /// Makes room for the cells and the control stack.
    fn reserve(&self, stack: &mut Store) {
        let Requirements { cells, control_bytes, stack_limit, .. } = self.requirements;
        assert!(stack_limit <= stack.capacity(), "the stack is smaller than the stack limit");
        if cells > 0 || control_bytes > 0 {
            stack.reserve(cells, control_bytes).expect("the memory was available when the program was prepared");
        }
    }

    /// Writes the frame, for a main program whose lowest value is at `base`.
    fn begin(&mut self, stack: &mut Store, base: *mut i64, fuel: u64, depth: u64) {
        let Requirements { stack_limit, control_bytes, .. } = self.requirements;
        self.frame[BOTTOM] = base.expose_provenance() as u64;
        self.frame[LIMIT] = stack.bottom().wrapping_add(stack_limit).expose_provenance() as u64;
        self.frame[FUEL] = fuel;
        self.frame[DEPTH] = depth;
        stack.clear_control(control_bytes);
        self.frame[MEMORY] = stack.memory_start().expose_provenance() as u64;
        self.frame[CONTROL] = stack.control_end().expose_provenance() as u64;
        if let Some(poison) = stack.poison() {
            // The code must write these cells before it reads them. Values are odd, so that no cell holds the address of a slot.
            let cell = |index: usize| poison.wrapping_add((index as u64).wrapping_mul(0x94d0_49bb_1331_11eb)) | 1;
            for index in [POINTER, HOST, BASE].into_iter().chain(SLOTS..self.frame.len()) {
                self.frame[index] = cell(index);
            }
        }
    }

    /// Calls the code.
    ///
    /// # Safety
    /// The frame must be what the entry at this offset expects.
    unsafe fn call(&mut self, stack: &Store, offset: usize) -> Exit {
        let frame = self.frame.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the caller of `new` promised what the code does with a frame.
        let status = unsafe {
            match stack.poison() {
                None => self.code.call_at(offset, frame),
                #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
                Some(poison) => self.code.call_poisoned(offset, frame, poison),
                #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
                Some(_) => unreachable!("no emitter produces code for this machine"),
            }
        };
        match status.checked_sub(1) {
            None => Exit::Done,
            Some(site) => Exit::Trap {
                site: u32::try_from(site).expect("a trap exit returns a 32-bit number"),
                pointer: self.above_bottom(POINTER),
                base: self.above_bottom(BASE),
            },
        }
    }

    /// The distance in slots from the address of the lowest value to the address in another cell.
    fn above_bottom(&self, cell: usize) -> i64 {
        (self.frame[cell].wrapping_sub(self.frame[BOTTOM]) as i64) / 8
    }
}
