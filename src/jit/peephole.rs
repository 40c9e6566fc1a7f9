//! The peephole pass: a sink that holds back a few operations and rewrites small windows of them.
//!
//! A rule is one arm of [`rewrite`]: the end of the window, and what stands there instead. What a rule writes is
//! fed to the window again, one operation after the other. This ends, since every rule leaves fewer operations, or
//! as many with fewer loads, or with fewer comparisons that make a flag.
//!
//! The rules rely on how `lower` uses registers. One that holds operands within a word (a *temporary*) is dead
//! behind a `Move` that reads it and behind an operation that computes, compares, divides or branches and reads but
//! does not write it. A slot is dead behind a load that says so. Nothing is rewritten across a label or a branch.

use std::marker::PhantomData;

use super::lower::SCRATCH;
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, Op, Reg, Sink, Slot};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// The rules by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$name),*];

            /// The name under which a rule is reported.
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$name => $text,)* }
            }
        }
    };
}

rules! {
    /// A register moved to itself.
    SelfMove "self-move";
    /// A register moved back to where it came from.
    MoveBack "move-back";
    /// A register written twice without being read.
    DeadDefinition "dead-definition";
    /// A slot written twice without being read.
    DeadStore "dead-store";
    /// A store followed by its load becomes a move.
    StoreLoad "store-load";
    /// The same with one operation between them.
    StoreOtherLoad "store-other-load";
    /// A value stored, copied and loaded for both operands is one operand twice.
    DuplicatedOperand "duplicated-operand";
    /// A result computed in a temporary and then moved is computed where it goes.
    Retarget "retarget";
    /// The same for a register that is loaded anew behind the move.
    RetargetBeforeLoad "retarget-before-load";
    /// A moved operand is read where it comes from.
    MovedOperand "moved-operand";
    /// A top spilled for a new one and loaded as the other operand changes places with it.
    ExchangedOperands "exchanged-operands";
    /// The top and the value below it are exchanged and then both consumed.
    SwappedOperands "swapped-operands";
    /// A constant operand becomes an immediate.
    ConstantOperand "constant-operand";
    /// Two additions of immediates become one.
    AddedImmediates "added-immediates";
    /// A comparison whose flag is branched on becomes a comparison and branch.
    CompareBranch "compare-branch";
}

/// How often each rule fired, in the order of [`Rule::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired([u32; Rule::ALL.len()]);

impl Fired {
    /// The rules that fired, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// The longest window that a rule looks at.
const LONGEST: usize = 4;
/// How many operations are held back: a rule may leave as many as it found, and needs those before them.
const HELD: usize = 8;

/// Rewrites operations on their way to another sink.
#[derive(Debug)]
pub struct Peephole<I, S> {
    sink: S,
    held: [(u32, Op); HELD],
    len: usize,
    pc: u32,
    fired: Fired,
    isa: PhantomData<I>,
}

impl<I: Isa, S: Sink> Peephole<I, S> {
    /// A pass in front of a sink; `I` says which immediates fit.
    pub fn new(sink: S) -> Peephole<I, S> {
        let nothing = (0, Op::MovePointer { slots: 0 });
        Peephole { sink, held: [nothing; HELD], len: 0, pc: 0, fired: Fired::default(), isa: PhantomData }
    }

    /// Lets go of what is held back.
    pub fn finish(mut self) -> (S, Fired) {
        self.release(self.len);
        (self.sink, self.fired)
    }

    /// Takes an operation into the window and applies rules as long as one fits.
    fn hold(&mut self, pc: u32, op: Op) {
        if self.len == HELD {
            self.release(HELD - LONGEST);
        }
        self.held[self.len] = (pc, op);
        self.len += 1;
        let mut window = [op; LONGEST];
        let count = self.len.min(LONGEST);
        for (entry, held) in window.iter_mut().zip(&self.held[self.len - count..self.len]) {
            *entry = held.1;
        }
        if let Some(Rewrite { rule, removes, with }) = rewrite::<I>(&window[..count]) {
            self.fired.0[rule as usize] += 1;
            self.len -= removes;
            for op in with.into_iter().flatten() {
                self.hold(pc, op);
            }
        }
    }

