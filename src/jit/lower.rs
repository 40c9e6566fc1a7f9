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
use super::operand::{Binary, Operand};
use super::shuffle::{Place, Plan, Step};
use crate::bytecode::{Bytecode, Counter, Op as Code, Pc, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lang::Word;
use crate::lir::{AluOp, Cond, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

/// Registers that hold operands within one word, behind the one for the top of the stack.
pub(super) const SCRATCH: std::ops::Range<usize> = 1..4;

/// How many allocatable registers the code will use.
pub fn registers<I: Isa>(code: &Bytecode, tuning: &Tuning) -> usize {
    SCRATCH.end + counter_registers::<I>(tuning).len().min(code.counters as usize)
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
        above: code.inputs as i64,
        joins: Vec::new(),
        loops: Vec::new(),
        labels: 0,
        sites: Vec::new(),
        isa: PhantomData,
    };
    lowering.program(code);
    lowering.sites
}

struct Lowering<'a, I, S> {
    sink: &'a mut S,
    layout: Layout,
    pairs: bool,
    counters: &'static [Reg],
    /// How many values lie above the data-stack pointer; the top one in its slot or in its register.
    above: i64,
    /// Places ahead where ways meet, the nearest last.
    joins: Vec<Join>,
    /// The loops around, innermost last.
    loops: Vec<Loop>,
    labels: u32,
    sites: Vec<TrapSite>,
    isa: PhantomData<I>,
}

/// A place ahead that a branch goes to.
struct Join {
    pc: Pc,
    label: Label,
    above: i64,
}

/// The head of a loop.
struct Loop {
    label: Label,
    above: i64,
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    /// Holds the top of the stack in the variant that keeps it in a register.
    const TOP: Reg = I::ALLOCATABLE[0];

    /// Hold operands within one word.
    const TEMPORARIES: [Reg; 3] = [I::ALLOCATABLE[1], I::ALLOCATABLE[2], I::ALLOCATABLE[3]];

