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
//!
//! Besides the window the rules see which slot holds the same as the register of the top. That is said of the operations
//! as they are, not as they came: what a rule takes away is not counted on.

use std::ops::Range;

use super::lower::SCRATCH;
use super::peephole::Peephole;
use crate::isa::Isa;
use crate::lir::{AluOp, Cond, DivOp, FrameSlot, Label, Op, Reg, Sink, Site, Slot};

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
    /// A load from a slot that holds the same as the top is none, or a move.
    LoadedTop "loaded-top";
    /// The top is stored to a slot that holds the same.
    StoredTop "stored-top";
    /// A value stored, copied and loaded for both operands is one operand twice.
    DuplicatedOperand "duplicated-operand";
    /// A result computed in a temporary and then moved is computed where it goes.
    Retarget "retarget";
    /// The same for a register that is loaded anew behind the move.
    RetargetBeforeLoad "retarget-before-load";
    /// A moved operand is read where it comes from.
    MovedOperand "moved-operand";
    /// The same where a store stands between.
    MovedOverStore "moved-over-store";
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

/// How many operations before the one at hand a rule looks at.
pub(super) const BEFORE: usize = 3;

/// The registers that the word at hand has written so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OperandSet(u32);

impl OperandSet {
    pub fn insert(&mut self, reg: Reg) {
        self.0 |= 1 << reg.0;
    }

    #[inline(always)]
    pub fn contains(self, reg: Reg) -> bool {
        self.0 >> (reg.0 & 31) & 1 != 0
    }

    /// Some registers of a list.
    const fn of(list: &[Reg], range: Range<usize>) -> OperandSet {
        let (mut set, mut index) = (0, range.start);
        while index < range.end {
            set |= 1 << list[index].0;
            index += 1;
        }
        OperandSet(set)
    }
}

