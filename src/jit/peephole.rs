//! The peephole pass: a sink that holds back a few operations and rewrites small windows of them.
//!
//! What a rule writes is fed to the window again, one operation after the other. Nothing is rewritten across a label
//! or a branch; only which slot holds the same as the top is still known where a branch was not taken. The rules stand in
//! `rules`.
//!
//! The pass takes most of the time in which code is made. So operations are held in arrays from which many leave at a time,
//! and what rules ask of each most often is worked out once, when it is taken.

use std::marker::PhantomData;
use std::ops::Range;

use super::rules::{BEFORE, OperandSet, Rule};
use crate::isa::Isa;
use crate::lir::{AluOp, Op, Operands, Reg, Sink, Slot};

/// How often each rule fired, in the order of [`Rule::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired([u32; Rule::ALL.len()]);

impl Fired {
    /// The rules that fired, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// How many operations are held back at most.
const HELD: usize = 64;

/// How many stay where no more can be held: all that rules look at, also when some of them have fired.
const KEPT: usize = 3 * BEFORE;

/// Stands for no operation of the bytecode: what comes before the first one.
const NOWHERE: u32 = u32::MAX;

/// Stands for no register.
const NO_REGISTER: Reg = Reg(u8::MAX);

/// Stands for no slot.
const NO_SLOT: Slot = Slot(i64::MIN);

/// Stands for no operation: no rule knows it. So that rules need not ask how many are held back, these always are.
const NOTHING: Op = Op::MovePointer { slots: 0 };

/// Rewrites operations on their way to another sink.
#[derive(Debug)]
pub struct Peephole<I, S> {
    sink: S,
    pub(super) held: [Op; HELD],
    /// What is known of each of them.
    facts: [Facts; HELD],
    pub(super) len: usize,
    pc: u32,
    pub(super) operands: OperandSet,
    fired: Fired,
    isa: PhantomData<I>,
}

/// What is known of an operation that is held back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// Which slot holds the same value as the register of the top, behind it.
    pub top: Slot,
    /// The bytecode operation that it is for.
    pub pc: u32,
    /// The register in which it makes a value, where it does nothing else.
    pub made: Reg,
    /// The registers that it reads.
    pub read: [Reg; 2],
}

impl Facts {
    /// Of [`NOTHING`].
    const NONE: Facts = Facts { top: NO_SLOT, pc: NOWHERE, made: NO_REGISTER, read: [NO_REGISTER; 2] };

    #[inline(always)]
    fn of(pc: u32, op: Op, top: Slot) -> Facts {
        let Operands { written, read } = op.operands();
        let made = written.filter(|_| op.is_pure()).unwrap_or(NO_REGISTER);
        let read = read.map(|reg| reg.unwrap_or(NO_REGISTER));
        Facts { top, pc, made, read }
    }

    /// Whether it only makes a value, in whatever register.
    #[inline(always)]
    pub(super) fn is_pure(&self) -> bool {
        self.made != NO_REGISTER
    }

    /// Whether it reads a register.
    #[inline(always)]
    pub(super) fn reads(&self, reg: Reg) -> bool {
        self.read[0] == reg || self.read[1] == reg
    }
}

impl<I: Isa, S: Sink> Peephole<I, S> {
    /// The register that holds the top of the stack in the variants that keep it in one.
    pub(super) const TOP: Reg = I::ALLOCATABLE[0];

    /// A pass in front of a sink; `I` says which immediates fit.
    pub fn new(sink: S) -> Peephole<I, S> {
        Peephole {
            sink,
            held: [NOTHING; HELD],
            facts: [Facts::NONE; HELD],
            len: BEFORE,
            pc: NOWHERE,
            operands: OperandSet::default(),
            fired: Fired::default(),
            isa: PhantomData,
        }
    }

    /// Lets go of what is held back.
    pub fn finish(mut self) -> (S, Fired) {
        self.release();
        (self.sink, self.fired)
    }

    /// Where the next operation goes. Asked for once in a rule: behind this comparison no other is needed for any place that
    /// the rule looks at.
    #[inline(always)]
    fn end(&self) -> usize {
        let end = self.len;
        assert!((BEFORE..HELD).contains(&end), "so many are always held, and there is always room for one more");
        end
    }