    fn program(&mut self, code: &Bytecode) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: self.above });
            self.above = 0;
        }
        if self.layout == Layout::TopInRegister {
            // Of an empty stack this loads the spare slot.
            self.sink.put(Op::Load { d: Self::TOP, slot: self.slot(0), last: true });
        }
        let mut heads = code.heads.as_slice();
        // Whether the operation before this one may go on to it.
        let mut reached = true;
        let mut next = 0;
        while let Some(&op) = code.ops.get(next) {
            let pc = Pc(next as u32);
            next += 1;
            self.sink.at(pc.0);
            while let Some(join) = self.joins.pop_if(|join| join.pc == pc) {
                if reached {
                    self.meet(join.above);
                }
                self.bind(join);
                reached = true;
            }
            while let [head, rest @ ..] = heads
                && *head == pc
            {
                heads = rest;
                let label = self.label();
                self.loops.push(Loop { label, above: self.above });
                self.sink.put(Op::Align);
                self.sink.put(Op::Label(label));
            }
            if self.pairs
                && let Some(&Code::Word(word)) = code.ops.get(next)
                && let Some(operand) = Operand::of(op)
                && self.joins.last().is_none_or(|join| join.pc.index() != next)
                && heads.first().is_none_or(|head| head.index() != next)
                && self.word_with(word, operand, Pc(next as u32))
            {
                next += 1;
                continue;
            }
            match op {
                Code::Literal(value) => self.literal(value),
                Code::Word(word) => self.word(word, pc),
                Code::Pick(depth) => self.pick(depth as i64),
                Code::Times { counter, exit } => self.times(counter, exit),
                Code::Next { counter, .. } => self.next(counter),
                Code::BranchIfZero(to) => self.branch_if_zero(to),
                Code::Jump(to) if to <= pc => {
                    let head = self.loops.pop().expect("a jump back ends a loop");
                    self.meet(head.above);
                    self.sink.put(Op::Jump { to: head.label });
                    reached = false;
                }
                Code::Jump(to) => {
                    let label = self.label();
                    self.sink.put(Op::Jump { to: label });
                    // The end of THEN: ELSE begins here, and the ways meet behind it.
                    let otherwise = self.joins.pop().expect("a jump ahead ends the first branch of an `if`");
                    self.joins.push(Join { pc: to, label, above: self.above });
                    self.bind(otherwise);
                }
                Code::Pass => {
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
    fn slot(&self, depth: i64) -> Slot {
        Slot(self.above - 1 - depth)
    }

    fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    fn site(&mut self, pc: Pc) -> Site {
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

    fn bind(&mut self, join: Join) {
        self.above = join.above;
        self.sink.put(Op::Label(join.label));
    }

    /// Pops a value that lies in memory.
    fn pop(&mut self, d: Reg) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: -1 });
            self.sink.put(Op::Load { d, slot: Slot(0), last: true });
        } else {
            self.sink.put(Op::Load { d, slot: self.slot(0), last: true });
            self.above -= 1;
        }
    }

    /// Pushes a value to memory.
    fn push(&mut self, s: Reg) {
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

    fn literal(&mut self, value: i64) {
        let [a, ..] = Self::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            self.spill_top();
            self.sink.put(Op::Constant { d: Self::TOP, value });
        } else {
            self.sink.put(Op::Constant { d: a, value });
            self.push(a);
        }
    }

    /// Stores the top to its slot, for a new top.
    fn spill_top(&mut self) {
        self.sink.put(Op::Store { s: Self::TOP, slot: self.slot(0) });
        self.above += 1;
    }

    fn pick(&mut self, depth: i64) {
        let [a, ..] = Self::TEMPORARIES;
        let slot = self.slot(depth);
        if self.layout != Layout::TopInRegister {
            self.sink.put(Op::Load { d: a, slot, last: false });
            self.push(a);
        } else {
            self.spill_top();
            if depth > 0 {
                self.sink.put(Op::Load { d: Self::TOP, slot, last: false });
            }
        }
    }

    fn word(&mut self, word: Word, pc: Pc) {
        match Binary::of(word) {
            Some(Binary::Divide(op)) => {
                let site = self.site(pc);
                let [d, a, b] = self.operands();
                self.sink.put(Op::Divide { op, d, a, b, site });
                self.result(d);
            }
            Some(Binary::Alu(op)) => {
                let [d, a, b] = self.operands();
                self.sink.put(Op::Alu { op, d, a, b });
                self.result(d);
            }
            Some(Binary::Set(cond)) => {
                let [d, a, b] = self.operands();
                self.sink.put(Op::Set { cond, d, a, b });
                self.result(d);
            }
            None => self.shuffle_word(word),
        }
    }

    #[inline(always)]
    fn shuffle_word(&mut self, word: Word) {
        match word {
            Word::Dup => self.shuffle(Word::Dup),
            Word::Drop => self.shuffle(Word::Drop),
            Word::Swap => self.shuffle(Word::Swap),
            Word::Over => self.shuffle(Word::Over),
            Word::Rot => self.shuffle(Word::Rot),
            Word::Nip => self.shuffle(Word::Nip),
            Word::Tuck => self.shuffle(Word::Tuck),
            _ => unreachable!("every other word has two operands and one result"),
        }
    }

    /// Carries out a word whose second operand the word before it pushes. Says no where that must be pushed.
    #[inline(always)]
    fn word_with(&mut self, word: Word, second: Operand, pc: Pc) -> bool {
        let Some(binary) = Binary::of(word) else { return false };
        match second {
            Operand::Constant(imm) if !binary.fits::<I>(imm) => return false,
            _ => self.sink.at(pc.0),
        }
        let first = self.first_operand();
        match second {
            Operand::Constant(imm) => self.sink.put(match binary {
                Binary::Alu(op) => Op::AluImm { op, d: first, a: first, imm },
                Binary::Set(cond) => Op::SetImm { cond, d: first, a: first, imm },
                Binary::Divide(op) => Op::DivideImm { op, d: first, a: first, imm },
            }),
            Operand::Copy(depth) => {
                let [a, b] = self.with_copy(first, depth as i64);
                match binary {
                    Binary::Alu(op) => self.sink.put(Op::Alu { op, d: first, a, b }),
                    Binary::Set(cond) => self.sink.put(Op::Set { cond, d: first, a, b }),
                    Binary::Divide(op) => {
                        let site = self.site(pc);
                        self.sink.put(Op::Divide { op, d: first, a, b, site });
                    }
                }
            }
        }
        if self.layout != Layout::TopInRegister {
            self.sink.put(Op::Store { s: first, slot: self.slot(0) });
        }
        true
    }

    /// Where the top of the stack is for a word that leaves its result there.
    #[inline(always)]
    fn first_operand(&mut self) -> Reg {
        let [a, ..] = Self::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            Self::TOP
        } else {
            self.sink.put(Op::Load { d: a, slot: self.slot(0), last: true });
            a
        }
    }

    /// The operands of such a word, the second one a copy of the value that lies so deep.
    #[inline(always)]
    fn with_copy(&mut self, first: Reg, depth: i64) -> [Reg; 2] {
        let [a, b, _] = Self::TEMPORARIES;
        if depth == 0 {
            return [first, first];
        }
        let [a, b] = if self.layout == Layout::TopInRegister {
            // As if it were the new top, so that the register of the top goes on holding what a slot holds.
            self.sink.put(Op::Move { d: a, s: first });
            [a, first]
        } else {
            [first, b]
        };
        self.sink.put(Op::Load { d: b, slot: self.slot(depth), last: false });
        [a, b]
    }

    /// Pops the operands of a word that has two; says where its result goes and where they are.
    #[inline(always)]
    fn operands(&mut self) -> [Reg; 3] {
        let [a, b, _] = Self::TEMPORARIES;
        if self.layout == Layout::TopInRegister {
            self.above -= 1;
            self.sink.put(Op::Load { d: a, slot: self.slot(0), last: true });
            [Self::TOP, a, Self::TOP]
        } else {
            self.pop(b);
            self.pop(a);
            [a, a, b]
        }
    }

    /// Pushes what such a word has made.
    #[inline(always)]
    fn result(&mut self, d: Reg) {
        if self.layout != Layout::TopInRegister {
            self.push(d);
        }
    }

    /// Carries a shuffle out. Inlined where the word is known, so that of its plan nothing is left but the operations.
    #[inline(always)]
    fn shuffle(&mut self, word: Word) {
        match self.layout {
            Layout::Pushing => self.shuffle_by_pushes(word),
            Layout::Memory => self.shuffle_slots(word, Plan::of(word, false)),
            Layout::TopInRegister => self.shuffle_slots(word, Plan::of(word, true)),
        }
    }

    #[inline(always)]
    fn shuffle_slots(&mut self, word: Word, plan: &Plan) {
        let base = self.above - word.pops() as i64;
        let slot = |slot: i8| Slot(base + i64::from(slot));
        for &step in plan.steps() {
            match step {
                Step::Load { to, slot: from, last } => {
                    self.sink.put(Op::Load { d: Self::register(to), slot: slot(from), last });
                }
                Step::Store { from, slot: to } => self.sink.put(Op::Store { s: Self::register(from), slot: slot(to) }),
                Step::Top { from } => self.sink.put(Op::Move { d: Self::TOP, s: Self::register(from) }),
            }
        }
        self.above = base + word.pushes() as i64;
    }

    #[inline(always)]
    fn register(place: Place) -> Reg {
        match place {
            Place::Top => Self::TOP,
            Place::Scratch(index) => Self::TEMPORARIES[usize::from(index)],
        }
    }

    /// Pops the operands and pushes the results, one by one.
    fn shuffle_by_pushes(&mut self, word: Word) {
        for operand in (0..word.pops()).rev() {
            self.pop(Self::TEMPORARIES[operand]);
        }
        for &operand in word.origins() {
            self.push(Self::TEMPORARIES[operand]);
        }
    }

    fn times(&mut self, counter: Counter, exit: Pc) {
        let [a, ..] = Self::TEMPORARIES;
        let register = self.counters.get(counter.0 as usize).copied();
        let count = register.unwrap_or(a);
        self.pop_top(count);
        if register.is_none() {
            self.sink.put(Op::StoreFrame { s: count, slot: FrameSlot(counter.0) });
        }
        let label = self.label();
        self.sink.put(Op::BranchImm { cond: Cond::Le, a: count, imm: 0, to: label });
        self.joins.push(Join { pc: exit, label, above: self.above });
    }

    fn next(&mut self, counter: Counter) {
        let [a, ..] = Self::TEMPORARIES;
        let head = self.loops.pop().expect("the end of a loop follows its head");
        self.meet(head.above);
        match self.counters.get(counter.0 as usize) {
            Some(&d) => self.sink.put(Op::CountDown { d, to: head.label }),
            None => {
                let slot = FrameSlot(counter.0);
                self.sink.put(Op::LoadFrame { d: a, slot });
                self.sink.put(Op::AluImm { op: AluOp::Sub, d: a, a, imm: 1 });
                self.sink.put(Op::StoreFrame { s: a, slot });
                self.sink.put(Op::BranchImm { cond: Cond::Ne, a, imm: 0, to: head.label });
            }
        }
    }

    fn branch_if_zero(&mut self, to: Pc) {
        let [a, ..] = Self::TEMPORARIES;
        self.pop_top(a);
        let label = self.label();
        self.sink.put(Op::BranchImm { cond: Cond::Eq, a, imm: 0, to: label });
        self.joins.push(Join { pc: to, label, above: self.above });
    }
}
