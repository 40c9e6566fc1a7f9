//! The stack while a program is lowered: the slot of each value, and the operations that push and pop.
//!
//! Each slot has a constant distance from the data-stack pointer, which is known at compile time. The pointer moves
//! only where two paths join with different distances, and at each push and pop in [`Layout::Pushing`]. If paths
//! always join with equal heights, all distances agree.

use std::marker::PhantomData;

use super::contract::{BaselineSink, Roles};
use crate::bytecode::{Pc, TrapSite};
use crate::isa::Isa;
use crate::lir::{Op, Reg, Site, Slot};

/// Where the values of the stack are kept while code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In memory. Every push and pop moves the data-stack pointer, as in a first toy JIT.
    Pushing,
    /// In memory, at constant distances from the data-stack pointer.
    Memory,
    /// The top in a register, the others in memory.
    TopInRegister,
}

/// The stack, and the sink for the operations on it.
pub(super) struct Stack<'a, I, S> {
    pub sink: &'a mut S,
    pub layout: Layout,
    /// How many values are above the data-stack pointer, including the top.
    pub above: i64,
    /// The number of memory cells.
    pub cells: usize,
    pub sites: Vec<TrapSite>,
    isa: PhantomData<I>,
}

impl<'a, I: Isa, S: BaselineSink> Stack<'a, I, S> {
    pub fn new(sink: &'a mut S, layout: Layout, cells: usize) -> Stack<'a, I, S> {
        Stack { sink, layout, above: 0, cells, sites: Vec::new(), isa: PhantomData }
    }

    #[inline(always)]
    pub fn put(&mut self, op: Op) {
        self.sink.put(op);
    }

    /// The slot of the value `depth` below the top.
    pub fn slot(&self, depth: i64) -> Slot {
        Slot(self.above - 1 - depth)
    }

    /// How many values are above the data-stack pointer where a definition holds `values` values and the pointer is where it
    /// is at a call: at the definition's base, or after the top in [`Layout::Pushing`].
    pub fn above_base(&self, values: u32) -> i64 {
        if self.layout == Layout::Pushing { 0 } else { values.into() }
    }

    /// A new trap site for a bytecode operation.
    pub fn site(&mut self, pc: Pc) -> Site {
        self.sites.push(TrapSite { pc, values_above: self.above });
        Site(self.sites.len() as u32 - 1)
    }

    /// Moves the data-stack pointer so that `above` values are above it, as on the other path.
    pub fn reconcile(&mut self, above: i64) {
        if self.above != above {
            self.sink.put(Op::MovePointer { slots: self.above - above });
            self.above = above;
        }
    }

    /// Pops a value from memory.
    pub fn pop(&mut self, d: Reg) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: -1 });
            self.sink.load_last(d, Slot(0));
        } else {
            self.sink.load_last(d, self.slot(0));
            self.above -= 1;
        }
    }

    /// Pushes a value to memory.
    pub fn push(&mut self, s: Reg) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::Store { s, slot: Slot(0) });
            self.sink.put(Op::MovePointer { slots: 1 });
        } else {
            self.above += 1;
            self.sink.put(Op::Store { s, slot: self.slot(0) });
        }
    }

    /// Pops the top into a register, in every layout.
    pub fn pop_top(&mut self, d: Reg) {
        if self.layout == Layout::TopInRegister {
            self.sink.put(Op::Move { d, s: I::TOP });
            self.above -= 1;
            self.sink.load_last(I::TOP, self.slot(0));
        } else {
            self.pop(d);
        }
    }
}
