//! Lowering: bytecode to LIR, in one pass.
//!
//! A value's slot is a fixed distance from the data-stack pointer, known here. Where two ways meet with different
//! distances, the pointer moves on one of them; where the depth is the same on both, as in a balanced program, it
//! never does.
//!
//! Registers: the first allocatable one holds the top of the stack in the variants that keep it in one; the next
//! three hold operands within one word and nothing between words; the rest hold loop counters, the innermost
//! loops' first. An operand in one of the three is read for the last time where a `Move` reads it, or an operation
//! that computes, compares, divides or branches and does not write it: the peephole pass relies on that.

use std::marker::PhantomData;

use super::Layout;
use super::operand::Operand;
use crate::bytecode::{Bytecode, Counter, Op as Code, Pc, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

/// Registers that hold operands within one word, behind the one for the top of the stack.
pub(super) const SCRATCH: std::ops::Range<usize> = 1..4;

/// How many allocatable registers the code will use.
pub fn registers<I: Isa>(code: &Bytecode, tuning: &Tuning) -> usize {
    SCRATCH.end + counter_registers::<I>(tuning).len().min(code.counters() as usize)
}

fn counter_registers<I: Isa>(tuning: &Tuning) -> &'static [Reg] {
    let all = &I::ALLOCATABLE[SCRATCH.end..];
    &all[..all.len().min(tuning.counter_registers)]
}

/// Lowers a program into a sink. With `pairs`, a word that pushes a value is lowered together with one that computes with it.
pub fn lower<I: Isa, S: Sink>(
    code: &Bytecode,
    layout: Layout,
    pairs: bool,
    tuning: &Tuning,
    sink: &mut S,
) -> Vec<TrapSite> {
    let mut lowering = Lowering::<I, S> {
        sink,
        layout,
        // A value that is pushed to memory moves the pointer.
        pairs: pairs && layout != Layout::Pushing,
        counters: counter_registers::<I>(tuning),
        above: code.inputs() as i64,
        targets: Vec::new(),
        headers: Vec::new(),
        labels: 0,
        sites: Vec::new(),
        isa: PhantomData,
    };
    lowering.program(code);
    lowering.sites
}

pub(super) struct Lowering<'a, I, S> {
    pub sink: &'a mut S,
    pub layout: Layout,
    /// A word that pushes a value is lowered together with one that computes with it.
    pairs: bool,
    counters: &'static [Reg],
    /// How many values lie above the data-stack pointer; the top one in its slot or in its register.
    pub above: i64,
    /// The targets of the open regions' forward branches, the nearest last.
    targets: Vec<Target>,
    /// The headers of the open loops, innermost last.
    headers: Vec<Target>,
    labels: u32,
    sites: Vec<TrapSite>,
    isa: PhantomData<I>,
}

/// A place that branches go to, and how many values lie above the data-stack pointer there.
struct Target {
    label: Label,
    above: i64,
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    /// Holds the top of the stack in the variant that keeps it in a register.
    pub const TOP: Reg = I::ALLOCATABLE[0];

    /// Hold operands within one word.
    pub const TEMPORARIES: [Reg; 3] = [I::ALLOCATABLE[1], I::ALLOCATABLE[2], I::ALLOCATABLE[3]];

