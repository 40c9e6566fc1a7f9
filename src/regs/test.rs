//! Tests: comparisons that are branched on without making a flag.

use super::compute::constant_second;
use super::stack::Value;
use super::state::State;
use crate::isa::Isa;
use crate::lir::{Cond, Label, Op, Reg, Sink};

/// A comparison whose operands have been taken from the stack: a register, and a register or a constant that the
/// instruction has a field for.
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

impl<I: Isa, S: Sink> State<'_, I, S> {
    /// Takes the operands of a comparison, or the flag on the stack where there is none. It holds where the word does.
    pub fn test(&mut self, cond: Option<Cond>) -> Test {
        let Some(cond) = cond else {
            let flag = self.pop();
            let slot = self.stack.height;
            let flag = self.to_register(flag, slot);
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

    /// Gives the operands back.
    pub fn release_operands(&mut self, test: Test) {
        self.release(test.a);
        self.release(test.b);
    }
}
