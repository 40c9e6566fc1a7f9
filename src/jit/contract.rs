//! The contract between the baseline tier's lowering and its peephole pass. LIR does not define any of it.
//!
//! The first allocatable register holds the top of the stack in the layout that keeps it in a register. The next three
//! are *temporaries*: they hold operands within one word. The others hold loop counters, those of the innermost loops
//! first.
//!
//! A function calls another as follows. Before the call and after it, every value is in its slot, except that in the layout
//! that keeps the top in a register, only this register holds the topmost value. If the caller or the callee holds no value, that
//! is a value of a function further out, or what the spare slot holds. The data-stack pointer is at the callee's base.
//!
//! The pass relies on these promises of the lowering:
//! - A temporary is dead after a `Move` that reads it. It is also dead after an operation that computes, compares,
//!   divides, branches or accesses memory, if the operation reads it and does not write it. It is dead between words.
//! - The register of the top is dead after a store to a memory cell that reads it.
//! - A slot is dead after a load that [`BaselineSink`] marks as the last: the slot is written before it is read again, also by
//!   functions that are called and by callers. A function neither reads nor writes slots below its base, with one exception: the
//!   register of the top and the slot below the base take each other's value where the function holds no value.
//! - After a trap, nothing reads the slots.
//!
//! The pass holds back no operation across a call, the beginning of a function or its end. So the stores before it are executed
//! before it, and nothing is known about the slot of the top after it.

use std::ops::Range;

use crate::bytecode::{Bytecode, Function, Region, RegionKind};
use crate::isa::{Isa, Tuning};
use crate::lir::{Op, Reg, Sink, Slot};

/// Which of the allocatable registers are temporaries.
const TEMPORARIES: Range<usize> = 1..4;

/// The roles of an instruction set's registers in the baseline.
pub(super) trait Roles: Isa {
    /// Holds the top of the stack in the layout that keeps it in a register.
    const TOP: Reg = Self::ALLOCATABLE[0];

    /// Hold operands within one word.
    const TEMPORARIES: [Reg; TEMPORARIES.end - TEMPORARIES.start] =
        [Self::ALLOCATABLE[1], Self::ALLOCATABLE[2], Self::ALLOCATABLE[3]];

    /// Whether a register is a temporary.
    #[inline(always)]
    fn is_temporary(reg: Reg) -> bool {
        const { RegisterSet::of(&Self::TEMPORARIES) }.contains(reg)
    }
}

impl<I: Isa> Roles for I {}

/// Which registers the code of a program uses.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// These hold loop counters, the first register for counter 0.
    pub(super) counters: &'static [Reg],
}

impl Plan {
    /// Makes the plan.
    pub fn new<I: Isa>(code: &Bytecode, tuning: &Tuning) -> Plan {
        let free = &I::usable(code.reserved())[TEMPORARIES.end..];
        let counters = if code.has_calls() {
            // A counter can stay in a register only if its loop contains no call.
            counters(code.regions().iter().filter(|region| !region.has_call))
        } else {
            code.main().counters
        };
        Plan { counters: &free[..free.len().min(tuning.counter_registers).min(counters as usize)] }
    }

    /// How many frame slots the counters of a definition need. A slot has the number of its counter.
    pub(super) fn counter_slots(&self, code: &Bytecode, function: &Function) -> u32 {
        let is_inside = |region: &&Region| (function.start..function.end).contains(&region.start);
        let in_frame = |region: &&Region| match region.kind {
            RegionKind::Times { counter } => region.has_call || counter.0 as usize >= self.counters.len(),
            RegionKind::While | RegionKind::If { .. } => false,
        };
        let first = code.regions().partition_point(|region| region.start < function.start);
        counters(code.regions()[first..].iter().take_while(is_inside).filter(in_frame))
    }

    /// How many allocatable registers the code uses.
    pub fn registers(&self) -> usize {
        TEMPORARIES.end + self.counters.len()
    }
}

/// The number of counters up to the greatest one of these regions.
fn counters<'a>(regions: impl Iterator<Item = &'a Region>) -> u32 {
    let after = |region: &Region| match region.kind {
        RegionKind::Times { counter } => counter.0 + 1,
        RegionKind::While | RegionKind::If { .. } => 0,
    };
    regions.map(after).max().unwrap_or(0)
}

/// A set of registers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RegisterSet(u32);

impl RegisterSet {
    const fn of(list: &[Reg]) -> RegisterSet {
        let (mut set, mut index) = (0, 0);
        while index < list.len() {
            set |= 1 << list[index].0;
            index += 1;
        }
        RegisterSet(set)
    }

    pub fn insert(&mut self, reg: Reg) {
        self.0 |= 1 << reg.0;
    }

    #[inline(always)]
    pub fn contains(self, reg: Reg) -> bool {
        self.0 >> (reg.0 & 31) & 1 != 0
    }
}

/// A sink that knows after which loads the slot is dead.
pub(super) trait BaselineSink: Sink {
    /// Takes a load. With `last`, the slot is dead after it.
    fn load(&mut self, d: Reg, slot: Slot, last: bool);

    /// Takes a load after which the slot is dead.
    #[inline(always)]
    fn load_last(&mut self, d: Reg, slot: Slot) {
        self.load(d, slot, true);
    }
}

/// Makes any sink a [`BaselineSink`]: the last load of a slot is an ordinary load.
pub(super) struct Plain<S>(pub S);

impl<S: Sink> Sink for Plain<S> {
    #[inline(always)]
    fn at(&mut self, pc: u32) {
        self.0.at(pc);
    }

    #[inline(always)]
    fn put(&mut self, op: Op) {
        self.0.put(op);
    }
}

impl<S: Sink> BaselineSink for Plain<S> {
    #[inline(always)]
    fn load(&mut self, d: Reg, slot: Slot, _last: bool) {
        self.0.put(Op::Load { d, slot });
    }
}
