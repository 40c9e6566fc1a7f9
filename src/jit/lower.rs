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

use super::Layout;
use crate::bytecode::{Bytecode, Counter, Op as Code, Pc, TrapSite};
use crate::isa::{Isa, Tuning};
use crate::lang::Word;
use crate::lang::words::Class;
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

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

/// Lowers a program into a sink.
pub fn lower<I: Isa, S: Sink>(code: &Bytecode, layout: Layout, tuning: &Tuning, sink: &mut S) -> Vec<TrapSite> {
    let &[top, a, b, c, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has four registers") };
    let mut lowering = Lowering {
        sink,
        layout,
        top,
        scratch: [a, b, c],
        counters: counter_registers::<I>(tuning),
        above: code.inputs as i64,
        joins: Vec::new(),
        loops: Vec::new(),
        labels: 0,
        sites: Vec::new(),
    };
    lowering.program(code);
    lowering.sites
}

struct Lowering<'a, S> {
    sink: &'a mut S,
    layout: Layout,
    top: Reg,
    scratch: [Reg; 3],
    counters: &'static [Reg],
    /// How many values lie above the data-stack pointer; the top one in its slot or in its register.
    above: i64,
    /// Places ahead where ways meet, the nearest last.
    joins: Vec<Join>,
    /// The loops around, innermost last.
    loops: Vec<Loop>,
    labels: u32,
    sites: Vec<TrapSite>,
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

impl<S: Sink> Lowering<'_, S> {
    fn program(&mut self, code: &Bytecode) {
        if self.layout == Layout::Pushing {
            self.sink.put(Op::MovePointer { slots: self.above });
            self.above = 0;
        }
        if self.layout == Layout::TopInRegister {
            // Of an empty stack this loads the spare slot.
            self.sink.put(Op::Load { d: self.top, slot: self.slot(0), last: true });
        }
        let mut heads = code.heads.iter().peekable();
        // Whether the operation before this one may go on to it.
        let mut reached = true;
        for (index, &op) in code.ops.iter().enumerate() {
            let pc = Pc(index as u32);
            self.sink.at(pc.0);
            while self.joins.last().is_some_and(|join| join.pc == pc) {
                let join = self.joins.pop().expect("it is the last one");
                if reached {
                    self.meet(join.above);
                }
                self.bind(join);
                reached = true;
            }
            while heads.next_if(|head| **head == pc).is_some() {
                let label = self.label();
                self.loops.push(Loop { label, above: self.above });
                self.sink.put(Op::Align);
                self.sink.put(Op::Label(label));
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
                        self.sink.put(Op::Store { s: self.top, slot: self.slot(0) });
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
            self.sink.put(Op::Move { d, s: self.top });
            self.above -= 1;
            self.sink.put(Op::Load { d: self.top, slot: self.slot(0), last: true });
        } else {
            self.pop(d);
        }
    }

    fn literal(&mut self, value: i64) {
        let [a, ..] = self.scratch;
        if self.layout == Layout::TopInRegister {
            self.spill_top();
            self.sink.put(Op::Constant { d: self.top, value });
        } else {
            self.sink.put(Op::Constant { d: a, value });
            self.push(a);
        }
    }

    /// Stores the top to its slot, for a new top.
    fn spill_top(&mut self) {
        self.sink.put(Op::Store { s: self.top, slot: self.slot(0) });
        self.above += 1;
    }

    fn pick(&mut self, depth: i64) {
        let [a, ..] = self.scratch;
        let slot = self.slot(depth);
        if self.layout != Layout::TopInRegister {
            self.sink.put(Op::Load { d: a, slot, last: false });
            self.push(a);
        } else {
            self.spill_top();
            if depth > 0 {
                self.sink.put(Op::Load { d: self.top, slot, last: false });
            }
        }
    }

    fn word(&mut self, word: Word, pc: Pc) {
        match word.class() {
            Class::Shuffle if self.layout == Layout::Pushing => self.shuffle_by_pushes(word),
            Class::Shuffle => self.shuffle(word),
            _ => self.two_operands(word, pc),
        }
    }

    /// A word with two operands and one result.
    fn two_operands(&mut self, word: Word, pc: Pc) {
        let [a, mut b, _] = self.scratch;
        let site = if word.class() == Class::Division { self.site(pc) } else { Site(0) };
        let d = if self.layout == Layout::TopInRegister {
            self.above -= 1;
            self.sink.put(Op::Load { d: a, slot: self.slot(0), last: true });
            b = self.top;
            self.top
        } else {
            self.pop(b);
            self.pop(a);
            a
        };
        let alu = |op| Op::Alu { op, d, a, b };
        let set = |cond| Op::Set { cond, d, a, b };
        let divide = |op| Op::Divide { op, d, a, b, site };
        self.sink.put(match word {
            Word::Add => alu(AluOp::Add),
            Word::Sub => alu(AluOp::Sub),
            Word::Mul => alu(AluOp::Mul),
            Word::Div => divide(DivOp::Quotient),
            Word::Mod => divide(DivOp::Remainder),
            Word::And => alu(AluOp::And),
            Word::Or => alu(AluOp::Or),
            Word::Xor => alu(AluOp::Xor),
            Word::Lshift => alu(AluOp::Shl),
            Word::Rshift => alu(AluOp::Shr),
            Word::Eq => set(Cond::Eq),
            Word::Ne => set(Cond::Ne),
            Word::Lt => set(Cond::Lt),
            Word::Gt => set(Cond::Gt),
            Word::Le => set(Cond::Le),
            Word::Ge => set(Cond::Ge),
            Word::Dup | Word::Drop | Word::Swap | Word::Over | Word::Rot | Word::Nip | Word::Tuck => {
                unreachable!("a shuffle has no operation of its own")
            }
        });
        if self.layout != Layout::TopInRegister {
            self.push(d);
        }
    }

    /// Pops the operands and pushes the results, one by one.
    fn shuffle_by_pushes(&mut self, word: Word) {
        for operand in (0..word.pops()).rev() {
            self.pop(self.scratch[operand]);
        }
        for operand in word.shuffle() {
            self.push(self.scratch[operand]);
        }
    }

    /// Loads what moves, then stores it where it goes; what stays where it is is not touched.
    fn shuffle(&mut self, word: Word) {
        let (pops, pushes) = (word.pops(), word.pushes());
        let base = self.above - pops as i64;
        let in_register = self.layout == Layout::TopInRegister;
        // Operands and results below these lie in slots, the one above in the register of the top.
        let (operands, results) = if in_register { (pops - 1, pushes.saturating_sub(1)) } else { (pops, pushes) };
        let slot = |index: usize| Slot(base + index as i64);
        let stays = |operand: usize| word.shuffle().take(results).nth(operand) == Some(operand);
        let to_top = if in_register { word.shuffle().last() } else { None };

        let mut top_load = None;
        for operand in 0..operands {
            let moves = word
                .shuffle()
                .enumerate()
                .any(|(result, from)| from == operand && (result != from || result >= results));
            if !moves {
                continue;
            }
            let load = |d| Op::Load { d, slot: slot(operand), last: !stays(operand) };
            let to_slots =
                word.shuffle().take(results).enumerate().any(|(result, from)| from == operand && result != from);
            let overwritten = operand < results && !stays(operand);
            if to_top == Some(operand) && !to_slots && !overwritten {
                top_load = Some(load(self.top));
            } else {
                self.sink.put(load(self.scratch[operand]));
            }
        }
        for (result, from) in word.shuffle().take(results).enumerate() {
            if from >= operands {
                self.sink.put(Op::Store { s: self.top, slot: slot(result) });
            } else if from != result {
                self.sink.put(Op::Store { s: self.scratch[from], slot: slot(result) });
            }
        }
        self.above = base + pushes as i64;
        if let Some(load) = top_load {
            self.sink.put(load);
        } else if let Some(from) = to_top.filter(|from| *from < operands) {
            self.sink.put(Op::Move { d: self.top, s: self.scratch[from] });
        } else if in_register && pushes == 0 {
            self.sink.put(Op::Load { d: self.top, slot: self.slot(0), last: true });
        }
    }

    fn times(&mut self, counter: Counter, exit: Pc) {
        let [a, ..] = self.scratch;
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
        let [a, ..] = self.scratch;
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
        let [a, ..] = self.scratch;
        self.pop_top(a);
        let label = self.label();
        self.sink.put(Op::BranchImm { cond: Cond::Eq, a, imm: 0, to: label });
        self.joins.push(Join { pc: to, label, above: self.above });
    }
}