    /// Passes the oldest operations on.
    fn release(&mut self, count: usize) {
        for &(pc, op) in &self.held[..count] {
            self.sink.at(pc);
            self.sink.put(op);
        }
        self.held.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

impl<I: Isa, S: Sink> Sink for Peephole<I, S> {
    #[inline]
    fn at(&mut self, pc: u32) {
        self.pc = pc;
    }

    #[inline]
    fn put(&mut self, op: Op) {
        match op {
            Op::Branch { .. } | Op::BranchImm { .. } => {
                self.hold(self.pc, op);
                self.release(self.len);
            }
            Op::Label(_)
            | Op::Jump { .. }
            | Op::CountDown { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::Return { .. } => {
                self.release(self.len);
                self.sink.at(self.pc);
                self.sink.put(op);
            }
            _ => self.hold(self.pc, op),
        }
    }
}

/// What a rule does to the end of the window.
struct Rewrite {
    rule: Rule,
    /// How many operations go.
    removes: usize,
    /// What comes instead.
    with: [Option<Op>; 3],
}

impl Rewrite {
    fn new<const N: usize>(rule: Rule, removes: usize, ops: [Op; N]) -> Option<Rewrite> {
        let mut with = [None; 3];
        for (slot, op) in with.iter_mut().zip(ops) {
            *slot = Some(op);
        }
        Some(Rewrite { rule, removes, with })
    }
}

/// The table of rules: the first whose pattern is the window's end.
#[rustfmt::skip]
fn rewrite<I: Isa>(window: &[Op]) -> Option<Rewrite> {
    let temporary = |reg: Reg| I::ALLOCATABLE[SCRATCH].contains(&reg);
    match *window {
        [.., Op::Move { d, s }] if d == s => Rewrite::new(Rule::SelfMove, 1, []),

        [.., kept @ Op::Move { d, s }, Op::Move { d: d2, s: s2 }] if d2 == s && s2 == d =>
            Rewrite::new(Rule::MoveBack, 2, [kept]),

        [.., first, second]
            if first.is_pure() && first.defines().is_some_and(|d| second.defines() == Some(d) && !second.reads(d)) =>
            Rewrite::new(Rule::DeadDefinition, 2, [second]),

        [.., Op::Store { slot, .. }, second @ Op::Store { slot: slot2, .. }] if slot == slot2 =>
            Rewrite::new(Rule::DeadStore, 2, [second]),

        [.., Op::Store { s, slot }, Op::Load { d, slot: slot2, last: true }] if slot == slot2 =>
            Rewrite::new(Rule::StoreLoad, 2, [Op::Move { d, s }]),

        [.., store @ Op::Store { s, slot }, Op::Load { d, slot: slot2, last: false }] if slot == slot2 =>
            Rewrite::new(Rule::StoreLoad, 2, [store, Op::Move { d, s }]),

        // The value is still in its register; a temporary that the other operation reads would be dead, though.
        [.., Op::Store { s, slot }, other, Op::Load { d, slot: slot2, last: true }]
            if slot == slot2 && d == s && other.is_pure() && other.defines().is_some_and(|reg| reg != s)
                && !other.loads(slot) && !(temporary(s) && other.reads(s)) =>
            Rewrite::new(Rule::StoreOtherLoad, 3, [other]),

        // The move comes first, so the other operation may overwrite what is moved, but not read or write its target.
        [.., Op::Store { s, slot }, other, Op::Load { d, slot: slot2, last: true }]
            if slot == slot2 && other.is_pure() && other.defines().is_some_and(|reg| reg != d)
                && !other.reads(d) && !other.loads(slot) && !(temporary(s) && other.reads(s)) =>
            Rewrite::new(Rule::StoreOtherLoad, 3, [Op::Move { d, s }, other]),

        [.., Op::Store { s, slot }, Op::Move { d: t, s: s2 }, Op::Load { d, slot: slot2, last: true }, user]
            if slot == slot2 && s == s2 && d == s && t != s && temporary(t)
                && user.first_operand() == Some(s) && user.second_operand() == Some(t) =>
            Rewrite::new(Rule::DuplicatedOperand, 4, [user.with_operand(t, s)]),

        [.., definition, Op::Move { d, s }] if definition.defines() == Some(s) && temporary(s) =>
            Rewrite::new(Rule::Retarget, 2, [definition.with_destination(d)]),

        [.., definition, Op::Move { d, s }, load @ Op::Load { d: d2, .. }]
            if definition.defines() == Some(s) && d2 == s && d != s =>
            Rewrite::new(Rule::RetargetBeforeLoad, 3, [definition.with_destination(d), load]),

        [.., Op::Move { d: t, s }, Op::Load { d: top, slot, last }, Op::Alu { op, d, a, b }]
            if temporary(t) && s == top && a == t && b == top && d == top =>
            Rewrite::new(Rule::ExchangedOperands, 3, [Op::Load { d: t, slot, last }, Op::Alu { op, d, a: top, b: t }]),

        [.., Op::Move { d: t, s }, Op::Load { d: top, slot, last }, Op::Set { cond, d, a, b }]
            if temporary(t) && s == top && a == t && b == top && d == top =>
            Rewrite::new(Rule::ExchangedOperands, 3, [Op::Load { d: t, slot, last }, Op::Set { cond, d, a: top, b: t }]),

        [.., Op::Store { s: top, slot }, Op::Move { d: top2, s: t }, Op::Load { d: t2, slot: slot2, last: true }, Op::Alu { op, d, a, b }]
            if temporary(t) && slot == slot2 && top == top2 && t == t2 && a == t && b == top && d == top =>
            Rewrite::new(Rule::SwappedOperands, 4, [Op::Alu { op, d, a: top, b: t }]),

        [.., Op::Store { s: top, slot }, Op::Move { d: top2, s: t }, Op::Load { d: t2, slot: slot2, last: true }, Op::Set { cond, d, a, b }]
            if temporary(t) && slot == slot2 && top == top2 && t == t2 && a == t && b == top && d == top =>
            Rewrite::new(Rule::SwappedOperands, 4, [Op::Set { cond, d, a: top, b: t }]),

        [.., Op::Constant { d: c, value }, user]
            if user.second_operand() == Some(c) && user.first_operand() != Some(c) && (temporary(c) || user.defines() == Some(c)) =>
            Rewrite::new(Rule::ConstantOperand, 2, [user.with_immediate::<I>(value)?]),

        [.., Op::Constant { d: c, value }, load @ Op::Load { d: a, .. }, user]
            if user.second_operand() == Some(c) && user.first_operand() == Some(a) && a != c && (temporary(c) || user.defines() == Some(c)) =>
            Rewrite::new(Rule::ConstantOperand, 3, [load, user.with_immediate::<I>(value)?]),

        [.., Op::Move { d: t, s }, user]
            if (user.first_operand() == Some(t) || user.second_operand() == Some(t)) && (temporary(t) || user.defines() == Some(t)) =>
            Rewrite::new(Rule::MovedOperand, 2, [user.with_operand(t, s)]),

        [.., Op::AluImm { op: op1 @ (AluOp::Add | AluOp::Sub), d, a, imm }, Op::AluImm { op: op2 @ (AluOp::Add | AluOp::Sub), d: d2, a: a2, imm: imm2 }]
            if d2 == d && a2 == d && I::fits_alu(AluOp::Add, signed(op1, imm).wrapping_add(signed(op2, imm2))) =>
            Rewrite::new(Rule::AddedImmediates, 2, [Op::AluImm { op: AluOp::Add, d, a, imm: signed(op1, imm).wrapping_add(signed(op2, imm2)) }]),

        [.., Op::Set { cond, d, a, b }, Op::BranchImm { cond: test @ (Cond::Eq | Cond::Ne), a: flag, imm: 0, to }]
            if flag == d && temporary(d) =>
            Rewrite::new(Rule::CompareBranch, 2, [Op::Branch { cond: taken(cond, test), a, b, to }]),

        [.., Op::SetImm { cond, d, a, imm }, Op::BranchImm { cond: test @ (Cond::Eq | Cond::Ne), a: flag, imm: 0, to }]
            if flag == d && temporary(d) =>
            Rewrite::new(Rule::CompareBranch, 2, [Op::BranchImm { cond: taken(cond, test), a, imm, to }]),

        // The new top is loaded between the comparison and the branch; an operand that it overwrites is saved in
        // the register that the flag would have had.
        [.., Op::Set { cond, d, a, b }, load @ Op::Load { d: top, .. }, Op::BranchImm { cond: test @ (Cond::Eq | Cond::Ne), a: flag, imm: 0, to }]
            if flag == d && temporary(d) && d != top => {
            let cond = taken(cond, test);
            match (a == top, b == top) {
                (false, false) => Rewrite::new(Rule::CompareBranch, 3, [load, Op::Branch { cond, a, b, to }]),
                (false, true) if a != d => Rewrite::new(Rule::CompareBranch, 3, [Op::Move { d, s: top }, load, Op::Branch { cond, a, b: d, to }]),
                (true, false) if b != d => Rewrite::new(Rule::CompareBranch, 3, [Op::Move { d, s: top }, load, Op::Branch { cond, a: d, b, to }]),
                _ => None,
            }
        }

        [.., Op::SetImm { cond, d, a, imm }, load @ Op::Load { d: top, .. }, Op::BranchImm { cond: test @ (Cond::Eq | Cond::Ne), a: flag, imm: 0, to }]
            if flag == d && temporary(d) && d != top => {
            let cond = taken(cond, test);
            if a == top {
                Rewrite::new(Rule::CompareBranch, 3, [Op::Move { d, s: top }, load, Op::BranchImm { cond, a: d, imm, to }])
            } else {
                Rewrite::new(Rule::CompareBranch, 3, [load, Op::BranchImm { cond, a, imm, to }])
            }
        }

        _ => None,
    }
}

/// The condition under which a branch on the flag of `cond` is taken.
fn taken(cond: Cond, test: Cond) -> Cond {
    if test == Cond::Ne { cond } else { cond.inverted() }
}

/// What an addition or subtraction of an immediate adds.
fn signed(op: AluOp, imm: i64) -> i64 {
    if op == AluOp::Sub { imm.wrapping_neg() } else { imm }
}

/// What the rules ask of an operation. Only operations that are held back are asked.
impl Op {
    /// The register it writes.
    fn defines(self) -> Option<Reg> {
        match self {
            Op::Move { d, .. }
            | Op::Constant { d, .. }
            | Op::Load { d, .. }
            | Op::Alu { d, .. }
            | Op::AluImm { d, .. }
            | Op::Set { d, .. }
            | Op::SetImm { d, .. }
            | Op::Divide { d, .. }
            | Op::DivideImm { d, .. }
            | Op::LoadFrame { d, .. } => Some(d),
            _ => None,
        }
    }

    /// Whether it writes one register and does nothing else at all.
    fn is_pure(self) -> bool {
        matches!(
            self,
            Op::Move { .. }
                | Op::Constant { .. }
                | Op::Load { .. }
                | Op::Set { .. }
                | Op::SetImm { .. }
                | Op::LoadFrame { .. }
                | Op::Alu { op: AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::And | AluOp::Or | AluOp::Xor, .. }
                | Op::AluImm { .. }
        )
    }

    fn reads(self, reg: Reg) -> bool {
        match self {
            Op::Move { s, .. } | Op::Store { s, .. } | Op::StoreFrame { s, .. } => s == reg,
            _ => self.first_operand() == Some(reg) || self.second_operand() == Some(reg),
        }
    }

    fn loads(self, from: Slot) -> bool {
        matches!(self, Op::Load { slot, .. } if slot == from)
    }

    fn first_operand(self) -> Option<Reg> {
        match self {
            Op::Alu { a, .. }
            | Op::AluImm { a, .. }
            | Op::Set { a, .. }
            | Op::SetImm { a, .. }
            | Op::Divide { a, .. }
            | Op::DivideImm { a, .. }
            | Op::Branch { a, .. }
            | Op::BranchImm { a, .. } => Some(a),
            _ => None,
        }
    }

    fn second_operand(self) -> Option<Reg> {
        match self {
            Op::Alu { b, .. } | Op::Set { b, .. } | Op::Divide { b, .. } | Op::Branch { b, .. } => Some(b),
            _ => None,
        }
    }

    /// The same operation with its result elsewhere.
    fn with_destination(mut self, to: Reg) -> Op {
        match &mut self {
            Op::Move { d, .. }
            | Op::Constant { d, .. }
            | Op::Load { d, .. }
            | Op::Alu { d, .. }
            | Op::AluImm { d, .. }
            | Op::Set { d, .. }
            | Op::SetImm { d, .. }
            | Op::Divide { d, .. }
            | Op::DivideImm { d, .. }
            | Op::LoadFrame { d, .. } => *d = to,
            _ => unreachable!("only an operation with a destination is given another"),
        }
        self
    }

    /// The same operation with one register read in place of another.
    fn with_operand(mut self, from: Reg, to: Reg) -> Op {
        let replace = |reg: &mut Reg| {
            if *reg == from {
                *reg = to;
            }
        };
        match &mut self {
            Op::Alu { a, b, .. } | Op::Set { a, b, .. } | Op::Divide { a, b, .. } | Op::Branch { a, b, .. } => {
                replace(a);
                replace(b);
            }
            Op::AluImm { a, .. } | Op::SetImm { a, .. } | Op::DivideImm { a, .. } | Op::BranchImm { a, .. } => {
                replace(a);
            }
            _ => unreachable!("only an operation with operands is given others"),
        }
        self
    }

    /// The same operation with an immediate as its second operand, where the instruction set has a field for it.
    fn with_immediate<I: Isa>(self, imm: i64) -> Option<Op> {
        match self {
            Op::Alu { op, d, a, .. } => I::fits_alu(op, imm).then_some(Op::AluImm { op, d, a, imm }),
            Op::Set { cond, d, a, .. } => I::fits_compare(imm).then_some(Op::SetImm { cond, d, a, imm }),
            Op::Divide { op, d, a, .. } => (imm != 0).then_some(Op::DivideImm { op, d, a, imm }),
            Op::Branch { cond, a, to, .. } => I::fits_compare(imm).then_some(Op::BranchImm { cond, a, imm, to }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{aarch64, x86_64};
    use crate::lir::{DivOp, Label, Recorder, Site};

    fn improved<I: Isa>(before: &[Op]) -> (Vec<Op>, Vec<Rule>) {
        let mut pass = Peephole::<I, Recorder>::new(Recorder::default());
        for &op in before {
            pass.put(op);
        }
        let (recorder, fired) = pass.finish();
        (recorder.ops.into_iter().map(|(_, op)| op).collect(), fired.counts().map(|(rule, _)| rule).collect())
    }

    const ADD: AluOp = AluOp::Add;
    const SUB: AluOp = AluOp::Sub;

    /// A row for each rule, more where it has more forms: the rules that fire, the operations before and after.
    fn table<I: Isa>() -> Vec<(Vec<Rule>, Vec<Op>, Vec<Op>)> {
        let &[t, a, b, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has three registers") };
        let (x, y, to) = (Slot(0), Slot(1), Label(0));
        let load = |d, slot| Op::Load { d, slot, last: true };
        let keep = |d, slot| Op::Load { d, slot, last: false };
        let store = |s, slot| Op::Store { s, slot };
        let mov = |d, s| Op::Move { d, s };
        let constant = |d, value| Op::Constant { d, value };
        let alu = |op, d, a, b| Op::Alu { op, d, a, b };
        let imm = |op, d, a, imm| Op::AluImm { op, d, a, imm };
        let set = |d, a, b| Op::Set { cond: Cond::Lt, d, a, b };
        let set_imm = |d, a, imm| Op::SetImm { cond: Cond::Lt, d, a, imm };
        let zero = |a| Op::BranchImm { cond: Cond::Eq, a, imm: 0, to };
        let divide = |d, a, b| Op::Divide { op: DivOp::Quotient, d, a, b, site: Site(0) };
        let divide_imm = |d, a, imm| Op::DivideImm { op: DivOp::Quotient, d, a, imm };
        vec![
            (vec![Rule::SelfMove], vec![mov(t, t)], vec![]),
            (vec![Rule::MoveBack], vec![mov(t, a), mov(a, t)], vec![mov(t, a)]),
            (vec![Rule::DeadDefinition], vec![constant(t, 1), load(t, x)], vec![load(t, x)]),
            (vec![Rule::DeadDefinition], vec![load(t, y), load(t, x)], vec![load(t, x)]),
            // A division may trap, and what the next operation reads is not dead.
            (vec![], vec![divide(t, a, b), constant(t, 1)], vec![divide(t, a, b), constant(t, 1)]),
            (vec![], vec![load(t, x), imm(AluOp::Shl, t, t, 1)], vec![load(t, x), imm(AluOp::Shl, t, t, 1)]),
            (vec![Rule::DeadStore], vec![store(a, x), store(b, x)], vec![store(b, x)]),
            (vec![], vec![store(a, x), store(b, y)], vec![store(a, x), store(b, y)]),
            (vec![Rule::StoreLoad], vec![store(t, x), load(a, x)], vec![mov(a, t)]),
            (vec![Rule::StoreLoad], vec![store(t, x), keep(a, x)], vec![store(t, x), mov(a, t)]),
            (vec![], vec![store(t, x), load(a, y)], vec![store(t, x), load(a, y)]),
            (
                vec![Rule::StoreOtherLoad],
                vec![store(t, x), constant(t, 5), load(a, x)],
                vec![mov(a, t), constant(t, 5)],
            ),
            (vec![Rule::StoreOtherLoad], vec![store(t, x), constant(a, 5), load(t, x)], vec![constant(a, 5)]),
            // The other operation writes the target, or reads it, or loads the slot itself.
            (
                vec![],
                vec![store(t, x), imm(AluOp::Shl, t, a, 1), load(a, x)],
                vec![store(t, x), imm(AluOp::Shl, t, a, 1), load(a, x)],
            ),
            // A temporary that the other operation reads once more would be taken for dead.
            (
                vec![],
                vec![store(a, x), imm(AluOp::Shl, b, a, 1), load(a, x)],
                vec![store(a, x), imm(AluOp::Shl, b, a, 1), load(a, x)],
            ),
            (
                vec![Rule::DuplicatedOperand],
                vec![store(a, x), mov(b, a), load(a, x), alu(AluOp::Mul, a, a, b)],
                vec![alu(AluOp::Mul, a, a, a)],
            ),
            (vec![Rule::Retarget], vec![alu(SUB, a, b, a), mov(t, a)], vec![alu(SUB, t, b, a)]),
            // The top stays alive when it is copied.
            (vec![], vec![alu(SUB, t, b, t), mov(a, t)], vec![alu(SUB, t, b, t), mov(a, t)]),
            (
                vec![Rule::RetargetBeforeLoad],
                vec![alu(SUB, t, b, t), mov(a, t), load(t, x)],
                vec![alu(SUB, a, b, t), load(t, x)],
            ),
            (vec![Rule::MovedOperand], vec![mov(a, t), imm(ADD, t, a, 1)], vec![imm(ADD, t, t, 1)]),
            (vec![Rule::MovedOperand], vec![mov(a, t), alu(ADD, t, a, t)], vec![alu(ADD, t, t, t)]),
            (vec![Rule::MovedOperand], vec![mov(a, t), zero(a)], vec![zero(t)]),
            (
                vec![Rule::ExchangedOperands],
                vec![mov(a, t), load(t, x), alu(SUB, t, a, t)],
                vec![load(a, x), alu(SUB, t, t, a)],
            ),
            (vec![Rule::ExchangedOperands], vec![mov(a, t), keep(t, x), set(t, a, t)], vec![keep(a, x), set(t, t, a)]),
            (
                vec![Rule::SwappedOperands],
                vec![load(a, x), store(t, x), mov(t, a), load(a, x), alu(SUB, t, a, t)],
                vec![load(a, x), alu(SUB, t, t, a)],
            ),
            (
                vec![Rule::SwappedOperands],
                vec![load(a, x), store(t, x), mov(t, a), load(a, x), set(t, a, t)],
                vec![load(a, x), set(t, t, a)],
            ),
            (vec![Rule::ConstantOperand], vec![constant(b, 5), alu(ADD, a, a, b)], vec![imm(ADD, a, a, 5)]),
            (
                vec![Rule::ConstantOperand],
                vec![constant(b, 5), load(a, x), alu(SUB, a, a, b)],
                vec![load(a, x), imm(SUB, a, a, 5)],
            ),
            (vec![Rule::ConstantOperand], vec![constant(b, 5), set(a, a, b)], vec![set_imm(a, a, 5)]),
            (vec![Rule::ConstantOperand], vec![constant(b, -1), divide(a, a, b)], vec![divide_imm(a, a, -1)]),
            // Zero must trap, and what no field holds stays in its register.
            (vec![], vec![constant(b, 0), divide(a, a, b)], vec![constant(b, 0), divide(a, a, b)]),
            (vec![], vec![constant(b, i64::MIN), alu(ADD, a, a, b)], vec![constant(b, i64::MIN), alu(ADD, a, a, b)]),
            // Only a second operand can be an immediate.
            (vec![], vec![constant(a, 5), alu(SUB, a, a, b)], vec![constant(a, 5), alu(SUB, a, a, b)]),
            (vec![Rule::AddedImmediates], vec![imm(ADD, t, a, 5), imm(SUB, t, t, 7)], vec![imm(ADD, t, a, -2)]),
            (vec![], vec![imm(ADD, t, a, 5), imm(ADD, a, t, 7)], vec![imm(ADD, t, a, 5), imm(ADD, a, t, 7)]),
            (vec![Rule::CompareBranch], vec![set(a, a, b), zero(a)], vec![Op::Branch { cond: Cond::Ge, a, b, to }]),
            (
                vec![Rule::CompareBranch],
                vec![set_imm(a, a, 5), Op::BranchImm { cond: Cond::Ne, a, imm: 0, to }],
                vec![Op::BranchImm { cond: Cond::Lt, a, imm: 5, to }],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set(b, a, t), load(t, x), zero(b)],
                vec![mov(b, t), load(t, x), Op::Branch { cond: Cond::Ge, a, b, to }],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set_imm(b, t, 5), load(t, x), zero(b)],
                vec![mov(b, t), load(t, x), Op::BranchImm { cond: Cond::Ge, a: b, imm: 5, to }],
            ),
            // A branch that asks something else of the flag is left alone.
            (
                vec![],
                vec![set(a, a, b), Op::BranchImm { cond: Cond::Le, a, imm: 0, to }],
                vec![set(a, a, b), Op::BranchImm { cond: Cond::Le, a, imm: 0, to }],
            ),
            // Nothing is rewritten across a label.
            (vec![], vec![store(t, x), Op::Label(to), load(a, x)], vec![store(t, x), Op::Label(to), load(a, x)]),
        ]
    }

    #[test]
    fn every_rule_turns_before_into_after() {
        for (rules, before, after) in table::<aarch64::Emitter>() {
            assert_eq!(improved::<aarch64::Emitter>(&before), (after, rules), "of {before:?}");
        }
        for (rules, before, after) in table::<x86_64::Emitter>() {
            assert_eq!(improved::<x86_64::Emitter>(&before), (after, rules), "of {before:?}");
        }
    }

    #[test]
    fn every_rule_has_a_row() {
        let tested: Vec<_> = table::<x86_64::Emitter>().into_iter().flat_map(|(rules, ..)| rules).collect();
        for rule in Rule::ALL {
            assert!(tested.contains(rule), "{}", rule.name());
        }
    }

    #[test]
    fn a_constant_becomes_an_immediate_only_where_the_instruction_set_has_a_field() {
        let before = |value| {
            let (a, b) = (Reg(1), Reg(2));
            [Op::Constant { d: b, value }, Op::Alu { op: ADD, d: a, a, b }]
        };
        assert_eq!(improved::<aarch64::Emitter>(&before(4095)).0.len(), 1);
        assert_eq!(improved::<aarch64::Emitter>(&before(4097)).0.len(), 2);
        assert_eq!(improved::<x86_64::Emitter>(&before(4097)).0.len(), 1);
        assert_eq!(improved::<x86_64::Emitter>(&before(1 << 31)).0.len(), 2);
    }
}