    /// The operations before the one at hand.
    #[inline(always)]
    pub(super) fn before(&self) -> &[Op; BEFORE] {
        self.held[..self.end()].last_chunk().expect("so many are always held")
    }

    /// What is known of the last operation.
    #[inline(always)]
    pub(super) fn last(&self) -> &Facts {
        &self.facts[self.end() - 1]
    }

    /// The bytecode operation that an operation is for, by how many stand between it and the one at hand.
    #[inline(always)]
    pub(super) fn pc(&self, between: usize) -> u32 {
        self.facts[self.end() - 1 - between].pc
    }

    /// Whether the last operation only makes a value in this register.
    #[inline(always)]
    pub(super) fn has_just_made(&self, d: Reg) -> bool {
        self.last().made == d
    }

    /// Whether the register of the top and this slot hold the same.
    #[inline(always)]
    pub(super) fn top_is_in(&self, slot: Slot) -> bool {
        self.last().top == slot
    }

    /// Which slot holds the same as the register of the top, behind an operation and where one did before it.
    #[inline(always)]
    fn top_behind(op: Op, before: Slot) -> Slot {
        let top = Self::TOP;
        let clobbers = match op {
            Op::Store { s, slot } if s == top => return slot,
            Op::Load { d, slot, .. } if d == top => return slot,
            Op::Store { slot, .. } if slot == before => return NO_SLOT,
            Op::Divide { .. } => I::DIVIDE_CLOBBERS,
            Op::DivideImm { imm, .. } => I::divide_imm_clobbers(imm),
            Op::Alu { op: AluOp::Shl | AluOp::Shr, .. } => I::SHIFT_CLOBBERS,
            _ => &[],
        };
        if op.defines() == Some(top) || clobbers.contains(&top) { NO_SLOT } else { before }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, pc: u32, op: Op) {
        let end = self.end();
        let top = Self::top_behind(op, self.facts[end - 1].top);
        self.held[end] = op;
        self.facts[end] = Facts::of(pc, op, top);
        self.len = end + 1;
        // At the end, so that nothing has to be saved over the call.
        if end + 1 == HELD {
            self.make_room();
        }
    }

    /// Takes some operations away, in whose place a rule puts others.
    #[inline(always)]
    pub(super) fn fire(&mut self, rule: Rule, removes: usize) {
        self.fired.0[rule as usize] += 1;
        self.len -= removes;
    }

    #[inline(always)]
    fn pass_on(&mut self, pc: u32, op: Op) {
        if pc != NOWHERE {
            self.sink.at(pc);
        }
        self.sink.put(op);
    }

    /// Passes operations on that were held back.
    #[inline(always)]
    fn pass_on_held(&mut self, range: Range<usize>) {
        for index in range {
            match self.held[index] {
                // Not before: where the slot is loaded behind it, the rules had better know of the store.
                Op::Store { s, slot } if s == Self::TOP && slot == self.facts[index - 1].top => {
                    self.fired.0[Rule::StoredTop as usize] += 1;
                }
                op => self.pass_on(self.facts[index].pc, op),
            }
        }
    }

    /// Passes the oldest operations on.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        const PASSED_ON: usize = HELD - KEPT;
        let top = self.facts[PASSED_ON - 1].top;
        self.pass_on_held(BEFORE..PASSED_ON);
        self.held.copy_within(PASSED_ON.., BEFORE);
        self.facts.copy_within(PASSED_ON.., BEFORE);
        self.begin_with(top);
        self.len = BEFORE + KEPT;
    }

    /// Passes all operations on.
    #[inline(never)]
    fn release(&mut self) {
        self.pass_on_held(BEFORE..self.len);
        self.len = BEFORE;
        self.begin_with(NO_SLOT);
    }

    /// Which slot holds the same as the register of the top before the first operation.
    fn begin_with(&mut self, top: Slot) {
        self.facts[BEFORE - 1].top = top;
    }
}

impl<I: Isa, S: Sink> Sink for Peephole<I, S> {
    #[inline]
    fn at(&mut self, pc: u32) {
        self.pc = pc;
        self.operands = OperandSet::default();
    }

