//! What the lowering does so that an interpreter can enter code, and so that code can be left for better code.

use super::contract::{BaselineSink, Roles};
use super::stack::{Layout, Stack};
use crate::bytecode::{Bytecode, Function, RegionId, RegionKind};
use crate::isa::Isa;
use crate::lir::{FrameSlot, Label, MOST_WORK, Op, Reg};

/// What an entry at the header of a loop must establish.
pub struct Entry {
    /// The label of the header.
    pub header: Label,
    /// The number of values above the data-stack pointer there.
    pub above: i64,
    /// The counters that open loops keep in registers, each with its frame slot.
    pub counters: Vec<(Reg, FrameSlot)>,
}

impl Entry {
    /// Emits the entry. It must follow the code of the main program.
    pub fn put<I: Isa, S: BaselineSink>(self, stack: &mut Stack<I, S>) {
        stack.put(Op::Entry);
        stack.above = self.above;
        if self.above != 0 {
            stack.put(Op::MovePointer { slots: -self.above });
        }
        for (d, slot) in self.counters {
            stack.put(Op::LoadFrame { d, slot });
        }
        if stack.layout == Layout::TopInRegister {
            stack.sink.load_last(I::TOP, stack.slot(0));
        }
        stack.put(Op::Jump { to: self.header });
    }
}

/// What code that counts its work must know about the loops of a program.
pub struct Work {
    /// For each region, whether it is a loop that is not left before its end and counts its iterations when it begins.
    is_known: Vec<bool>,
    /// For each region, the operations of an iteration that are in no inner loop.
    work: Vec<u32>,
}

impl Work {
    pub fn of(code: &Bytecode) -> Work {
        let regions = code.regions();
        let mut is_known: Vec<bool> =
            regions.iter().map(|region| matches!(region.kind, RegionKind::Times { .. }) && !region.has_call).collect();
        let mut work: Vec<u32> = regions.iter().map(|region| region.end.0 - region.header().0).collect();
        // Inner regions come after the regions around them.
        for (index, region) in regions.iter().enumerate().rev() {
            let Some(outer) = code.loop_around(region).filter(|_| region.is_loop()) else { continue };
            work[outer.index()] = work[outer.index()].saturating_sub(region.end.0 - region.header().0);
            is_known[outer.index()] &= is_known[index];
        }
        Work { is_known, work }
    }

    /// Whether the work of a loop is known when it begins: it has a count, and contains neither calls nor loops without a count.
    pub fn is_known(&self, id: RegionId) -> bool {
        self.is_known[id.index()]
    }

    /// The work of an iteration.
    pub fn of_iteration(&self, id: RegionId) -> u32 {
        self.work[id.index()].clamp(1, MOST_WORK)
    }

    /// The work of a call, besides its loops. About half of a function's operations are executed.
    pub fn of_call(&self, function: &Function) -> i64 {
        i64::from((function.end.0 - function.start.0) / 2).max(1)
    }
}
