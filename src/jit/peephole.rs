//! The peephole pass: a sink that holds back a few operations and rewrites small windows of them.
//!
//! The output of a rule enters the window again, one operation at a time. No rule rewrites across a label or a branch.
//! After a branch that is not taken, the pass still knows which slot holds the same value as the top.

mod immediates;
mod rule;
mod rules;
#[cfg(test)]
mod tests;
mod window;

use super::contract::BaselineSink;
use crate::isa::Isa;
use crate::lir::{Op, Reg, Sink, Slot};
pub use rule::{Fired, Rule};
use rules::Rules;
pub(super) use window::Window;

/// Rewrites operations on their way to another sink.
#[derive(Debug)]
pub(super) struct Peephole<'w, I, S> {
    rules: Rules<'w, I, S>,
}

impl<'w, I: Isa, S: Sink> Peephole<'w, I, S> {
    /// A pass that uses this window, for a program with this many memory cells. The instruction set decides which immediates
    /// fit.
    pub fn new(window: &'w mut Window<I, S>, cells: usize) -> Peephole<'w, I, S> {
        Peephole { rules: Rules::new(window, cells) }
    }

    /// Emits the held operations. Returns how often each rule fired.
    pub fn finish(self) -> Fired {
        self.rules.finish()
    }
}

impl<I: Isa, S: Sink> Sink for Peephole<'_, I, S> {
    #[inline]
    fn at(&mut self, pc: u32) {
        self.rules.at(pc);
    }

    #[inline(always)]
    fn put(&mut self, op: Op) {
        self.rules.put(op);
    }
}

impl<I: Isa, S: Sink> BaselineSink for Peephole<'_, I, S> {
    #[inline(always)]
    fn load(&mut self, d: Reg, slot: Slot, last: bool) {
        self.rules.load(d, slot, last);
    }
}