    #[inline(always)]
    fn put(&mut self, op: Op) {
        match op {
            Op::Branch { .. } | Op::BranchImm { .. } => {
                self.hold(self.pc, op);
                // Who does not branch finds the top as it was.
                let top = self.last().top;
                self.release();
                self.begin_with(top);
            }
            Op::Align
            | Op::Label(_)
            | Op::Jump { .. }
            | Op::CountDown { .. }
            | Op::Fuel { .. }
            | Op::Need { .. }
            | Op::Room { .. }
            | Op::MovePointer { .. }
            | Op::Return { .. } => {
                self.release();
                self.pass_on(self.pc, op);
            }
            Op::Move { .. }
            | Op::Constant { .. }
            | Op::Load { .. }
            | Op::Store { .. }
            | Op::Alu { .. }
            | Op::AluImm { .. }
            | Op::Set { .. }
            | Op::SetImm { .. }
            | Op::Divide { .. }
            | Op::DivideImm { .. }
            | Op::LoadFrame { .. }
            | Op::StoreFrame { .. } => {
                // Before the rules, which may take the operation away but not what it means to the word.
                if let Some(reg) = op.defines() {
                    self.operands.insert(reg);
                }
                self.hold(self.pc, op);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{aarch64, x86_64};
    use crate::lir::{AluOp, Cond, DivOp, Label, Recorder, Reg, Site, Slot};

    fn improved<I: Isa>(before: &[Op]) -> (Vec<Op>, Vec<Rule>) {
        let mut pass = Peephole::<I, Recorder>::new(Recorder::default());
        for &op in before {
            pass.put(op);
        }
        let (recorder, fired) = pass.finish();
        (recorder.ops.into_iter().map(|(_, op)| op).collect(), fired.counts().map(|(rule, _)| rule).collect())
    }

    const ADD: AluOp = AluOp::Add;

    /// So that no rule, of whatever window, can rewrite across a label or a branch.
    #[test]
    fn nothing_is_held_back_behind_a_label_or_a_branch() {
        let to = Label(0);
        let (a, imm) = (Reg(0), 0);
        for border in [
            Op::Align,
            Op::Label(to),
            Op::Jump { to },
            Op::Branch { cond: Cond::Eq, a, b: Reg(1), to },
            Op::BranchImm { cond: Cond::Eq, a, imm, to },
            Op::MovePointer { slots: 1 },
        ] {
            let mut pass = Peephole::<aarch64::Emitter, Recorder>::new(Recorder::default());
            pass.put(Op::Constant { d: a, value: 5 });
            assert_eq!((pass.len, pass.sink.ops.len()), (BEFORE + 1, 0));
            pass.put(border);
            assert_eq!((pass.len, pass.sink.ops.len()), (BEFORE, 2), "{border:?}");
        }
    }
    const SUB: AluOp = AluOp::Sub;

    #[test]
    fn a_division_stays_with_its_word_when_the_next_one_gives_it_another_register() {
        let &[t, a, b, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are three registers") };
        let mut pass = Peephole::<aarch64::Emitter, Recorder>::new(Recorder::default());
        pass.at(1);
        pass.put(Op::Divide { op: DivOp::Quotient, d: t, a, b, site: Site(0) });
        pass.at(2);
        pass.put(Op::Move { d: b, s: t });
        pass.put(Op::Load { d: t, slot: Slot(0), last: true });
        let (recorder, fired) = pass.finish();
        assert_eq!(fired.counts().map(|(rule, _)| rule).collect::<Vec<_>>(), [Rule::RetargetBeforeLoad]);
        assert_eq!(recorder.ops.iter().map(|(pc, _)| *pc).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_the_top_holds_is_known_where_a_branch_was_not_taken_and_not_behind_a_label() {
        let &[t, a, ..] = aarch64::Emitter::ALLOCATABLE else { unreachable!("there are two registers") };
        let (slot, to) = (Slot(0), Label(0));
        let (load, store) = (Op::Load { d: t, slot, last: false }, Op::Store { s: t, slot });
        let branch = Op::BranchImm { cond: Cond::Lt, a, imm: 5, to };
        let label = Op::Label(to);
        assert_eq!(improved::<aarch64::Emitter>(&[load, branch, store]).0, [load, branch]);
        assert_eq!(improved::<aarch64::Emitter>(&[load, branch, label, store]).0, [load, branch, label, store]);
        assert_eq!(improved::<aarch64::Emitter>(&[load, label, store]).0, [load, label, store]);
    }

    #[test]
    fn a_division_takes_the_top_away_where_the_machine_divides_in_its_register() {
        fn left<I: Isa>() -> usize {
            let &[t, a, b, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has three registers") };
            let load = Op::Load { d: t, slot: Slot(0), last: false };
            let divide = Op::Divide { op: DivOp::Quotient, d: a, a, b, site: Site(0) };
            improved::<I>(&[load, divide, load]).0.len()
        }
        assert_eq!((left::<aarch64::Emitter>(), left::<x86_64::Emitter>()), (2, 3));
    }

    /// A row for each rule, more where it has more forms: the rules that fire, the operations before and after.
    fn table<I: Isa>() -> Vec<(Vec<Rule>, Vec<Op>, Vec<Op>)> {
        let &[t, a, b, c, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has four registers") };
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
        let branch = |a, b| Op::Branch { cond: Cond::Ge, a, b, to };
        let branch_imm = |a, imm| Op::BranchImm { cond: Cond::Ge, a, imm, to };
        let divide = |d, a, b| Op::Divide { op: DivOp::Quotient, d, a, b, site: Site(0) };
        let divide_imm = |d, a, imm| Op::DivideImm { op: DivOp::Quotient, d, a, imm };
        vec![
            (vec![Rule::SelfMove], vec![mov(t, t)], vec![]),
            // Moved there and back: the top stays alive, a temporary does not.
            (vec![], vec![mov(t, a), mov(a, t)], vec![mov(t, a), mov(a, t)]),
            (vec![Rule::SelfMove, Rule::Retarget], vec![mov(a, b), mov(b, a)], vec![]),
            (vec![Rule::SelfMove, Rule::RetargetBeforeLoad], vec![mov(t, a), mov(a, t), load(t, x)], vec![load(t, x)]),
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
            // The operation reads the target: a third register holds the value, from which the next word takes it.
            (
                vec![Rule::StoreOtherLoad],
                vec![store(t, x), alu(AluOp::Mul, t, a, t), load(a, x)],
                vec![mov(b, t), alu(AluOp::Mul, t, a, t), mov(a, b)],
            ),
            (vec![Rule::MovedOverStore], vec![mov(a, b), store(t, x), mov(t, a)], vec![store(t, x), mov(t, b)]),
            (vec![], vec![mov(a, b), store(a, x), mov(t, a)], vec![mov(a, b), store(a, x), mov(t, a)]),
            // The top is in the slot still, or is not.
            (vec![Rule::LoadedTop], vec![store(t, x), keep(a, y), keep(t, x)], vec![store(t, x), keep(a, y)]),
            (
                vec![Rule::LoadedTop],
                vec![keep(t, x), set(a, a, t), load(b, x)],
                vec![keep(t, x), set(a, a, t), mov(b, t)],
            ),
            (
                vec![Rule::StoredTop],
                vec![keep(t, x), imm(ADD, a, t, 1), store(t, x)],
                vec![keep(t, x), imm(ADD, a, t, 1)],
            ),
            // A temporary that is an operand already must not be moved away from.
            (vec![], vec![load(b, y), store(b, x), load(a, x)], vec![load(b, y), store(b, x), load(a, x)]),
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
                vec![mov(c, t), load(t, x), Op::Branch { cond: Cond::Ge, a, b: c, to }],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set_imm(b, t, 5), load(t, x), zero(b)],
                vec![mov(b, t), load(t, x), Op::BranchImm { cond: Cond::Ge, a: b, imm: 5, to }],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set(a, a, t), load(t, x), zero(a)],
                vec![mov(b, t), load(t, x), Op::Branch { cond: Cond::Ge, a, b, to }],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set(a, t, t), load(t, x), zero(a)],
                vec![mov(b, t), load(t, x), Op::Branch { cond: Cond::Ge, a: b, b, to }],
            ),
            // A branch that asks something else of the flag is left alone.
            (
                vec![],
                vec![set(a, a, b), Op::BranchImm { cond: Cond::Le, a, imm: 0, to }],
                vec![set(a, a, b), Op::BranchImm { cond: Cond::Le, a, imm: 0, to }],
            ),
            (vec![Rule::SelfMove, Rule::StoreLoad], vec![store(a, x), keep(a, x)], vec![store(a, x)]),
            (
                vec![Rule::StoreOtherLoad],
                vec![store(a, x), constant(b, 5), load(t, x)],
                vec![mov(t, a), constant(b, 5)],
            ),
            // What overwrites the top takes it away like one that lets a temporary die.
            (
                vec![Rule::ConstantOperand],
                vec![constant(t, 5), load(a, x), alu(ADD, t, a, t)],
                vec![load(a, x), imm(ADD, t, a, 5)],
            ),
            (vec![Rule::MovedOperand], vec![mov(t, a), imm(ADD, t, t, 1)], vec![imm(ADD, t, a, 1)]),
            (vec![Rule::ConstantOperand], vec![constant(b, 5), branch(a, b)], vec![branch_imm(a, 5)]),
            (vec![Rule::CompareBranch], vec![set(a, a, b), load(t, x), zero(a)], vec![load(t, x), branch(a, b)]),
            (
                vec![Rule::CompareBranch],
                vec![set(b, t, a), load(t, x), zero(b)],
                vec![mov(c, t), load(t, x), branch(c, a)],
            ),
            (
                vec![Rule::CompareBranch],
                vec![set_imm(a, b, 5), load(t, x), zero(a)],
                vec![load(t, x), branch_imm(b, 5)],
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

    /// Windows that are a rule's but for one thing.
    fn near_misses<I: Isa>() -> Vec<Vec<Op>> {
        let &[t, a, b, ..] = I::ALLOCATABLE else { unreachable!("every instruction set has three registers") };
        let (x, y, to) = (Slot(0), Slot(1), Label(0));
        let load = |d, slot| Op::Load { d, slot, last: true };
        let keep = |d, slot| Op::Load { d, slot, last: false };
        let store = |s, slot| Op::Store { s, slot };
        let constant = |d| Op::Constant { d, value: 5 };
        let alu = |d, a, b| Op::Alu { op: SUB, d, a, b };
        let imm = |d, a| Op::AluImm { op: ADD, d, a, imm: 1 };
        let set = |d, a, b| Op::Set { cond: Cond::Lt, d, a, b };
        let set_imm = |d, a| Op::SetImm { cond: Cond::Lt, d, a, imm: 5 };
        let zero = |a| Op::BranchImm { cond: Cond::Eq, a, imm: 0, to };
        vec![
            vec![store(t, x), keep(a, y)],
            vec![store(t, x), keep(t, y)],
            vec![load(b, y), store(b, x), keep(a, x)],
            vec![store(a, x), Op::Move { d: b, s: a }, load(a, x), alu(a, a, t)],
            vec![constant(b), load(a, x), alu(a, b, a)],
            vec![constant(b), load(a, x), alu(a, a, t)],
            vec![constant(b), load(a, x), alu(t, t, b)],
            vec![constant(t), load(a, x), alu(a, a, t)],
            vec![constant(t), alu(a, a, t)],
            vec![Op::Move { d: a, s: t }, load(t, x), alu(t, b, t)],
            vec![Op::Move { d: t, s: a }, imm(b, t)],
            // Another flag, and a flag that stays alive.
            vec![set(a, a, b), zero(b)],
            vec![set(t, a, b), zero(t)],
            vec![set_imm(a, a), zero(b)],
            vec![set_imm(t, a), zero(t)],
            vec![set(a, a, b), load(t, x), zero(b)],
            vec![set(t, a, b), load(a, x), zero(t)],
            vec![set_imm(a, a), load(t, x), zero(b)],
            vec![set_imm(t, a), load(b, x), zero(t)],
        ]
    }

    #[test]
    fn what_is_nearly_a_rules_window_is_left_alone() {
        for window in near_misses::<aarch64::Emitter>() {
            assert_eq!(improved::<aarch64::Emitter>(&window), (window, vec![]));
        }
        for window in near_misses::<x86_64::Emitter>() {
            assert_eq!(improved::<x86_64::Emitter>(&window), (window, vec![]));
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