    fn program(&mut self, code: &Bytecode) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: self.above });
            self.above = 0;
        }
        if self.layout == Layout::TopInRegister {
            // Of an empty stack this loads the spare slot.
            self.sink.put(Op::Load { d: Self::TOP, slot: self.slot(0), last: true });
        }
        let mut next = 0;
        while let Some(&op) = code.ops().get(next) {
            let pc = Pc(next as u32);
            next += 1;
            self.sink.at(pc.0);
            if self.pairs
                && let Some(&Code::Word(word)) = code.ops().get(next)
                && let Some(operand) = Operand::of(op)
                && self.word_with(word, operand, Pc(next as u32))
            {
                next += 1;
                continue;
            }
            match op {
                Code::Literal(value) => self.literal(value),
                Code::Word(word) => self.word(word, pc),
                Code::Pick(depth) => self.pick(depth as i64),
                Code::Times(id) => {
                    self.times(code.counter(id));
                    // Padding before the header belongs to the loop.
                    self.sink.at(pc.0 + 1);
                    self.header();
                }
                Code::Next(id) => self.next(code.counter(id)),
                Code::While(_) => self.header(),
                Code::If(_) | Code::LeaveIfZero(_) => self.branch_if_zero(),
                Code::Repeat(_) => {
                    let header = self.headers.pop().expect("the loop is open");
                    self.meet(header.above);
                    self.sink.put(Op::Jump { to: header.label });
                    self.bind();
                }
                Code::Else(_) => {
                    let label = self.label();
                    self.sink.put(Op::Jump { to: label });
                    let end = Target { label, above: self.above };
                    self.bind();
                    self.targets.push(end);
                }
                Code::EndIf(_) => {
                    let above = self.targets.last().expect("the `if` is open").above;
                    self.meet(above);
                    self.bind();
                }
                Code::Fuel => {
                    let site = self.site(pc);
                    self.sink.put(Op::Fuel { site });
                }
                Code::Need { values, .. } => {
                    let site = self.site(pc);
                    self.sink.put(Op::Need { slot: Slot(self.above.wrapping_sub_unsigned(values)), site });
                }
                Code::Room { values, .. } => {
                    let site = self.site(pc);
                    self.sink.put(Op::Room { slot: Slot(self.above.wrapping_add_unsigned(values)), site });
                }
                Code::Return => {
                    if self.layout == Layout::TopInRegister {
                        self.sink.put(Op::Store { s: Self::TOP, slot: self.slot(0) });
                    }
                    self.sink.put(Op::Return { end: Slot(self.above) });
                }
            }
        }
    }

    /// The slot of the value that lies so deep below the top.
    pub fn slot(&self, depth: i64) -> Slot {
        Slot(self.above - 1 - depth)
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    pub fn site(&mut self, pc: Pc) -> Site {
        self.sites.push(TrapSite { pc, values_above: self.above });
        Site(self.sites.len() as u32 - 1)
    }

    /// Moves the data-stack pointer so that `above` values lie above it, as on the other way to this place.
    fn meet(&mut self, above: i64) {
        if self.above != above {
            self.sink.put(Op::MovePointer { slots: self.above - above });
            self.above = above;
        }
    }

    /// Binds the nearest target to the next operation.
    fn bind(&mut self) {
        let target = self.targets.pop().expect("a region's branch forward is bound once");
        self.above = target.above;
        self.sink.put(Op::Label(target.label));
    }

    /// Begins the iterations of a loop.
    fn header(&mut self) {
        let label = self.label();
        self.headers.push(Target { label, above: self.above });
        self.sink.put(Op::Align);
        self.sink.put(Op::Label(label));
    }

    /// Pops a value that lies in memory.
    pub fn pop(&mut self, d: Reg) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: -1 });
            self.sink.put(Op::Load { d, slot: Slot(0), last: true });
        } else {
            self.sink.put(Op::Load { d, slot: self.slot(0), last: true });
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

    /// Pops the topmost value into a register, wherever it is kept.
    fn pop_top(&mut self, d: Reg) {
        if self.layout == Layout::TopInRegister {
            self.sink.put(Op::Move { d, s: Self::TOP });
            self.above -= 1;
            self.sink.put(Op::Load { d: Self::TOP, slot: self.slot(0), last: true });
        } else {
            self.pop(d);
        }
    }

    fn times(&mut self, counter: Counter) {
        let [a, ..] = Self::TEMPORARIES;
        let register = self.counters.get(counter.0 as usize).copied();
        let count = register.unwrap_or(a);
        self.pop_top(count);
        if register.is_none() {
            self.sink.put(Op::StoreFrame { s: count, slot: FrameSlot(counter.0) });
        }
        let label = self.label();
        self.sink.put(Op::BranchImm { cond: Cond::Le, a: count, imm: 0, to: label });
        self.targets.push(Target { label, above: self.above });
    }

    fn next(&mut self, counter: Counter) {
        let [a, ..] = Self::TEMPORARIES;
        let header = self.headers.pop().expect("the loop is open");
        self.meet(header.above);
        match self.counters.get(counter.0 as usize) {
            Some(&d) => self.sink.put(Op::CountDown { d, to: header.label }),
            None => {
                let slot = FrameSlot(counter.0);
                self.sink.put(Op::LoadFrame { d: a, slot });
                self.sink.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                self.sink.put(Op::StoreFrame { s: a, slot });
                self.sink.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: header.label });
            }
        }
        self.bind();
    }

    fn branch_if_zero(&mut self) {
        let [a, ..] = Self::TEMPORARIES;
        self.pop_top(a);
        let label = self.label();
        self.sink.put(Op::BranchImm { cond: Cond::Eq, a, imm: 0, to: label });
        self.targets.push(Target { label, above: self.above });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytecode;
    use crate::isa::x86_64::Emitter;
    use crate::lang::{Source, parse, verify};
    use crate::lir::Recorder;

    fn lowered(text: &str, layout: Layout, pairs: bool) -> Vec<Op> {
        let ast = Arc::new(parse(&Source::new("test", text)).expect("it parses"));
        let program = verify(&ast, 3).expect("it verifies");
        let code = bytecode::lower(&program, 1000, false).expect("it is small");
        let mut recorder = Recorder::default();
        lower::<Emitter, _>(&code, layout, pairs, &Tuning::default(), &mut recorder);
        recorder.ops.into_iter().map(|(_, op)| op).collect()
    }

    fn has_immediates(ops: &[Op]) -> bool {
        ops.iter().any(|op| matches!(op, Op::AluImm { .. } | Op::SetImm { .. } | Op::DivideImm { .. }))
    }

    #[test]
    fn what_a_word_pushes_for_the_next_one_goes_past_the_stack() {
        for layout in [Layout::Memory, Layout::TopInRegister] {
            for text in ["7 +", "7 <", "7 mod"] {
                assert!(has_immediates(&lowered(text, layout, true)), "{text}");
                assert!(!has_immediates(&lowered(text, layout, false)), "{text}");
            }
            for text in ["dup *", "over -", "2 pick and", "over mod"] {
                let stores =
                    |pairs| lowered(text, layout, pairs).iter().filter(|op| matches!(op, Op::Store { .. })).count();
                assert!(stores(true) < stores(false), "{text}");
            }
        }
    }

    #[test]
    fn what_must_be_pushed_is() {
        for text in [
            // By zero it must trap, and no field holds this.
            "0 /",
            "0x9e3779b97f4a7c15 xor",
            // On one way to the word there is another value, or it is reached anew.
            "if 5 else 6 end +",
            "5 while - dup do 1 end",
        ] {
            assert!(!has_immediates(&lowered(text, Layout::TopInRegister, true)), "{text}");
        }
        assert_eq!(lowered("7 + dup *", Layout::Pushing, true), lowered("7 + dup *", Layout::Pushing, false));
    }
}
