//! The rules of the peephole pass: the end of a window of operations, and what stands there instead.
//!
//! Rewriting ends, since every rule leaves fewer operations, or as many with fewer loads, or with fewer comparisons that
//! make a flag.
//!
//! The rules rely on how `lower` uses registers. One that holds operands within a word (a *temporary*) is dead behind a
//! `Move` that reads it, behind an operation that computes, compares, divides or branches and reads but does not write
//! it, and between words. A slot is dead behind a load that says so. A rule that takes a value from a temporary instead
//! of its slot makes it live on from one word to the next, and so must not let a `Move` read a temporary that is an
//! operand of the word at hand already: those are the `operands`.

use super::lower::SCRATCH;
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, Op, Reg};

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

/// The longest window that a rule looks at.
pub(super) const LONGEST: usize = 4;

/// What a rule does to the end of the window.
pub(super) struct Rewrite {
    pub rule: Rule,
    /// How many operations go.
    pub removes: usize,
    /// What comes instead.
    pub with: [Option<Op>; 3],
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

/// The registers that the word at hand has written so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operands(u32);

impl Operands {
    pub fn insert(&mut self, reg: Reg) {
        self.0 |= 1 << reg.0;
    }

    pub fn contains(self, reg: Reg) -> bool {
        self.0 & 1 << reg.0 != 0
    }
}

/// The table of rules: the first whose pattern is the window's end.
#[rustfmt::skip]
pub(super) fn rewrite<I: Isa>(window: &[Op], operands: Operands) -> Option<Rewrite> {
    let temporary = |reg: Reg| I::ALLOCATABLE[SCRATCH].contains(&reg);
    let may_die = |reg: Reg| !(temporary(reg) && operands.contains(reg));
    match *window {
        [.., Op::Move { d, s }] if d == s => Rewrite::new(Rule::SelfMove, 1, []),

        [.., first, second]
            if first.is_pure() && first.defines().is_some_and(|d| second.defines() == Some(d) && !second.reads(d)) =>
            Rewrite::new(Rule::DeadDefinition, 2, [second]),

        [.., Op::Store { slot, .. }, second @ Op::Store { slot: slot2, .. }] if slot == slot2 =>
            Rewrite::new(Rule::DeadStore, 2, [second]),

        [.., Op::Store { s, slot }, Op::Load { d, slot: slot2, last: true }] if slot == slot2 && (d == s || may_die(s)) =>
            Rewrite::new(Rule::StoreLoad, 2, [Op::Move { d, s }]),

        [.., store @ Op::Store { s, slot }, Op::Load { d, slot: slot2, last: false }] if slot == slot2 && (d == s || may_die(s)) =>
            Rewrite::new(Rule::StoreLoad, 2, [store, Op::Move { d, s }]),

        // The value is still in its register; a temporary that the other operation reads would be dead, though.
        [.., Op::Store { s, slot }, other, Op::Load { d, slot: slot2, last: true }]
            if slot == slot2 && d == s && other.is_pure() && other.defines().is_some_and(|reg| reg != s)
                && !other.loads(slot) && !(temporary(s) && other.reads(s)) =>
            Rewrite::new(Rule::StoreOtherLoad, 3, [other]),

        // The move comes first, so the other operation may overwrite what is moved, but not read or write its target.
        [.., Op::Store { s, slot }, other, Op::Load { d, slot: slot2, last: true }]
            if slot == slot2 && other.is_pure() && other.defines().is_some_and(|reg| reg != d)
                && !other.reads(d) && !other.loads(slot) && !(temporary(s) && other.reads(s)) && may_die(s) =>
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

        [.., Op::Move { d: t, s }, Op::Load { d: top, slot, last }, user @ (Op::Alu { .. } | Op::Set { .. })]
            if temporary(t) && s == top && user.first_operand() == Some(t) && user.second_operand() == Some(top)
                && user.defines() == Some(top) =>
            Rewrite::new(Rule::ExchangedOperands, 3, [Op::Load { d: t, slot, last }, user.with_operands_exchanged()]),

        [.., Op::Store { s: top, slot }, Op::Move { d: top2, s: t }, Op::Load { d: t2, slot: slot2, last: true }, user @ (Op::Alu { .. } | Op::Set { .. })]
            if temporary(t) && slot == slot2 && top == top2 && t == t2 && user.first_operand() == Some(t)
                && user.second_operand() == Some(top) && user.defines() == Some(top) =>
            Rewrite::new(Rule::SwappedOperands, 4, [user.with_operands_exchanged()]),

        [.., Op::Constant { d: c, value }, user]
            if user.second_operand() == Some(c) && user.first_operand() != Some(c) && (temporary(c) || user.defines() == Some(c)) =>
            Rewrite::new(Rule::ConstantOperand, 2, [with_immediate::<I>(user, value)?]),

        [.., Op::Constant { d: c, value }, load @ Op::Load { d: a, .. }, user]
            if user.second_operand() == Some(c) && user.first_operand() == Some(a) && a != c && (temporary(c) || user.defines() == Some(c)) =>
            Rewrite::new(Rule::ConstantOperand, 3, [load, with_immediate::<I>(user, value)?]),

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

/// The same operation with an immediate as its second operand, where the instruction set has a field for it.
fn with_immediate<I: Isa>(op: Op, imm: i64) -> Option<Op> {
    match op {
        Op::Alu { op, d, a, .. } => I::fits_alu(op, imm).then_some(Op::AluImm { op, d, a, imm }),
        Op::Set { cond, d, a, .. } => I::fits_compare(imm).then_some(Op::SetImm { cond, d, a, imm }),
        Op::Divide { op, d, a, .. } => (imm != 0).then_some(Op::DivideImm { op, d, a, imm }),
        Op::Branch { cond, a, to, .. } => I::fits_compare(imm).then_some(Op::BranchImm { cond, a, imm, to }),
        _ => None,
    }
}