/// Hands an operation to the rules for its kind. A macro, and no function, so that the question is answered where the kind is
/// known: the rules call each other in a circle, and calls in a circle are not inlined.
macro_rules! hold {
    ($self:ident, $pc:expr, $op:expr) => {{
        let pc = $pc;
        match $op {
            Op::Move { d, s } => $self.hold_move(pc, d, s),
            Op::Load { d, slot, last } => $self.hold_load(pc, d, slot, last),
            Op::Store { s, slot } => $self.hold_store(pc, s, slot),
            Op::Constant { d, value } => $self.hold_constant(pc, d, value),
            Op::LoadFrame { d, slot } => $self.hold_load_frame(pc, d, slot),
            Op::Alu { op, d, a, b } => $self.hold_alu(pc, op, d, a, b),
            Op::Set { cond, d, a, b } => $self.hold_set(pc, cond, d, a, b),
            Op::Divide { op, d, a, b, site } => $self.hold_divide(pc, op, d, a, b, site),
            Op::Branch { cond, a, b, to } => $self.hold_branch(pc, cond, a, b, to),
            Op::AluImm { op, d, a, imm } => $self.hold_alu_imm(pc, op, d, a, imm),
            Op::SetImm { cond, d, a, imm } => $self.hold_set_imm(pc, cond, d, a, imm),
            Op::DivideImm { op, d, a, imm } => $self.hold_divide_imm(pc, op, d, a, imm),
            Op::BranchImm { cond, a, imm, to } => $self.hold_branch_imm(pc, cond, a, imm, to),
            op @ Op::StoreFrame { .. } => $self.push(pc, op),
            Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::CountDown { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::Return { .. } => unreachable!("the pass holds none of these back"),
        }
    }};
}

/// The rules: one table for each kind of operation, in which the first whose pattern fits the operations before it is
/// the one that fires. What it puts in their place is held in its turn. An operation keeps the bytecode operation that it is
/// for where it is only moved, or given other registers.
impl<I: Isa, S: Sink> Peephole<I, S> {
    /// Takes an operation into the window, or what a rule makes of it.
    #[inline(always)]
    pub(super) fn hold(&mut self, pc: u32, op: Op) {
        hold!(self, pc, op);
    }

    /// The same for an operation that stood in the window, of whatever kind. It is read where it stood: what was put in the
    /// window since is less than what was taken away.
    #[inline(never)]
    fn hold_again(&mut self, pc: u32, index: usize) {
        hold!(self, pc, self.held[index]);
    }

    /// A register for operands that the word at hand has not used, other than some.
    #[inline(always)]
    fn free(&self, others: [Reg; 3]) -> Option<Reg> {
        I::ALLOCATABLE[SCRATCH].iter().copied().find(|reg| !self.operands.contains(*reg) && !others.contains(reg))
    }

    /// Whether a register may be read by a `Move` although the word at hand goes on.
    #[inline(always)]
    fn may_die(&self, reg: Reg) -> bool {
        !(is_temporary::<I>(reg) && self.operands.contains(reg))
    }

    #[inline(never)]
    fn hold_move(&mut self, pc: u32, d: Reg, s: Reg) {
        let op = Op::Move { d, s };
        if d == s {
            return self.fire(Rule::SelfMove, 0);
        }
        match *self.before() {
            [.., Op::Move { d: t, s: from }, Op::Store { s: stored, slot }] => {
                if s == t && is_temporary::<I>(t) && stored != t && from != t {
                    let store = self.pc(0);
                    self.fire(Rule::MovedOverStore, 2);
                    hold!(self, store, Op::Store { s: stored, slot });
                    return hold!(self, pc, Op::Move { d, s: from });
                }
            }
            [.., definition] => {
                if self.has_just_made(d) {
                    self.fire(Rule::DeadDefinition, 1);
                    return hold!(self, pc, op);
                }
                if is_temporary::<I>(s) && definition.defines() == Some(s) {
                    let pc = self.pc(0);
                    self.fire(Rule::Retarget, 1);
                    self.held[self.len].set_destination(d);
                    return self.hold_again(pc, self.len);
                }
            }
        }
        self.push(pc, op);
    }

    #[inline(never)]
    fn hold_constant(&mut self, pc: u32, d: Reg, value: i64) {
        self.hold_definition(pc, Op::Constant { d, value });
    }

    #[inline(never)]
    fn hold_load_frame(&mut self, pc: u32, d: Reg, slot: FrameSlot) {
        self.hold_definition(pc, Op::LoadFrame { d, slot });
    }

    #[inline(always)]
    fn hold_definition(&mut self, pc: u32, op: Op) {
        let Some(d) = op.defines() else { unreachable!("it has a destination") };
        if self.has_just_made(d) {
            self.fire(Rule::DeadDefinition, 1);
            hold!(self, pc, op);
        } else {
            self.push(pc, op);
        }
    }

    #[inline(never)]
    fn hold_store(&mut self, pc: u32, s: Reg, slot: Slot) {
        let op = Op::Store { s, slot };
        match *self.before() {
            [.., Op::Store { slot: slot2, .. }] if slot == slot2 => {
                self.fire(Rule::DeadStore, 1);
                hold!(self, pc, op);
            }
            _ => self.push(pc, op),
        }
    }

    #[inline(never)]
    fn hold_load(&mut self, pc: u32, d: Reg, slot: Slot, last: bool) {
        let op = Op::Load { d, slot, last };
        if self.has_just_made(d) {
            self.fire(Rule::DeadDefinition, 1);
            return hold!(self, pc, op);
        }
        match *self.before() {
            // Where the slot is read again, the store stays.
            [.., Op::Store { s, slot: stored }] if stored == slot && (d == s || self.may_die(s)) => {
                let store = self.pc(0);
                self.fire(Rule::StoreLoad, 1);
                if !last {
                    hold!(self, store, Op::Store { s, slot });
                }
                hold!(self, pc, Op::Move { d, s });
            }

            // The value is still in its register.
            [.., Op::Store { s, slot: stored }, other]
                if last
                    && stored == slot
                    && let Some(target) = self.moved_before(d, s, other, slot) =>
            {
                let with = self.pc(0);
                self.fire(Rule::StoreOtherLoad, 2);
                let index = self.len + 1;
                if target != s {
                    hold!(self, pc, Op::Move { d: target, s });
                }
                self.hold_again(with, index);
                if target != d {
                    hold!(self, pc, Op::Move { d, s: target });
                }
            }

            _ if self.top_is_in(slot) => {
                self.fire(Rule::LoadedTop, 0);
                if d != Self::TOP {
                    hold!(self, pc, Op::Move { d, s: Self::TOP });
                }
            }

            [.., definition, Op::Move { d: to, s }] if d == s && to != s && definition.defines() == Some(s) => {
                let with = self.pc(1);
                self.fire(Rule::RetargetBeforeLoad, 2);
                self.held[self.len].set_destination(to);
                self.hold_again(with, self.len);
                hold!(self, pc, op);
            }

            _ => self.push(pc, op),
        }
    }

    /// Where a stored value that is loaded behind one other operation can be moved to before that one. The other may overwrite
    /// what is moved, but not read or write its target; where it reads `d`, a third register holds the value meanwhile. A
    /// temporary that the other operation reads would be dead, though.
    #[inline(always)]
    fn moved_before(&self, d: Reg, s: Reg, other: Op, slot: Slot) -> Option<Reg> {
        let facts = self.last();
        if !facts.is_pure() || other.loads(slot) {
            return None;
        }
        let is_dead = is_temporary::<I>(s) && facts.reads(s);
        if !is_dead && (d == s || !facts.reads(d) && self.may_die(s)) {
            return Some(d);
        }
        let makes_room =
            facts.made == s && !is_temporary::<I>(s) && is_temporary::<I>(d) && !matches!(other, Op::Move { .. });
        if makes_room { self.free([d, facts.read[0], facts.read[1]]) } else { None }
    }

    #[inline(never)]
    fn hold_alu(&mut self, pc: u32, op: AluOp, d: Reg, a: Reg, b: Reg) {
        self.hold_binary(pc, Op::Alu { op, d, a, b });
    }

    #[inline(never)]
    fn hold_set(&mut self, pc: u32, cond: Cond, d: Reg, a: Reg, b: Reg) {
        self.hold_binary(pc, Op::Set { cond, d, a, b });
    }

    #[inline(never)]
    fn hold_divide(&mut self, pc: u32, op: DivOp, d: Reg, a: Reg, b: Reg, site: Site) {
        self.hold_binary(pc, Op::Divide { op, d, a, b, site });
    }

    #[inline(never)]
    fn hold_branch(&mut self, pc: u32, cond: Cond, a: Reg, b: Reg, to: Label) {
        self.hold_binary(pc, Op::Branch { cond, a, b, to });
    }

    #[inline(never)]
    fn hold_alu_imm(&mut self, pc: u32, op: AluOp, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::AluImm { op, d, a, imm });
    }

    #[inline(never)]
    fn hold_set_imm(&mut self, pc: u32, cond: Cond, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::SetImm { cond, d, a, imm });
    }

    #[inline(never)]
    fn hold_divide_imm(&mut self, pc: u32, op: DivOp, d: Reg, a: Reg, imm: i64) {
        self.hold_unary(pc, Op::DivideImm { op, d, a, imm });
    }

    /// Rules for an operation that computes, compares, divides or branches and has two registers as operands.
    #[inline(always)]
    fn hold_binary(&mut self, pc: u32, user: Op) {
        let (Some(first), Some(second)) = (user.first_operand(), user.second_operand()) else {
            unreachable!("it has two")
        };
        let may_lose = |reg: Reg| is_temporary::<I>(reg) || user.defines() == Some(reg);
        let exchanges = matches!(user, Op::Alu { .. } | Op::Set { .. }) && user.defines() == Some(second);
        if user.defines().is_some_and(|d| d != first && d != second && self.has_just_made(d)) {
            self.fire(Rule::DeadDefinition, 1);
            return hold!(self, pc, user);
        }
        match *self.before() {
            [before, Op::Move { d: to, s: from }, Op::Load { d, slot, last }] if d == from && to != from => {
                let is_stored = |s: Reg| last && before == Op::Store { s, slot };
                if first == from && second == to && is_temporary::<I>(to) && is_stored(from) {
                    self.fire(Rule::DuplicatedOperand, 3);
                    return hold!(self, pc, user.with_operand(to, from));
                }
                if first == from && second == to && exchanges && is_temporary::<I>(from) && is_stored(to) {
                    self.fire(Rule::SwappedOperands, 3);
                    return hold!(self, pc, user.with_operands_exchanged());
                }
                if first == to && second == from && exchanges && is_temporary::<I>(to) {
                    let load = self.pc(0);
                    self.fire(Rule::ExchangedOperands, 2);
                    hold!(self, load, Op::Load { d: to, slot, last });
                    return hold!(self, pc, user.with_operands_exchanged());
                }
            }

            [.., Op::Constant { d: c, value }, Op::Load { d: a, slot, last }]
                if second == c && first == a && a != c && may_lose(c) && fits::<I>(user, value) =>
            {
                let load = self.pc(0);
                self.fire(Rule::ConstantOperand, 2);
                hold!(self, load, Op::Load { d: a, slot, last });
                return hold!(self, pc, with_immediate(user, value));
            }

            [.., Op::Constant { d: c, value }]
                if second == c && first != c && may_lose(c) && fits::<I>(user, value) =>
            {
                self.fire(Rule::ConstantOperand, 1);
                return hold!(self, pc, with_immediate(user, value));
            }

            [.., Op::Move { d: t, s }] if (first == t || second == t) && may_lose(t) => {
                self.fire(Rule::MovedOperand, 1);
                return hold!(self, pc, user.with_operand(t, s));
            }

            _ => {}
        }
        self.push(pc, user);
    }

    /// Rules for an operation that computes, compares or divides and has an immediate as its second operand.
    #[rustfmt::skip]
    #[inline(always)]
    fn hold_unary(&mut self, pc: u32, user: Op) {
        let (Some(first), Some(d)) = (user.first_operand(), user.defines()) else { unreachable!("it has both") };
        match (*self.before(), user) {
            _ if d != first && self.has_just_made(d) => {
                self.fire(Rule::DeadDefinition, 1);
                hold!(self, pc, user);
            }

            ([.., Op::Move { d: t, s }], _) if first == t && (is_temporary::<I>(t) || d == t) => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, user.with_operand(t, s));
            }

            ([.., Op::AluImm { op: op1 @ (AluOp::Add | AluOp::Sub), d, a, imm }], Op::AluImm { op: op2 @ (AluOp::Add | AluOp::Sub), d: d2, a: a2, imm: imm2 })
                if d2 == d && a2 == d && I::fits_alu(AluOp::Add, signed(op1, imm).wrapping_add(signed(op2, imm2))) => {
                self.fire(Rule::AddedImmediates, 1);
                hold!(self, pc, Op::AluImm { op: AluOp::Add, d, a, imm: signed(op1, imm).wrapping_add(signed(op2, imm2)) });
            }

            _ => self.push(pc, user),
        }
    }

    /// Rules for a branch on a comparison with an immediate: where it tests a flag, which comparison made that?
    #[rustfmt::skip]
    #[inline(never)]
    fn hold_branch_imm(&mut self, pc: u32, test: Cond, flag: Reg, imm: i64, to: Label) {
        let is_test = imm == 0 && matches!(test, Cond::Eq | Cond::Ne) && is_temporary::<I>(flag);
        match *self.before() {
            [.., Op::Move { d: t, s }] if flag == t && is_temporary::<I>(t) => {
                self.fire(Rule::MovedOperand, 1);
                hold!(self, pc, Op::BranchImm { cond: test, a: s, imm, to });
            }

            [.., Op::Set { cond, d, a, b }] if is_test && flag == d => {
                self.fire(Rule::CompareBranch, 1);
                hold!(self, pc, Op::Branch { cond: taken(cond, test), a, b, to });
            }

            [.., Op::SetImm { cond, d, a, imm }] if is_test && flag == d => {
                self.fire(Rule::CompareBranch, 1);
                hold!(self, pc, Op::BranchImm { cond: taken(cond, test), a, imm, to });
            }

            // The new top is loaded between the comparison and the branch; an operand that it overwrites is saved.
            [.., Op::Set { cond, d, a, b }, Op::Load { d: top, slot, last }]
                if is_test && flag == d && top != d && let Some(saved) = self.free([top, a, b]) => {
                let load = self.pc(0);
                self.fire(Rule::CompareBranch, 2);
                if a == top || b == top {
                    hold!(self, pc, Op::Move { d: saved, s: top });
                }
                hold!(self, load, Op::Load { d: top, slot, last });
                let [a, b] = [a, b].map(|operand| if operand == top { saved } else { operand });
                hold!(self, pc, Op::Branch { cond: taken(cond, test), a, b, to });
            }

            [.., Op::SetImm { cond, d, a, imm }, Op::Load { d: top, slot, last }] if is_test && flag == d && top != d => {
                let load = self.pc(0);
                self.fire(Rule::CompareBranch, 2);
                if a == top {
                    hold!(self, pc, Op::Move { d, s: top });
                }
                hold!(self, load, Op::Load { d: top, slot, last });
                hold!(self, pc, Op::BranchImm { cond: taken(cond, test), a: if a == top { d } else { a }, imm, to });
            }

            _ => self.push(pc, Op::BranchImm { cond: test, a: flag, imm, to }),
        }
    }
}

