//! Tests: lowers a comparison that a branch follows, without computing the flag.
//!
//! A test pops its operands. The caller emits the branch and then releases them.

use super::compute::constant_second;
use super::stack::Value;
use super::state::State;
use crate::isa::Isa;
use crate::lir::{Cond, Label, Op, Reg, Sink};

/// A comparison whose operands have been popped. The first is in a register. The second is in a register or is a constant that
/// fits the instruction's immediate field.
#[derive(Clone, Copy)]
pub struct Test {
    pub cond: Cond,
    pub a: Value,
    pub b: Value,
}

impl Test {
    pub fn inverted(self) -> Test {
        Test { cond: self.cond.inverted(), ..self }
    }

    /// The branch that is taken if the comparison holds.
    pub fn branch(self, to: Label) -> Op {
        let Test { cond, a, b } = self;
        let reg = |value: Value| -> Reg { value.reg().expect("the operand is in a register") };
        match b {
            Value::Const(imm) => Op::BranchImm { cond, a: reg(a), imm, to },
            b => Op::Branch { cond, a: reg(a), b: reg(b), to },
        }
    }
}

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Pops the operands of a comparison or, without a comparison, a flag that must not be zero for the test to hold.
    pub fn test(&mut self, cond: Option<Cond>) -> Test {
        let Some(cond) = cond else {
            let flag = self.pop();
            let slot = self.stack.height;
            let flag = self.materialize(flag, slot);
            return Test { cond: Cond::Ne, a: flag, b: Value::Const(0) };
        };
        let (a, b) = self.operands();
        let (cond, mut a, mut b) = constant_second(cond, a, b);
        self.ensure_register(&mut a);
        if !matches!(b, Value::Const(imm) if I::fits_compare(imm)) {
            self.ensure_register(&mut b);
        }
        Test { cond, a, b }
    }

    /// Releases the operands of a test.
    pub fn release_operands(&mut self, test: Test) {
        self.release(test.a);
        self.release(test.b);
    }
}
