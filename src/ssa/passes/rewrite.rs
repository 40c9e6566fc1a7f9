//! Replaces values by others, for passes.

use crate::ssa::ir::{Function, Value};

/// The values that replace others.
pub struct Replaced(Vec<Value>);

impl Replaced {
    /// No value is replaced.
    pub fn none(function: &Function) -> Replaced {
        Replaced((0..function.insts.len() as u32).map(Value).collect())
    }

    /// Replaces a value from now on. The other value must dominate its uses.
    pub fn set(&mut self, value: Value, by: Value) {
        self.grow(value);
        self.grow(by);
        self.0[value.index()] = self.get(by);
    }

    /// Covers values that were added to the function.
    fn grow(&mut self, value: Value) {
        let known = self.0.len() as u32;
        self.0.extend((known..=value.0).map(Value));
    }

    /// The value that stands for this one.
    #[inline]
    pub fn get(&self, mut value: Value) -> Value {
        while let Some(&by) = self.0.get(value.index())
            && by != value
        {
            value = by;
        }
        value
    }

    /// Replaces the operands of all instructions and edges.
    pub fn apply(&self, function: &mut Function) {
        for index in 0..function.layout.len() {
            let block = function.layout[index];
            let data = &mut function.blocks[block.index()];
            for value in &data.insts {
                function.insts[value.index()].op.for_each_operand(|operand| *operand = self.get(*operand));
            }
            data.end.for_each_operand(|operand| *operand = self.get(*operand));
            data.end.passed_mut().iter_mut().for_each(|operand| *operand = self.get(*operand));
        }
    }
}
