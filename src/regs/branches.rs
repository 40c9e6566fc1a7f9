//! Branches: what is tested, and the stack where ways part and where they meet.

use super::compute::ordered;
use super::lower::{Lowering, Open};
use super::stack::{Stack, Value};
use super::summary::{Role, role};
use crate::bytecode::Pc;
use crate::isa::Isa;
use crate::lir::{Cond, Label, Op, Reg, Sink};

/// A branch of an `if` that is being lowered.
pub(super) enum If {
    /// The first of two.
    First { otherwise: Label, at_branch: Stack, end: Pc, index: usize },
    /// The last one.
    Last { end: Pc, label: Label, join: Stack, moves_pointer: bool },
}

/// A comparison whose operands have been taken from the stack: a register, and a register or a constant that the
/// instruction has a field for.
#[derive(Clone, Copy)]
pub(super) struct Test {
    pub cond: Cond,
    pub a: Value,
    pub b: Value,
}

impl Test {
    fn inverted(self) -> Test {
        Test { cond: self.cond.inverted(), ..self }
    }

    /// The branch to where the comparison holds.
    pub fn branch(self, to: Label) -> Op {
        let Test { cond, a, b } = self;
        let reg = |value: Value| -> Reg { value.reg().expect("it is in a register") };
        match b {
            Value::Const(imm) => Op::BranchImm { cond, a: reg(a), imm, to },
            b => Op::Branch { cond, a: reg(a), b: reg(b), to },
        }
    }
}

impl<I: Isa, S: Sink> Lowering<'_, I, S> {
    /// Takes the operands of a comparison, or the flag on the stack where there is none. It holds where the word does.
    pub fn test(&mut self, cond: Option<Cond>) -> Test {
        let Some(cond) = cond else {
            let flag = self.state.pop();
            let slot = self.state.stack.above;
            let flag = self.state.in_register(flag, slot);
            return Test { cond: Cond::Ne, a: flag, b: Value::Const(0) };
        };
        let (a, b) = self.operands();
        let (cond, mut a, mut b) = ordered(cond, a, b);
        self.register(&mut a);
        if !matches!(b, Value::Const(imm) if I::fits_compare(imm)) {
            self.register(&mut b);
        }
        Test { cond, a, b }
    }

    /// Gives the operands back.
    pub fn tested(&mut self, test: Test) {
        self.state.release(test.a);
        self.state.release(test.b);
    }

    /// Goes to the operation where the comparison does not hold, or without one the flag is zero.
    pub fn branch(&mut self, cond: Option<Cond>, pc: Pc, to: Pc) {
        let test = self.test(cond).inverted();
        match role(self.code, pc, to) {
            Role::Leave => self.leave_while(test),
            Role::If { end } => self.begin_if(test, end, false),
            Role::IfElse { end } => self.begin_if(test, end, true),
        }
    }

    fn begin_if(&mut self, test: Test, end: Pc, has_else: bool) {
        let label = self.label();
        let index = self.next_if;
        self.next_if += 1;
        let body = self.summary.ifs[index];
        if body.moves_pointer {
            self.state.flush();
        } else if !has_else {
            self.settle_for_join(body.touched, self.state.stack.above);
        }
        self.tested(test);
        self.put(test.branch(label));
        let stack = self.state.stack.clone();
        self.enter(Open::If(if has_else {
            If::First { otherwise: label, at_branch: stack, end, index }
        } else {
            If::Last { end, label, join: stack, moves_pointer: body.moves_pointer }
        }));
    }

    /// Whether an `if` ends before this operation.
    pub fn ends_at(&self, pc: Pc) -> bool {
        matches!(self.open.last(), Some(Open::If(If::Last { end, .. })) if *end == pc)
    }

    /// Puts what the branches of an `if` touch, and what lies above its border, into registers of their own or into their
    /// slots, so that any way to the same place can do the same.
    fn settle_for_join(&mut self, touched: u64, border: i64) {
        self.state.carry_out_deferred();
        for slot in (self.state.stack.low()..self.state.stack.above).rev() {
            let depth = border - 1 - slot;
            let is_touched = !(0..64).contains(&depth) || touched >> depth & 1 == 1;
            if is_touched && self.state.stack.get(slot) != Value::Slot {
                self.state.own_register(slot);
            }
        }
    }

    pub fn otherwise(&mut self) {
        let Some(Open::If(If::First { otherwise, at_branch, end, index })) = self.exit() else {
            unreachable!("a jump ahead ends the first branch of an `if`")
        };
        let body = self.summary.ifs[index];
        if body.moves_pointer {
            self.state.flush();
        } else {
            self.settle_for_join(body.touched, at_branch.above);
            // Of these the other branch need not know that they have values, and could not load them.
            self.state.spill_below(at_branch.known);
        }
        let join = self.state.stack.clone();
        let label = self.label();
        self.put(Op::Jump { to: label });
        self.put(Op::Label(otherwise));
        self.state.set_stack(at_branch);
        self.enter(Open::If(If::Last { end, label, join, moves_pointer: body.moves_pointer }));
    }

    pub fn end_if(&mut self) {
        let Some(Open::If(If::Last { label, mut join, moves_pointer, .. })) = self.exit() else {
            unreachable!("it was looked at")
        };
        if moves_pointer {
            self.flush_and_meet(join.above);
        } else {
            join.known = join.known.max(self.state.stack.known);
            self.state.reconcile(join, self.spare);
        }
        self.put(Op::Label(label));
    }

    /// Sends all values to their slots and moves the data-stack pointer so that `above` values lie above it.
    pub fn flush_and_meet(&mut self, above: i64) {
        self.state.flush();
        let slots = self.state.stack.above - above;
        if slots != 0 {
            self.put(Op::MovePointer { slots });
        }
        self.state.stack = Stack::in_memory(above, above);
    }
}