/// Whether a register holds operands within a word.
#[inline(always)]
fn is_temporary<I: Isa>(reg: Reg) -> bool {
    const { OperandSet::of(I::ALLOCATABLE, SCRATCH) }.contains(reg)
}

/// The condition under which a branch on the flag of `cond` is taken.
fn taken(cond: Cond, test: Cond) -> Cond {
    if test == Cond::Ne { cond } else { cond.inverted() }
}

/// What an addition or subtraction of an immediate adds.
fn signed(op: AluOp, imm: i64) -> i64 {
    if op == AluOp::Sub { imm.wrapping_neg() } else { imm }
}

/// Whether the instruction set has a field for an immediate as the second operand.
#[inline(always)]
fn fits<I: Isa>(op: Op, imm: i64) -> bool {
    match op {
        Op::Alu { op, .. } => I::fits_alu(op, imm),
        Op::Set { .. } | Op::Branch { .. } => I::fits_compare(imm),
        // By zero it must trap.
        Op::Divide { .. } => imm != 0,
        _ => false,
    }
}

/// The same operation with an immediate as its second operand.
#[inline(always)]
fn with_immediate(op: Op, imm: i64) -> Op {
    match op {
        Op::Alu { op, d, a, .. } => Op::AluImm { op, d, a, imm },
        Op::Set { cond, d, a, .. } => Op::SetImm { cond, d, a, imm },
        Op::Divide { op, d, a, .. } => Op::DivideImm { op, d, a, imm },
        Op::Branch { cond, a, to, .. } => Op::BranchImm { cond, a, imm, to },
        _ => unreachable!("only an operation with two operands is given an immediate"),
    }
}
