//! What the lowering does so that an interpreter can enter code, and so that code can be left for better code.

use super::contract::{BaselineSink, Roles};
use super::stack::{Layout, Stack};
use crate::bytecode::{Bytecode, Function, RegionId, RegionKind};
use crate::isa::Isa;
use crate::lir::{FrameSlot, Label, MOST_WORK, Op, Reg, Site};

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
    /// Emits the entry. It must follow [`Op::Main`].
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

/// Where code is left.
pub struct Leave {
    /// The label of the code that leaves.
    pub label: Label,
    /// The site.
    pub site: Site,
    /// The number of values above the data-stack pointer there.
    pub above: i64,
    /// The counters that open loops keep in registers, each with its frame slot.
    pub counters: Vec<(Reg, FrameSlot)>,
}

impl Leave {
    /// Emits the code that leaves. It must follow [`Op::Main`].
    pub fn put<I: Isa, S: BaselineSink>(self, stack: &mut Stack<I, S>) {
        stack.put(Op::Label(self.label));
        for (s, slot) in self.counters {
            stack.put(Op::StoreFrame { s, slot });
        }
        if stack.layout == Layout::TopInRegister {
            stack.above = self.above;
            stack.put(Op::Store { s: I::TOP, slot: stack.slot(0) });
        }
        stack.put(Op::Leave { site: self.site });
    }
}

/// If an inner loop counts its work, the loop around it need not count, unless one of its iterations does more than this many times as
/// much work outside the inner loop as an iteration of the inner loop does.
const MOST_UNCOUNTED: u32 = 4;

/// What code that counts its work must know about the regions of a program.
pub struct Work(Vec<Loop>);

/// What must be known about a region that is a loop.
#[derive(Clone, Copy)]
struct Loop {
    /// Whether its work is known when it begins.
    is_known: bool,
    /// The operations of an iteration that are in no inner loop.
    work: u32,
    /// The same for an inner loop that every iteration reaches, and that counts its own work at its header. 0 if there is none.
    inside: u32,
}

impl Loop {
    /// Whether its iterations are counted at its header.
    fn counts(&self) -> bool {
        !self.is_known && self.inside.saturating_mul(MOST_UNCOUNTED) < self.work
    }
}

impl Work {
    pub fn of(code: &Bytecode) -> Work {
        let regions = code.regions();
        let mut loops: Vec<Loop> = regions
            .iter()
            .map(|region| Loop {
                is_known: matches!(region.kind, RegionKind::Times { .. }) && !region.has_call,
                work: region.end.0 - region.header().0,
                inside: 0,
            })
            .collect();
        // Inner regions come after the regions around them.
        for (index, region) in regions.iter().enumerate().rev() {
            let Some(around) = code.loop_around(region).filter(|_| region.is_loop()) else { continue };
            let inner = loops[index];
            let outer = &mut loops[around.index()];
            outer.work = outer.work.saturating_sub(region.end.0 - region.header().0);
            outer.is_known &= inner.is_known;
            // Every iteration of the outer loop reaches a loop that is in no branch, except an iteration that ends the outer loop.
            if region.kind == RegionKind::While && region.parent == Some(around) && inner.counts() {
                outer.inside = outer.inside.max(inner.work);
            }
        }
        Work(loops)
    }

    /// Whether the work of a loop is known when it begins: it has a count, and contains neither calls nor loops without a count.
    pub fn is_known(&self, id: RegionId) -> bool {
        self.0[id.index()].is_known
    }

    /// The work of an iteration, if it is counted at the loop's header. It is not if the work is known when the loop begins, or if an inner
    /// loop counts in every iteration.
    pub fn of_iteration(&self, id: RegionId) -> Option<u32> {
        let region = &self.0[id.index()];
        region.counts().then_some(region.work.clamp(1, MOST_WORK))
    }

    /// The work of a call, besides its loops. About half of a function's operations are executed.
    pub fn of_call(&self, function: &Function) -> i64 {
        i64::from((function.end.0 - function.start.0) / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytecode::{Limits, lower};
    use crate::lang::{Source, load};

    /// The work that is counted at the headers of the loops, in the order in which they begin.
    fn counted(text: &str) -> Vec<Option<u32>> {
        let program = load(&Source::new("test", text), 1).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let code = lower(&program, Limits::of_stack(100), false).expect("it is small");
        let work = Work::of(&code);
        let regions = (0..code.regions().len()).map(|index| RegionId(index as u32));
        regions.filter(|id| code.region(*id).is_loop()).map(|id| work.of_iteration(id)).collect()
    }

    #[test]
    fn every_iteration_is_counted_once() {
        // Nothing is counted where the work is known.
        assert_eq!(counted("0 swap times 3 times 1 + end end"), [None, None]);
        assert_eq!(counted("while dup do 1 - end"), [Some(5)]);
        assert_eq!(counted("times 9 f end : f ( n -- ) times end ;"), [Some(3), None]);
        // If every iteration reaches the header of an inner loop, only the inner loop counts.
        assert_eq!(counted("times 9 while dup do 1 - end drop end"), [None, Some(5)]);
        assert_eq!(counted("while dup do 9 while dup do 1 - end drop 1 - end"), [None, Some(5)]);
        // If that loop does not count itself, this one must.
        let deep = "times 9 while dup do 9 while dup do 1 - end drop 1 - end drop end";
        assert_eq!(counted(deep), [Some(4), None, Some(5)]);
        // A branch may not be executed, nor a loop with a count.
        assert_eq!(counted("times 9 if 9 while dup do 1 - end drop end end"), [Some(7), Some(5)]);
        assert_eq!(counted("times 9 times 9 while dup do 1 - end drop end end"), [Some(3), None, Some(5)]);
        // Much work is not left to a short loop.
        let long = format!("times {}9 while dup do 1 - end drop end", "1 drop ".repeat(10));
        assert_eq!(counted(&long), [Some(24), Some(5)]);
    }
}
